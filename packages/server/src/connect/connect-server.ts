/**
 * The Connect protocol over HTTP/1.1, for browsers and for clients without gRPC: every call of gRPC, as
 * `POST /authledger.v1.ReadService/Check`, in protobuf or JSON.
 *
 *   INV-CONNECT-1  A call passes the frame of its method, and so the same gate, limits and handler as over gRPC.
 *   INV-CONNECT-5  A request that has not arrived after REQUEST_MS_MAX is cut off soon, and gives back what it holds; what still runs
 *                  at the end of `stop` is cut off.
 *
 * Source: connectrpc.com/docs/protocol. Requests that are not POST or have another content type are refused, so no page
 * can make a browser send one without asking first (cors.ts).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import { JsonCodec, type MethodJson } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { Malformed } from "../call-frame.js";
import { MESSAGE_BYTES_MAX } from "../config.js";
import type { Connections } from "../connections.js";
import type { FramedMethod } from "../framed-service.js";
import { toServiceError } from "../grpc-error.js";
import { METADATA_BYTES_MAX } from "../protection/metadata-limit.js";
import type { TlsFront } from "../tls/tls-front.js";
import { Bodies } from "./bodies.js";
import {
  CONTENT_TYPES,
  type ContentType,
  contentTypeOf,
  deadlineOf,
  metadataOf,
  requireProtocol,
} from "./call-headers.js";
import { Cors } from "./cors.js";
import { openEnvelope } from "./envelope.js";
import { HttpCall, type HttpCallParts } from "./http-call.js";
import { endStream, HttpStreamCall } from "./stream-exchange.js";
import { answerUnary, fail } from "./unary-exchange.js";

/** For the headers of a request, and for all of it: slow clients are cut off. */
const HEADERS_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
/** The library looks for them so often. */
const SLOW_CHECK_MS = 5_000;
/** Longer than proxies keep theirs. */
const IDLE_MS = 75_000;

export interface ConnectServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Origins of web pages that may call, such as `https://app.example`. */
  readonly corsOrigins: readonly string[];
  readonly requestMsMax?: number;
}

export interface ConnectServerDeps {
  readonly methods: ReadonlyMap<string, FramedMethod>;
  readonly connections: Connections;
  /** Absent: plaintext. */
  readonly tls?: TlsFront | undefined;
}

export interface ConnectServer {
  readonly port: number;
  /** Takes no more connections, lets running calls finish, then cuts off those that did not. */
  stop(graceMs: number): Promise<void>;
}

/** Rejects with the error of the system when the address cannot be had. */
export async function startConnectServer(
  options: ConnectServerOptions,
  deps: ConnectServerDeps,
): Promise<ConnectServer> {
  const calls = new Calls(deps.methods, new Cors(options.corsOrigins));
  const { requestMsMax = REQUEST_MS_MAX } = options;
  const settings = {
    maxHeaderSize: METADATA_BYTES_MAX,
    headersTimeout: Math.min(HEADERS_MS_MAX, requestMsMax),
    requestTimeout: requestMsMax,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: Math.min(SLOW_CHECK_MS, requestMsMax),
  };
  const server = createServer(settings, (http, response) => void calls.answer(http, response));
  // It never listens itself, and only then begins to keep a list of its connections, by which it finds the slow ones and closes all.
  server.emit("listening");
  const accept = (socket: Socket): void => {
    server.emit("connection", socket);
  };
  const listener = await deps.connections.listen(
    options.host,
    options.port,
    deps.tls?.accepting(accept, "http/1.1") ?? accept,
  );
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  return { port, stop: (graceMs) => stopServer(server, listener, calls, graceMs) };
}

/** One exchange on its way to the frame of its method. */
interface Exchange {
  readonly http: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: FramedMethod;
  readonly type: ContentType;
  readonly json: MethodJson | undefined;
}

class Calls {
  readonly #methods: ReadonlyMap<string, FramedMethod>;
  readonly #cors: Cors;
  readonly #bodies = new Bodies();
  #json: JsonCodec | undefined;
  #running = 0;
  #idle: () => void = () => undefined;

