/** Takes what OTLP exporters send (OTLP/HTTP 1.x, JSON), as a collector does. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** `service.instance.id` of whoever sent it. */
  readonly instance: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface Collector {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly spans: readonly CollectedSpan[];
  /** Paths that spans were sent to. */
  readonly paths: ReadonlySet<string>;
}

/** Listens until the test ends. */
export async function openCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const paths = new Set<string>();
  const server = createServer(async (request, response) => {
    paths.add(`${request.method} ${request.url}`);
    spans.push(...spansOf(await bodyOf(request)));
    response.setHeader("content-type", "application/json").end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, spans, paths };
}

async function bodyOf(request: IncomingMessage): Promise<Export> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return JSON.parse(Buffer.concat(parts).toString("utf8")) as Export;
}

function spansOf({ resourceSpans }: Export): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const instance = attributesOf(resource.attributes).get("service.instance.id") ?? "";
    return scopeSpans
      .flatMap(({ spans }) => spans)
      .map(({ traceId, spanId, parentSpanId, name, attributes, ...times }) => ({
        ...{ traceId, spanId, parentSpanId, name, instance },
        startNs: BigInt(times.startTimeUnixNano),
        endNs: BigInt(times.endTimeUnixNano),
        attributes: attributesOf(attributes),
      }));
  });
}

function attributesOf(attributes: readonly Attribute[]): Map<string, string> {
  return new Map(
    attributes.map(({ key, value }) => [key, String(value.stringValue ?? value.intValue)]),
  );
}
