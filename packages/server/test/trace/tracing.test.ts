/** Traces through three whole nodes, to a collector in this process. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { Tracing } from "../../src/trace/tracing.js";
import { freePort, until } from "../peer/peer-support.js";
import { call, connect } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";
import { createVault } from "../support/vault.js";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN = "00f067aa0ba902b7";

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly node: string;
}

/** What an OTLP collector would have got. */
async function collector(): Promise<{ endpoint: string; spans: SentSpan[] }> {
  const spans: SentSpan[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { resourceSpans } = JSON.parse(Buffer.concat(parts).toString("utf8"));
    for (const { resource, scopeSpans } of resourceSpans) {
      const instance = resource.attributes.find(
        ({ key }: { key: string }) => key === "service.instance.id",
      );
      for (const scope of scopeSpans) {
        for (const span of scope.spans) spans.push({ ...span, node: instance.value.stringValue });
      }
    }
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans };
}

async function start(name: string, rest: object): Promise<RunningNode & { stop(): Promise<void> }> {
  const addresses = { http: "127.0.0.1:0", peer: "127.0.0.1:0" };
  const config = parseNodeConfig({
    ...{ data: temporaryDirectory(), name, cache: "16MiB", shutdownGrace: 100, traceRate: 0 },
    ...{ listen: `127.0.0.1:${await freePort()}`, ...addresses, ...rest },
  });
  const node = await startNode(config, {
    ...{ version: "0.0.0-test", logger: pino({ level: "silent" }), onFatal: () => undefined },
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= node.close());
  onTestFinished(stop);
  return { ...node, stop };
}

describe("traces", () => {
  test("INV-TRACE-5: one write that a follower passes on is one connected trace: both nodes, the wait and the commit", async () => {
    const { endpoint: otlpEndpoint, spans } = await collector();
    const first = await start("n1", { otlpEndpoint });
    const rest = { otlpEndpoint, join: first.peerAddress! };
    const nodes = [first, await start("n2", rest), await start("n3", rest)];
    const addresses = nodes.slice(1).map(({ peerAddress }) => peerAddress!);
    await first.engine.call("cluster_init", { addresses });
    const tenant = await createVault(connect(first.grpcAddress));
    const follower = connect(nodes[1]!.grpcAddress);
    const applied = (): number[] => nodes.map(({ engine }) => engine.stats().appliedIndex);
    await until("all have the vault", () => new Set(applied()).size === 1);
    const metadata = new Metadata();
    metadata.set("traceparent", `00-${TRACE}-${CLIENT_SPAN}-01`);
    const request = { ...tenant, transaction: transaction([createTuple()]), prove: false };
    await call(follower, ["write", "write"], request, { metadata });
    const unsampled = new Metadata();
    unsampled.set("traceparent", `00-${TRACE}-${CLIENT_SPAN}-00`);
    await call(follower, ["read", "check"], { ...tenant, tuple: TUPLE }, { metadata: unsampled });
    await Promise.all(nodes.map(({ stop }) => stop()));
    const named = (name: string, node: string): SentSpan => {
      const found = spans.filter((span) => span.name === name && span.node === node);
      expect(found, `${name} of ${node}`).toHaveLength(1);
      return found[0]!;
    };
    const passedOn = named("WriteService/write", "n2");
    const executed = named("WriteService/write", "n1");
    const wait = named("propose.wait", "n1");
    const commit = named("raft.commit", "n1");
    expect(spans).toHaveLength(4);
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    expect([passedOn, executed, wait, commit].map(({ parentSpanId }) => parentSpanId)).toEqual([
      ...[CLIENT_SPAN, passedOn.spanId, executed.spanId, executed.spanId],
    ]);
  });

  test("INV-TRACE-5: calls without a caller's trace are recorded by their share; others as their callers say", () => {
    const begun: unknown[] = [];
    const span = { traceId: TRACE, spanId: CLIENT_SPAN, end: () => undefined };
    const recorder = {
      begin: () => span,
      beginCall: (_name: string, parent: unknown) => {
        begun.push(parent);
        return span;
      },
      close: async () => undefined,
    };
    let draw = 0;
    const tracing = new Tracing(
      recorder,
      () => 0.01,
      () => draw,
    );
    const enter = (caller: object | undefined): unknown => {
      const gated = { method: { service: "S", name: "m" }, caller, trace: undefined };
      tracing.enter(gated as never);
      return gated.trace;
    };
    expect(enter(undefined)).toBe(span);
    draw = 0.01;
    expect(enter(undefined)).toBeUndefined();
    const caller = { traceId: TRACE, spanId: CLIENT_SPAN };
    expect(enter({ ...caller, isSampled: true })).toBe(span);
    draw = 0;
    expect(enter({ ...caller, isSampled: false })).toBeUndefined();
    expect(begun).toEqual([undefined, { ...caller, isSampled: true }]);
  });
});
