/** A node stops in phases: it stays reachable until who balances load has heard of it, and logs what it does. */
import { get } from "node:http";
import { join } from "node:path";
import { pino } from "pino";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../test/support.js";
import { parseNodeConfig, startNode } from "../src/index.js";
import { shutDown } from "../src/shutdown.js";
import { call, connect } from "./support/harness.js";

function logInto(lines: Record<string, unknown>[]): pino.Logger {
  return pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
}

function ready(address: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(`http://${address}/readyz`, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

it("is not ready during the delay, and serves until it is over; each phase has its line", async () => {
  const lines: Record<string, unknown>[] = [];
  const any = "127.0.0.1:0";
  const data = join(temporaryDirectory(), "data");
  const own = { listen: any, http: any, cache: "16MiB", shutdownGrace: 200, preStopDelay: "600ms" };
  const node = await startNode(parseNodeConfig({ ...own, data }), {
    version: "0.0.0-test",
    logger: logInto(lines),
    onFatal: () => undefined,
  });
  await expect.poll(() => ready(node.httpAddress)).toBe(200);
  const startMs = performance.now();
  const closed = node.close();
  await expect.poll(() => ready(node.httpAddress), { interval: 20 }).toBe(503);
  const client = connect(node.grpcAddress);
  expect(await call(client, ["admin", "getNodeInfo"], {})).toMatchObject({ version: "0.0.0-test" });
  expect(performance.now() - startMs).toBeLessThan(600);
  await closed;
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(599);
  const phases = lines.flatMap(({ msg, phase }) => (msg === "stopping" ? [phase] : []));
  expect(phases).toEqual(["readiness", "delay", "hand over", "drain", "tasks", "close"]);
});

it("runs every phase in turn, whatever failed before, and says so at the end (INV-STOP-1)", async () => {
  const lines: Record<string, unknown>[] = [];
  const ran: string[] = [];
  const phase = (name: "drain" | "tasks" | "close", fails: boolean) => ({
    name,
    run: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      ran.push(name);
      if (fails) throw new Error(`${name} failed`);
    },
  });
  const all = [phase("drain", true), phase("tasks", true), phase("close", false)];
  const error = await shutDown(all, logInto(lines)).catch((thrown: Error) => thrown);
  expect([ran, String(error)]).toEqual([["drain", "tasks", "close"], "Error: drain failed"]);
  expect(lines.filter(({ level }) => level === 50).map(({ phase: one }) => one)).toEqual([
    "drain",
    "tasks",
  ]);
});
