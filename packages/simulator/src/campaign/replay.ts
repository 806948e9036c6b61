/** One seed of the core again: exactly as it was, then as small as it still fails, told in one line per event. */
import * as module from "@authledger/raft";
import { minimize } from "../core/minimize.js";
import { drawSettings } from "../core/settings.js";
import { type RunResult, simulate } from "../core/simulation.js";
import { currentCommit } from "./ledger.js";

/** Lines of the shrunk run that are printed: its end. */
const LINES_MAX = 400;

/** True when the seed breaks no rule. */
export function replayCore(seed: number, say: (text: string) => void): boolean {
  const settings = drawSettings(seed);
  const run = (only: ReadonlySet<string> | undefined, isTraced: boolean): RunResult =>
    simulate({ module, settings, only, isTraced });
  const whole = run(undefined, true);
  const seconds = (whole.virtualMs / 1_000).toFixed(1);
  say(
    `seed ${seed} at ${currentCommit()}: ${whole.steps} steps, ${seconds} s, hash ${whole.hash}\n`,
  );
  const { violation } = whole;
  if (violation === undefined) {
    say("no rule is broken\n");
    return true;
  }
  say(`${violation.message}\n${JSON.stringify(settings)}\n`);
  const names = minimize(
    whole.names,
    (some) => run(new Set(some), false).violation?.rule === violation.rule,
  );
  const small = run(new Set(names), true);
  say(
    `shrunk from ${whole.names.length} steps and faults to ${names.length}: ${names.join(" ")}\n`,
  );
  say(`${small.lines.slice(-LINES_MAX).join("\n")}\n`);
  return false;
}
