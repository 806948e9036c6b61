/** What is stuck and what only takes long. */
import type { ClusterStatus, EngineStats } from "@authledger/engine";
import { pino } from "pino";
import { Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { portOf, startHttp } from "../../src/http.js";
import { parseNodeConfig, startNode } from "../../src/index.js";
import { SystemMoves } from "../../src/system/system-moves.js";
import { engineJobs, Rounds } from "../../src/watchdog/node-jobs.js";
import { type Job, Watchdog } from "../../src/watchdog/watchdog.js";
import { FakeEngine } from "../support/fake-engine.js";

function scene(...jobs: Job[]) {
  const told: string[] = [];
  let nowMs = 5_000;
  const dog = new Watchdog({
    nowMs: () => nowMs,
    onStuck: (job, ms) => told.push(`${job} stuck ${ms}`),
    onGoesOn: (job) => told.push(`${job} goes on`),
  });
  for (const job of jobs) dog.watch(job);
  const pass = (seconds: number, each = (): void => undefined): void => {
    for (let second = 0; second < seconds; second++) {
      nowMs += 1_000;
      each();
      dog.look();
    }
  };
  const sleep = (ms: number): void => {
    nowMs += ms;
    dog.look();
  };
  return { dog, told, pass, sleep };
}

describe("the watchdog", () => {
  test("INV-WATCHDOG-1: a job that comes no further for longer than its limit is stuck until it goes on", () => {
    let progress: number | undefined = 7;
    const s = scene({ name: "flush", limitMs: 10_000, progress: () => progress });
    s.pass(11);
    expect([s.dog.problem, s.told]).toEqual([undefined, []]);
    s.pass(1);
    expect([s.dog.problem, s.told]).toEqual(["stuck: flush", ["flush stuck 11000"]]);
    s.pass(100);
    expect(s.told).toHaveLength(1);
    progress = 8;
    s.pass(1);
    expect([s.dog.problem, s.told.slice(1)]).toEqual([undefined, ["flush goes on"]]);
    s.pass(12);
    progress = undefined;
    s.pass(1);
    expect([s.dog.problem, s.told.length]).toEqual([undefined, 4]);
  });

  test("a job that comes further is never stuck, however long it takes, nor one that has nothing to do", () => {
    let step = 0;
    const busy = { name: "busy", limitMs: 5_000, progress: () => step };
    const idle = { name: "idle", limitMs: 5_000, progress: () => undefined };
    const s = scene(busy, idle);
    let seconds = 0;
    s.pass(1_000, () => {
      seconds++;
      if (seconds % 5 === 0) step++;
    });
    expect([s.dog.problem, s.told]).toEqual([undefined, []]);
  });

  test("INV-WATCHDOG-1: a machine that was suspended finds nothing stuck for it, and what is stuck all the same", () => {
    const s = scene({ name: "sync", limitMs: 10_000, progress: () => 1 });
    s.pass(1);
    s.sleep(3_600_000);
    s.sleep(3_600_000);
    expect(s.dog.problem).toBeUndefined();
    s.pass(7);
    expect(s.dog.problem).toBe("stuck: sync");
  });
});

describe("the jobs of a node", () => {
  test("are at work by the engine's own figures", () => {
    const figures = { running: undefined as number | undefined, commit: 5, applied: 5, moved: 0 };
    let isCompacting = false;
    const stats = () =>
      ({
        wal: { syncs: { runningMs: figures.running, count: 3 } },
        appliedIndex: figures.applied,
        maintenance: {
          compaction: { running: isCompacting, runs: 2, progress: { moved: figures.moved } },
        },
      }) as unknown as EngineStats;
    const status = () => ({ commitIndex: figures.commit }) as ClusterStatus;
    const s = scene(...engineJobs({ stats, status }));
    s.pass(2_000);
    expect(s.dog.problem).toBeUndefined();
    figures.running = 12;
    s.pass(62);
    expect(s.dog.problem).toBe("stuck: log sync");
    figures.running = undefined;
    figures.commit = 9;
    s.pass(62);
    expect(s.dog.problem).toBe("stuck: apply");
    figures.applied = 9;
    isCompacting = true;
    s.pass(602);
    expect(s.dog.problem).toBe("stuck: compaction");
    figures.moved++;
    s.pass(1);
    expect(s.dog.problem).toBeUndefined();
    s.pass(5);
    expect(scene(...engineJobs({ stats, status: () => undefined })).dog.problem).toBeUndefined();
  });

  test("that come in rounds are stuck when a round does not end, not when none has begun", async () => {
    const rounds = new Rounds();
    const s = scene(rounds.job("look", 3_000));
    s.pass(10);
    let end = (): void => undefined;
    const round = rounds.run(() => new Promise<void>((resolve) => (end = resolve)));
    s.pass(5);
    expect(s.dog.problem).toBe("stuck: look");
    end();
    await round;
    s.pass(1);
    expect(s.dog.problem).toBeUndefined();
    await expect(rounds.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    s.pass(10);
    expect(s.dog.problem).toBeUndefined();
  });

  test("an engine that answers no more who follows the system vault makes the node not alive", async () => {
    const engine = new FakeEngine();
    engine.call = (() => new Promise(() => undefined)) as never;
    const moves = new SystemMoves(engine);
    onTestFinished(() => moves.stop());
    moves.start();
    const s = scene(moves.job);
    s.pass(60);
    expect(s.dog.problem).toBeUndefined();
    s.pass(2);
    expect(s.dog.problem).toBe("stuck: following the system vault");
  });

  test("fail the probe of liveness by their name while they are stuck", async () => {
    const s = scene({ name: "sync", limitMs: 1_000, progress: () => 1 });
    const registry = new Registry();
    s.dog.register(registry);
    const fault = (): string | undefined => s.dog.problem;
    const deps = { registry, fault, problem: fault, isStarted: () => true };
    const http = await startHttp({ host: "127.0.0.1", port: 0 }, deps);
    onTestFinished(() => void http.close());
    const ask = async (path: string): Promise<readonly [number, string]> => {
      const answer = await fetch(`http://127.0.0.1:${portOf(http)}/${path}`);
      return [answer.status, await answer.text()];
    };
    expect((await ask("livez"))[0]).toBe(200);
    s.pass(3);
    expect(await ask("livez")).toEqual([503, "not ready: stuck: sync\n"]);
    expect(await ask("metrics")).toEqual([200, expect.stringMatching(/jobs_stuck 1$/m)]);
  });

  test("of a node that does its work are not stuck, and liveness says so", async () => {
    const data = temporaryDirectory();
    const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB", data };
    const node = await startNode(parseNodeConfig(config), {
      version: "0.0.0-test",
      logger: pino({ level: "silent" }),
      onFatal: (error) => {
        throw error;
      },
    });
    onTestFinished(() => node.close());
    const live = await fetch(`http://${node.httpAddress}/livez`);
    expect([live.status, await live.text()]).toEqual([200, "ok\n"]);
    const metrics = await (await fetch(`http://${node.httpAddress}/metrics`)).text();
    expect(metrics).toMatch(/^authledger_jobs_stuck 0$/m);
  });
});
