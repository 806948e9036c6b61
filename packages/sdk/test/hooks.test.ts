/** What a program puts around its calls: interceptors, metrics, traces. */
import { type Span, type SpanContext, TraceFlags, type Tracer } from "@opentelemetry/api";
import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { createFakeLedger } from "../src/fake/index.js";
import { createClient, createTuple, type Interceptor } from "../src/index.js";
import { otelTracing } from "../src/otel/index.js";
import { prometheusMetrics } from "../src/prometheus/index.js";
import { fakeLedger } from "./support/fake-ledger.js";

const TIP = {
  height: 3n,
  header: new Uint8Array(244),
  blockHash: new Uint8Array(32),
  token: Uint8Array.of(1),
};

it("interceptors see each call once, the first of the list outermost, and may add metadata", async () => {
  const told: string[] = [];
  const named = (name: string): Interceptor => ({
    unary: (next) => async (call) => {
      told.push(`${name} ${call.method.split("/")[2]}`);
      const answer = await next({ ...call, metadata: { ...call.metadata, [name]: "1" } });
      told.push(`${name} done`);
      return answer;
    },
  });
  const seen: unknown[] = [];
  const { endpoint } = await fakeLedger({
    read: {
      getTip: (_, { metadata }) => {
        seen.push(metadata.get("outer"), metadata.get("inner"), metadata.get("x-request-id"));
        return TIP;
      },
    },
  });
  const tenant = { organization: 1n, vault: 1n };
  const interceptors = [named("outer"), named("inner")];
  await using client = createClient({ endpoints: endpoint, tenant, interceptors });
  await client.getTip({ requestId: "r" });
  expect(told).toEqual(["outer GetTip", "inner GetTip", "inner done", "outer done"]);
  expect(seen).toEqual([["1"], ["1"], ["r"]]);
});

it("an interceptor may refuse, and what it throws is the error of the call; streams have their own", async () => {
  const methods: string[] = [];
  const ledger = createFakeLedger();
  const client = ledger.client({
    interceptors: [
      {
        unary: (next) => (call) =>
          call.method.endsWith("GetTip") ? Promise.reject(new Error("not today")) : next(call),
        stream: (next) => (call) => {
          methods.push(call.method);
          return next(call);
        },
      },
    ],
  });
  const error = await rejectedBy(client.getTip());
  expect([error.code, error.message]).toEqual(["INTERNAL", "not today"]);
  await client.write([createTuple("doc:1#viewer@user:a")]);
  for await (const { kind } of client.watchBlocks({ from: 0n })) if (kind === "block") break;
  expect(methods).toEqual(["/authledger.v1.ReadService/WatchBlocks"]);
});

it("metrics for Prometheus have names and labels that do not grow, and hooks that throw break nothing", async () => {
  const register = new Registry();
  const metrics = prometheusMetrics({ register });
  const { endpoint } = await fakeLedger({ read: { getTip: () => TIP } });
  const tenant = { organization: 1n, vault: 1n };
  await using client = createClient({ endpoints: endpoint, tenant, metrics });
  await client.getTip();
  await rejectedBy(client.getBlock(1n));
  const text = await register.metrics();
  expect(text).toContain('authledger_sdk_call_seconds_count{call="GetTip",code="OK"} 1');
  expect(text).toContain(
    'authledger_sdk_call_seconds_count{call="GetBlock",code="UNIMPLEMENTED"} 1',
  );
  expect(text).toContain(`{call="GetTip",code="OK",endpoint="${endpoint}",hedge="false"} 1`);
  for (let i = 0; i < 100; i++) metrics.circuitChanged?.({ endpoint: `n${i}:1`, state: "open" });
  const circuits = (await register.metrics()).match(/^authledger_sdk_circuit_state\{/gm);
  expect(circuits).toHaveLength(64);
  const fail = (): never => {
    throw new Error("broken");
  };
  const tracing = { begin: fail };
  const broken = { callEnded: fail, attemptEnded: fail };
  await using other = createClient({ endpoints: endpoint, tenant, metrics: broken, tracing });
  expect((await other.getTip()).height).toBe(3n);
});

it("a traced call is a span, and its context goes to the node", async () => {
  const spans: Record<string, unknown>[] = [];
  const context: SpanContext = {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    traceFlags: TraceFlags.SAMPLED,
  };
  const tracer = {
    startSpan: (name: string) => {
      const about: Record<string, unknown> = { name };
      spans.push(about);
      const span: Partial<Span> = {
        spanContext: () => context,
        setAttribute: () => span as Span,
        setStatus: ({ message }) => {
          about["status"] = message;
          return span as Span;
        },
        end: () => {
          about["ended"] = true;
        },
      };
      return span as Span;
    },
  } as unknown as Tracer;
  const seen: unknown[] = [];
  const { endpoint } = await fakeLedger({
    read: {
      getTip: (_, { metadata }) => {
        seen.push(metadata.get("traceparent")[0]);
        return TIP;
      },
    },
  });
  const tenant = { organization: 1n, vault: 1n };
  await using client = createClient({
    endpoints: endpoint,
    tenant,
    tracing: otelTracing({ tracer }),
  });
  await client.getTip();
  await rejectedBy(client.getBlock(1n));
  expect(seen).toEqual(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]);
  expect(spans).toEqual([
    { name: "authledger.v1.ReadService/GetTip", ended: true },
    { name: "authledger.v1.ReadService/GetBlock", ended: true, status: "UNIMPLEMENTED" },
  ]);
});
