/** Spans by OpenTelemetry, sent over OTLP (HTTP). Loaded only where a node is told where to send them. */
import type { TraceContext, TracedSpan } from "@authledger/engine";
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { node as nodeSdk, resources, tracing } from "@opentelemetry/sdk-node";
import type { CallSpan, EndedCall } from "./call-span.js";
import type { SpanRecorder } from "./tracing.js";
import { type UnsentSpans, WatchedExporter } from "./watched-exporter.js";

export interface RecorderOptions {
  /** `http://HOST:4318`; spans go to its `/v1/traces`. */
  readonly endpoint: string;
  readonly version: string;
  readonly node: string;
  /** Told once a minute at most. */
  readonly onUnsent: (unsent: UnsentSpans) => void;
}

/** Spans that wait for the collector; more are left out. */
const SPANS_MAX = 8_192;
const EXPORT_MS_MAX = 5_000;

/** Whether a trace is recorded was decided before: all spans that begin here are. */
export function openRecorder(options: RecorderOptions): SpanRecorder {
  const { endpoint, version, node, onUnsent } = options;
  const url = `${endpoint.replace(/\/+$/, "")}/v1/traces`;
  const otlp = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_MS_MAX });
  const exporter = new WatchedExporter(otlp, onUnsent);
  const processor = new tracing.BatchSpanProcessor(exporter, { maxQueueSize: SPANS_MAX });
  const provider = new nodeSdk.NodeTracerProvider({
    resource: resources.resourceFromAttributes({
      "service.name": "authledger",
      "service.version": version,
      "service.instance.id": node,
    }),
    sampler: new tracing.AlwaysOnSampler(),
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer("authledger", version);
  return {
    begin: (name, parent) => traced(tracer.startSpan(name, {}, contextOf(parent))),
    beginCall: (name, parent) =>
      callSpan(tracer.startSpan(name, { kind: SpanKind.SERVER }, contextOf(parent))),
    close: () => provider.shutdown(),
  };
}

function contextOf(parent: TraceContext | undefined): Context {
  if (parent === undefined) return ROOT_CONTEXT;
  const { traceId, spanId } = parent;
  const traceFlags = TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function traced(span: Span): TracedSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    end(attributes = {}, error) {
      span.setAttributes(attributes);
      if (error !== undefined) {
        const message = error instanceof Error ? error.message : String(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message });
      }
      span.end();
    },
  };
}

function callSpan(span: Span): CallSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    end(call: EndedCall) {
      span.setAttributes({
        "rpc.system": "grpc",
        "rpc.service": call.method.service,
        "rpc.method": call.method.name,
        "rpc.grpc.status_code": call.status,
        "client.address": call.client,
        "authledger.request_id": call.requestId,
        "authledger.principal": call.principal.name,
        "authledger.passed_on": call.wasPassedOn,
      });
      if (call.status !== 0) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}