  constructor(methods: ReadonlyMap<string, FramedMethod>, cors: Cors) {
    this.#methods = methods;
    this.#cors = cors;
  }

  /** Resolves when no call runs. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Never rejects. */
  async answer(http: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#running++;
    response.once("close", () => {
      this.#running--;
      if (this.#running === 0) this.#idle();
    });
    // A client that goes away is told of by `close`.
    response.on("error", () => undefined);
    try {
      const exchange = this.#route(http, response);
      if (exchange !== undefined) await this.#call(exchange);
    } catch (error) {
      refuse(response, error);
    }
  }

  /** Undefined: it is answered. @throws LedgerError ORIGIN_NOT_ALLOWED, UNIMPLEMENTED */
  #route(http: IncomingMessage, response: ServerResponse): Exchange | undefined {
    this.#cors.admit(http, response);
    const path = (http.url ?? "").split("?", 1)[0]!;
    const method = this.#methods.get(path);
    if (method === undefined) {
      throw new LedgerError("UNIMPLEMENTED", `there is no call ${path.slice(0, 100)}`);
    }
    if (http.method === "OPTIONS") {
      this.#cors.preflight(http, response);
      return undefined;
    }
    const type = contentTypeOf(http.headers);
    if (http.method !== "POST") response.writeHead(405, { allow: "POST" }).end();
    else if (type === undefined || type.isStream !== method.isStream) {
      const fitting = CONTENT_TYPES.filter((name) => name.includes("connect+") === method.isStream);
      response.writeHead(415, { "accept-post": fitting.join(", ") }).end();
    } else
      return { http, response, method, type, json: type.isJson ? this.#jsonOf(path) : undefined };
    return undefined;
  }

  /** Waits until the request is read; its frame answers. */
  async #call(exchange: Exchange): Promise<void> {
    const { http, response, method, type, json } = exchange;
    try {
      requireProtocol(http.headers, type);
      const deadlineMs = deadlineOf(http.headers, Date.now());
      const metadata = metadataOf(http.headers);
      const body = await this.#bodies.read(http);
      const request = requestOf(exchange, method.isStream ? openEnvelope(body) : body);
      const parts: HttpCallParts = { http, response, metadata, request, deadlineMs };
      if (method.isStream) method.handle(new HttpStreamCall(parts, json));
      else answerUnary(method.handle, new HttpCall(parts), response, json);
    } catch (error) {
      if (!method.isStream) throw error;
      endStream(response, json, toServiceError(error));
    }
  }

  /** Made of the descriptors by the first call that needs it. */
  #jsonOf(path: string): MethodJson | undefined {
    this.#json ??= new JsonCodec();
    return this.#json.method(path);
  }
}

/** What is no request becomes one that the frame refuses. @throws LedgerError LIMIT_EXCEEDED */
function requestOf({ method, json }: Exchange, body: Buffer): unknown {
  let bytes = body;
  try {
    if (json !== undefined) bytes = json.request(body);
  } catch (cause) {
    return new Malformed(cause);
  }
  if (bytes.length <= MESSAGE_BYTES_MAX) return method.decode(bytes);
  const message = `the request has ${bytes.length} bytes; the limit is ${MESSAGE_BYTES_MAX}`;
  const details = { field: "request", limit: MESSAGE_BYTES_MAX, actual: bytes.length };
  throw new LedgerError("LIMIT_EXCEEDED", message, { details });
}

/** The rest of a request that was refused before it was read is not waited for. */
function refuse(response: ServerResponse, error: unknown): void {
  if (!response.headersSent) response.setHeader("connection", "close");
  fail(response, toServiceError(error));
}

async function stopServer(
  server: Server,
  listener: NetServer,
  calls: Calls,
  graceMs: number,
): Promise<void> {
  listener.close();
  server.closeIdleConnections();
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([calls.idle(), grace]);
  clearTimeout(timer);
  server.closeAllConnections();
  server.close();
}
