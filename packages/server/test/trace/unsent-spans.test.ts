/** Collectors that do not take what they are sent. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { core } from "@opentelemetry/sdk-node";
import { expect, onTestFinished, test } from "vitest";
import { openRecorder } from "../../src/trace/open-telemetry.js";
import { type UnsentSpans, WatchedExporter } from "../../src/trace/watched-exporter.js";

/** A collector that answers with a status. */
async function refusing(status: number): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${port}`;
}

/** Exports nothing, and calls it so many spans. */
const spansOf = (count: number): never[] => Array.from({ length: count }) as never[];

test("spans that a collector refuses are told of once a minute, with why and how many they were", async () => {
  const collector = new OTLPTraceExporter({ url: await refusing(401) });
  const told: UnsentSpans[] = [];
  let nowMs = 0;
  const exporter = new WatchedExporter(
    {
      // The batch itself is empty: what the collector says is what matters.
      export: (_spans, done) => collector.export([], done),
      shutdown: () => collector.shutdown(),
    },
    (unsent) => told.push(unsent),
    () => nowMs,
  );
  const send = (count: number): Promise<core.ExportResultCode> =>
    new Promise((resolve) => exporter.export(spansOf(count), ({ code }) => resolve(code)));
  expect(await send(3)).toBe(core.ExportResultCode.FAILED);
  nowMs = 59_999;
  await send(4);
  nowMs = 60_000;
  await send(5);
  expect(told.map(({ spans }) => spans)).toEqual([3, 9]);
  expect(told[0]!.problem).toBe("Unauthorized");
});

test("a node's spans that are refused are told of, and nobody who ends one hears of it", async () => {
  const told: UnsentSpans[] = [];
  const recorder = openRecorder({
    ...{ endpoint: await refusing(400), version: "0.0.0-test", node: "n1" },
    onUnsent: (unsent) => told.push(unsent),
  });
  const parent = { traceId: "4b".repeat(16), spanId: "0f".repeat(8) };
  for (let i = 0; i < 3; i++) recorder.begin("propose.wait", parent).end();
  await recorder.close().catch(() => undefined);
  expect(told).toEqual([{ spans: 3, problem: "Bad Request" }]);
});
