/** A span for every call, through `@opentelemetry/api`, which the program installs. */
import {
  isSpanContextValid,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import type { ClientTracing } from "../hooks/tracing.js";

/**
 * The context goes to the node as `traceparent` and `tracestate` (W3C Trace Context), whatever propagator the program has.
 * @param options.tracer default: the program's, by the name of this library
 * @example createClient({ endpoints, tracing: otelTracing() })
 */
export function otelTracing(options: { readonly tracer?: Tracer } = {}): ClientTracing {
  const tracer = options.tracer ?? trace.getTracer("@authledger/sdk");
  return {
    begin: ({ method, requestId }) => {
      const [service = "", name = ""] = method.slice(1).split("/");
      const span = tracer.startSpan(`${service}/${name}`, {
        kind: SpanKind.CLIENT,
        attributes: {
          "rpc.system": "grpc",
          "rpc.service": service,
          "rpc.method": name,
          "authledger.request_id": requestId,
        },
      });
      return {
        metadata: headersOf(span.spanContext()),
        end: (code) => {
          if (code !== "OK") {
            span.setAttribute("authledger.code", code);
            span.setStatus({ code: SpanStatusCode.ERROR, message: code });
          }
          span.end();
        },
      };
    },
  };
}

function headersOf(context: SpanContext): Readonly<Record<string, string>> {
  if (!isSpanContextValid(context)) return {};
  const flags = (context.traceFlags & 0xff).toString(16).padStart(2, "0");
  const state = context.traceState?.serialize() ?? "";
  return {
    traceparent: `00-${context.traceId}-${context.spanId}-${flags}`,
    ...(state !== "" && { tracestate: state }),
  };
}
