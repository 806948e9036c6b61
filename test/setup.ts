/** Runs before each test file: costly invariant checks are on in tests. */
import { enableCostlyChecks } from "@authledger/types";

enableCostlyChecks(true);
