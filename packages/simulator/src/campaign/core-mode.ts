/** Campaigns over the core alone. */
import * as module from "@authledger/raft";
import { drawSettings } from "../core/settings.js";
import { simulate } from "../core/simulation.js";
import { type Mode, recordOf, type SeedReport } from "./mode.js";

export const mode: Mode = { run: async (seed) => runCore(seed) };

function runCore(seed: number): SeedReport {
  const result = simulate({ module, settings: drawSettings(seed) });
  return {
    seed,
    failure: result.violation?.message,
    hash: result.hash,
    virtualMs: result.virtualMs,
    steps: result.steps,
    acknowledged: result.acknowledged,
    faults: recordOf(result.faults),
    sometimes: recordOf(result.sometimes),
  };
}
