/** The bench: its figures, its plan, and what it refuses. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { Latencies } from "../../src/bench/latencies.js";
import { measure } from "../../src/bench/measure.js";
import { OPERATIONS, type Operation } from "../../src/bench/operations.js";
import { cliHere, startNode } from "../e2e/processes.js";

describe("latencies", () => {
  it("are known to 1 %, whatever their spread", () => {
    const latencies = new Latencies();
    for (let i = 1; i <= 10_000; i++) latencies.add(i / 10);
    for (const [part, ms] of [
      [0.5, 500],
      [0.99, 990],
      [1, 1_000],
    ] as const) {
      expect(Math.abs(latencies.quantileMs(part) / ms - 1)).toBeLessThan(0.011);
    }
    expect([latencies.count, latencies.maxMs]).toEqual([10_000, 1_000]);
    expect(new Latencies().quantileMs(0.5)).toBe(0);
  });
});

describe("a measurement", () => {
  const signal = new AbortController().signal;
  const operation = (call: (n: number) => Promise<unknown>): Operation => ({
    name: "check",
    itemsPerCall: 1,
    call,
  });

  it("keeps so many calls in flight, and counts no warm-up", async () => {
    let inFlight = 0;
    let most = 0;
    let all = 0;
    const slow = operation(async () => {
      most = Math.max(most, ++inFlight);
      await sleep(5);
      inFlight -= 1;
      all += 1;
    });
    const { calls, errors, seconds, latencies } = await measure(slow, {
      concurrency: 4,
      durationMs: 100,
      signal,
    });
    expect([most, errors, latencies.count]).toEqual([4, 0, calls]);
    expect(calls).toBeLessThan(all);
    expect(seconds).toBeGreaterThanOrEqual(0.1);
    expect(latencies.quantileMs(0.5)).toBeGreaterThan(4);
  });

  it("counts failed calls, and fails when there are no others", async () => {
    const options = { concurrency: 2, durationMs: 60, signal };
    const gone = new LedgerError("UNAVAILABLE", "gone");
    const half = operation(async (n) => {
      await sleep(1);
      if (n % 2 === 1) throw gone;
    });
    const { calls, errors } = await measure(half, options);
    expect([calls > 0, errors > 0]).toEqual([true, true]);
    expect(
      await rejectedBy(
        measure(
          operation(() => Promise.reject(gone)),
          options,
        ),
      ),
    ).toBe(gone);
  });
});

describe("authledger bench", () => {
  it("measures every operation in a vault of its own, after a yes", async () => {
    const { grpc } = await startNode(join(temporaryDirectory(), "data"));
    const env = { AUTHLEDGER_ENDPOINT: grpc };
    const refused = await cliHere(["bench"], { env });
    expect([refused.end, refused.out]).toEqual([2, ""]);
    expect(refused.err).toContain("--yes");
    const planned = await cliHere(["bench", "--dry-run"], { env });
    expect([planned.end, planned.out]).toEqual([0, ""]);
    expect((await cliHere(["org", "list", "-o", "name"], { env })).out).toBe("");
    const args = "bench --yes --duration 50ms --concurrency 2 -o json".split(" ");
    const { end, out, err } = await cliHere(args, { env });
    expect([end, err.includes("stays")]).toEqual([0, true]);
    const rows = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(rows.map((row) => row["operation"])).toEqual(OPERATIONS);
    for (const row of rows) {
      expect(row["calls"]).toBeGreaterThan(0);
      expect(row["errors"]).toBe(0);
      expect(row["p99_ms"]).toBeGreaterThanOrEqual(row["p50_ms"]!);
      expect(row["max_ms"]).toBeGreaterThanOrEqual(row["p99_ms"]!);
    }
    // A second bench takes the same organization.
    await cliHere([...args, "--only", "check"], { env });
    expect(
      (await cliHere(["org", "list", "-o", "json"], { env })).out.trimEnd().split("\n"),
    ).toHaveLength(1);
  });
});
