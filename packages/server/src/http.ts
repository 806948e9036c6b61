/** The HTTP side of a node: /metrics, /startupz, /livez, /readyz. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

export interface HttpOptions {
  readonly host: string;
  readonly port: number;
}

export interface HttpDeps {
  readonly registry: Registry;
  /** Undefined while the node is alive; else why it must be started again. */
  readonly fault: () => string | undefined;
  /** Undefined when the node is ready; else why it is not. */
  readonly problem: () => string | undefined;
  /** It has begun to serve. */
  readonly isStarted: () => boolean;
}

/** A slow or silent client is cut off after so long. */
const REQUEST_MS_MAX = 10_000;
const CONNECTIONS_MAX = 64;

export async function startHttp(options: HttpOptions, deps: HttpDeps): Promise<Server> {
  const server = createServer((request, response) => {
    void respond(request.url ?? "/", deps).then(({ code, type, body }) => {
      response.writeHead(code, { "content-type": type, connection: "close" });
      response.end(body);
    });
  });
  server.requestTimeout = REQUEST_MS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

interface HttpAnswer {
  readonly code: number;
  readonly type: string;
  readonly body: string;
}

async function respond(url: string, deps: HttpDeps): Promise<HttpAnswer> {
  switch (url.split("?")[0]) {
    case "/metrics":
      return { code: 200, type: deps.registry.contentType, body: await deps.registry.metrics() };
    case "/livez":
      return probe(deps.fault());
    case "/readyz":
      return probe(deps.problem());
    case "/startupz":
      return probe(deps.isStarted() ? undefined : "the node is starting");
    default:
      return text(404, "there are /metrics, /livez, /readyz and /startupz\n");
  }
}

function probe(problem: string | undefined): HttpAnswer {
  return problem === undefined ? text(200, "ok\n") : text(503, `not ready: ${problem}\n`);
}

function text(code: number, body: string): HttpAnswer {
  return { code, type: "text/plain; charset=utf-8", body };
}
