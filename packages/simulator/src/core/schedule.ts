/** What is done to a run, by whom and when: drawn from the seed before it begins, so that parts of it can be left out. */
import { SeededRandom } from "@authledger/io";
import { type CoreSettings, RUN_MS, type StepKind, stepKinds } from "./settings.js";

export interface Step {
  readonly at: number;
  readonly kind: StepKind;
  /** What it is done to, and how: the meaning depends on the kind. */
  readonly machine: number;
  readonly value: number;
  /** Its name for the minimizer. */
  readonly name: string;
}

/** The steps of a run in the order of their times. */
export function drawSchedule(settings: CoreSettings): Step[] {
  const random = new SeededRandom(settings.seed ^ 0x5c4ed);
  const steps: Step[] = [];
  for (const kind of stepKinds) {
    const count = expectedCount(settings.perSecond[kind], random);
    for (let n = 0; n < count; n++) {
      steps.push({
        at: (random.u32() / 0x1_0000_0000) * RUN_MS,
        kind,
        machine: random.int(settings.machines),
        value: random.u32(),
        name: `${kind}#${n}`,
      });
    }
  }
  return steps.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
}

function expectedCount(perSecond: number, random: SeededRandom): number {
  const expected = (perSecond * RUN_MS) / 1_000;
  return Math.floor(expected) + (random.chance(expected % 1) ? 1 : 0);
}
