import {
  AssertionError,
  assert,
  assertNever,
  enableCostlyChecks,
  LedgerError,
  verify,
} from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";

describe("asserts", () => {
  it("pass silently when the condition holds", () => {
    expect(() => assert(true, "it holds")).not.toThrow();
  });

  it("throw an AssertionError, which is no LedgerError, with the reason and the facts", () => {
    const broken = () => assert(false, "pages ascend", { page: 7, txid: 12n });
    expect(broken).toThrow(AssertionError);
    expect(broken).toThrow("pages ascend (page=7, txid=12)");
    expect(broken).not.toThrow(LedgerError);
  });

  it("fail in the branch that must not be reached", () => {
    expect(() => assertNever("other" as never, "role")).toThrow("unhandled role (value=other)");
  });
});

describe("costly checks", () => {
  it("run only where they are on, and they are on in tests", () => {
    onTestFinished(() => enableCostlyChecks(true));
    let runs = 0;
    verify(() => runs++);
    enableCostlyChecks(false);
    verify(() => runs++);
    expect(runs).toBe(1);
  });
});
