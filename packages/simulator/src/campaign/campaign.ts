/** Spreads a campaign over worker processes and adds up what they report. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { ModeName } from "./mode.js";
import { type Sums, Tally } from "./tally.js";
import type { WorkerNews, WorkerOrder } from "./worker.js";

type Explored = Extract<WorkerNews, { kind: "explored" }>["result"];

/** One worker for each processor: the collector has none of its own. What a seed makes dies with its events: 8 % less work. */
const WORKER_FLAGS = ["--max-semi-space-size=64", "--single-threaded-gc"];
const worker = fileURLToPath(new URL("./worker.js", import.meta.url));

export interface CampaignOptions {
  readonly mode: ModeName;
  /** Half-open range of seeds. */
  readonly from: number;
  readonly to: number;
  /** Ends early after so long. */
  readonly seconds: number;
  readonly workers: number;
}

/** Runs seeds; every n-th by each of n workers. */
export async function runCampaign(options: CampaignOptions): Promise<Sums> {
  const { mode, from, to, seconds, workers } = options;
  const tally = new Tally();
  const orders = Array.from(
    { length: Math.min(workers, to - from) },
    (_, i): WorkerOrder => ({ kind: "seeds", mode, from: from + i, to, step: workers, seconds }),
  );
  await runWorkers(orders, (news) => {
    if (news.kind === "sums") tally.addSums(news.sums);
  });
  return tally.sums;
}

/** Explores all starts; every n-th by each of n workers. */
export async function exploreAll(
  options: { readonly seconds: number; readonly workers: number },
  onResult: (result: Explored) => void,
): Promise<void> {
  const { seconds, workers } = options;
  const orders = Array.from(
    { length: workers },
    (_, first): WorkerOrder => ({ kind: "explore", first, step: workers, seconds }),
  );
  await runWorkers(orders, (news) => {
    if (news.kind === "explored") onResult(news.result);
  });
}

async function runWorkers(
  orders: readonly WorkerOrder[],
  onNews: (news: WorkerNews) => void,
): Promise<void> {
  const children = orders.map((order): ChildProcess => {
    const child = fork(worker, {
      execArgv: [...process.execArgv, ...WORKER_FLAGS],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.on("message", onNews);
    child.send(order);
    return child;
  });
  const ends = await Promise.all(children.map((child) => once(child, "exit")));
  const failed = ends.filter(([code]) => code !== 0).length;
  if (failed > 0) throw new Error(`${failed} worker processes failed`);
}
