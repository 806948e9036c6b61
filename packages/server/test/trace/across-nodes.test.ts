/** One write from a program through three whole nodes, as a collector of OTLP sees it. */
import { createClient, createTuple, type LedgerClient } from "@authledger/sdk";
import { otelTracing } from "@authledger/sdk/otel";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { node as nodeSdk, resources, tracing } from "@opentelemetry/sdk-node";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { freePort, until } from "../peer/peer-support.js";
import { connect } from "../support/harness.js";
import { createVault } from "../support/vault.js";
import { type CollectedSpan, openCollector } from "./collector.js";

const PROGRAM = "shop-1";
/** A span begins at a whole millisecond of the wall clock and ends by a finer one: those of one moment differ by so much. */
const CLOCK_NS = 2_000_000n;

interface StoppableNode extends RunningNode {
  stop(): Promise<void>;
}

async function start(name: string, rest: object): Promise<StoppableNode> {
  const addresses = { http: "127.0.0.1:0", peer: "127.0.0.1:0" };
  const config = parseNodeConfig({
    ...{ data: temporaryDirectory(), name, cache: "16MiB", shutdownGrace: 100, traceRate: 0 },
    logLevel: "silent",
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

/** Three nodes of which the first leads, and a vault that all of them have. */
async function threeNodes(otlpEndpoint: string) {
  const first = await start("n1", { otlpEndpoint });
  const rest = { otlpEndpoint, join: first.peerAddress! };
  const nodes = [first, await start("n2", rest), await start("n3", rest)];
  const addresses = nodes.slice(1).map(({ peerAddress }) => peerAddress!);
  await first.engine.call("cluster_init", { addresses });
  const tenant = await createVault(connect(first.grpcAddress));
  const settled = (): Promise<void> =>
    until("all have applied the same", () => {
      const applied = nodes.map(({ engine }) => engine.stats().appliedIndex);
      return new Set(applied).size === 1;
    });
  await settled();
  return { nodes, tenant, settled };
}

/** What a program that is traced has: a provider of its own, with the exporter that programs have. */
function programTracing(endpoint: string, sampler: tracing.Sampler) {
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
  const provider = new nodeSdk.NodeTracerProvider({
    resource: resources.resourceFromAttributes({ "service.instance.id": PROGRAM }),
    sampler,
    spanProcessors: [new tracing.BatchSpanProcessor(exporter)],
  });
  onTestFinished(() => provider.shutdown());
  return { provider, tracing: otelTracing({ tracer: provider.getTracer("shop") }) };
}

test("INV-TRACE-5: one write through a follower is one trace: the program, both nodes' calls, the wait, replication, and append and apply on all three nodes", async () => {
  const { endpoint, spans, paths } = await openCollector();
  const { nodes, tenant, settled } = await threeNodes(endpoint);
  const sampled = programTracing(endpoint, new tracing.AlwaysOnSampler());
  const unsampled = programTracing(endpoint, new tracing.AlwaysOffSampler());
  const clientOf = (about: typeof sampled): LedgerClient => {
    const client = createClient({
      ...{ endpoints: nodes[1]!.grpcAddress, discover: false, tenant, tracing: about.tracing },
    });
    onTestFinished(() => client.close());
    return client;
  };
  await clientOf(sampled).write([createTuple("doc:1#viewer@user:a")]);
  await clientOf(unsampled).write([createTuple("doc:2#viewer@user:a")]);
  await settled();
  await sampled.provider.shutdown();
  // One after the other: each finds somebody to hand the leadership to.
  for (const { stop } of nodes) await stop();

  const one = (name: string, instance: string): CollectedSpan => {
    const found = spans.filter((span) => span.name === name && span.instance === instance);
    expect(found, `${name} of ${instance}`).toHaveLength(1);
    return found[0]!;
  };
  const root = one("authledger.v1.WriteService/Write", PROGRAM);
  const passedOn = one("WriteService/write", "n2");
  const executed = one("WriteService/write", "n1");
  const wait = one("propose.wait", "n1");
  const replicate = one("raft.replicate", "n1");
  const apply = one("ledger.apply", "n1");
  const below = [
    one("raft.append", "n1"),
    ...["n2", "n3"].flatMap((n) => [one("raft.append", n), one("ledger.apply", n)]),
  ];
  const parents = [root, passedOn, executed, wait, replicate, apply].map((s) => s.parentSpanId);
  expect(parents).toEqual([
    ...[undefined, root.spanId, passedOn.spanId],
    ...[executed.spanId, executed.spanId, executed.spanId],
  ]);
  for (const span of below) expect(span.parentSpanId, span.name).toBe(replicate.spanId);
  // Nothing of the second write, whose program does not record it.
  expect(spans).toHaveLength(11);
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([root.traceId]));
  expect([...paths]).toEqual(["POST /v1/traces"]);

  const entries = [replicate, apply, ...below];
  const told = (key: string): Set<unknown> =>
    new Set(entries.map(({ attributes }) => attributes.get(key)));
  expect(told("authledger.entry.index").size).toBe(1);
  expect(told("authledger.group")).toEqual(new Set(["1"]));
  expect(told("authledger.node").size).toBe(3);
  for (const span of spans) expect(span.endNs, span.name).toBeGreaterThanOrEqual(span.startNs);
  expect(wait.endNs).toBeLessThan(replicate.startNs + CLOCK_NS);
  expect(replicate.endNs).toBeLessThan(apply.startNs + CLOCK_NS);
});
