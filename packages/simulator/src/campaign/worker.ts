/** A worker process of a campaign: runs every n-th seed, or explores every n-th start, and reports now and then. */
import process from "node:process";
import * as module from "@authledger/raft";
import { type ExploreResult, explore } from "../core/explorer.js";
import { shapes } from "../core/shapes.js";
import { loadMode } from "./load-mode.js";
import type { ModeName } from "./mode.js";
import { type Sums, Tally } from "./tally.js";

export type WorkerOrder =
  | {
      readonly kind: "seeds";
      readonly mode: ModeName;
      readonly from: number;
      readonly to: number;
      readonly step: number;
      readonly seconds: number;
    }
  | {
      readonly kind: "explore";
      readonly first: number;
      readonly step: number;
      readonly seconds: number;
    };

export type WorkerNews =
  | { readonly kind: "sums"; readonly sums: Sums }
  | {
      readonly kind: "explored";
      readonly result: Omit<ExploreResult, "violation"> & { readonly broken: string | undefined };
    };

const REPORT_EVERY_MS = 1_000;
/** Fingerprints in the memory of one search. */
const STATES_MAX = 4_000_000;

process.once("message", (order: WorkerOrder) => {
  const work = order.kind === "seeds" ? runSeeds(order) : exploreShapes(order);
  work.then(
    () => process.disconnect(),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});

async function runSeeds(order: Extract<WorkerOrder, { kind: "seeds" }>): Promise<void> {
  const { run } = await loadMode(order.mode);
  const end = performance.now() + order.seconds * 1_000;
  let tally = new Tally();
  let reportAt = performance.now() + REPORT_EVERY_MS;
  for (let seed = order.from; seed < order.to && performance.now() < end; seed += order.step) {
    tally.add(await run(seed));
    if (performance.now() < reportAt) continue;
    tell({ kind: "sums", sums: tally.sums });
    tally = new Tally();
    reportAt = performance.now() + REPORT_EVERY_MS;
  }
  tell({ kind: "sums", sums: tally.sums });
}

async function exploreShapes(order: Extract<WorkerOrder, { kind: "explore" }>): Promise<void> {
  const mine = shapes.filter((_, i) => i % order.step === order.first);
  for (const [i, shape] of mine.entries()) {
    // What a small start leaves of its share is for the others.
    const share = (order.seconds * 1_000) / mine.length;
    const end = started + share * (i + 1);
    const isOver = (): boolean => performance.now() > end;
    const { violation, ...result } = explore({ module, shape, statesMax: STATES_MAX, isOver });
    tell({ kind: "explored", result: { ...result, broken: violation?.message } });
  }
}

const started = performance.now();

function tell(news: WorkerNews): void {
  process.send?.(news);
}
