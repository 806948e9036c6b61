/**
 * What is on a port, found out by talking to it: nothing, silence, HTTP/1, TLS, gRPC, or somebody's greeting. Only for
 * error messages, so every question is short and nothing is thrown.
 */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Address, joinAddress } from "@authledger/types";

const LOOK_MS = 500;
const GREETING_BYTES_MAX = 4_096;
/** Any server of Authledger knows it. */
const NODE_INFO = "/authledger.v1.AdminService/GetNodeInfo";
/** A message of no bytes: not compressed, length 0. */
const EMPTY_MESSAGE = Buffer.alloc(5);

export type PortLook =
  | { readonly kind: "no-connection"; readonly code: string }
  | { readonly kind: "silent" }
  | { readonly kind: "closes" }
  | { readonly kind: "greets"; readonly text: string }
  | { readonly kind: "tls"; readonly subject: string | undefined }
  | { readonly kind: "http1"; readonly head: string; readonly body: string }
  | GrpcLook;

interface GrpcLook {
  readonly kind: "grpc";
  /** gRPC status of GetNodeInfo; undefined when it was not answered. */
  readonly status: number | undefined;
  readonly answerMs: number;
  /** How far the clock there is ahead of ours, to about a second; undefined when it did not say. */
  readonly aheadMs: number | undefined;
}

export async function lookAt(address: Address): Promise<PortLook> {
  const failure = await connectionFailure(address);
  if (failure !== undefined) return { kind: "no-connection", code: failure };
  return (await askGrpc(address)) ?? (await askTls(address)) ?? (await askHttp1(address));
}

/** Undefined when something accepts; else why not, as the system names it. */
export function connectionFailure({ host, port }: Address): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (code: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(code);
    };
    const timer = setTimeout(() => end("ETIMEDOUT"), LOOK_MS);
    socket.once("connect", () => end(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

/** Undefined when it does not speak HTTP/2. */
function askGrpc(address: Address): Promise<GrpcLook | undefined> {
  return new Promise((resolve) => {
    const startMs = performance.now();
    const session = connectHttp2(`http://${joinAddress(address)}`);
    let look: GrpcLook | undefined;
    const end = (): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(look);
    };
    const timer = setTimeout(end, LOOK_MS);
    const keep = (more: Partial<GrpcLook>): void => {
      const answerMs = performance.now() - startMs;
      look = { kind: "grpc", status: undefined, aheadMs: undefined, ...look, ...more, answerMs };
    };
    session.on("error", end);
    session.once("remoteSettings", () => keep({}));
    const request = session.request({
      ":method": "POST",
      ":path": NODE_INFO,
      "content-type": "application/grpc",
      te: "trailers",
    });
    const headers = (received: Readonly<Record<string, unknown>>): void => {
      const [status, date] = [received["grpc-status"], received["date"]];
      const dateMs = typeof date === "string" ? Date.parse(date) : Number.NaN;
      if (!Number.isNaN(dateMs)) keep({ aheadMs: dateMs + 500 - Date.now() });
      if (status !== undefined) keep({ status: Number(status) });
    };
    request.on("response", headers).on("trailers", headers).on("error", end).on("close", end);
    request.resume();
    request.end(EMPTY_MESSAGE);
  });
}

/** Undefined when there is no TLS. */
function askTls({ host, port }: Address): Promise<PortLook | undefined> {
  return new Promise((resolve) => {
    // Only whether it is TLS is asked; nothing is sent and nothing believed.
    const socket = connectTls({ host, port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    const end = (look: PortLook | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(look);
    };
    const timer = setTimeout(() => end(undefined), LOOK_MS);
    socket.once("secureConnect", () => {
      const { subject } = socket.getPeerCertificate();
      const name = subject?.CN;
      end({ kind: "tls", subject: Array.isArray(name) ? name[0] : name });
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // An alert is an answer in TLS too, such as one that wants a certificate of ours.
      end(/alert/i.test(error.message) ? { kind: "tls", subject: undefined } : undefined);
    });
  });
}

/** What comes back to a request of HTTP/1, or without one. */
function askHttp1({ host, port }: Address): Promise<PortLook> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = "";
    const end = (isClosed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text === "" ? { kind: isClosed ? "closes" : "silent" } : heard(text));
    };
    const timer = setTimeout(() => end(false), LOOK_MS);
    socket.once("connect", () =>
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
    );
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (text.length > GREETING_BYTES_MAX) end(false);
    });
    socket.once("end", () => end(true));
    socket.once("error", () => end(true));
  });
}

function heard(text: string): PortLook {
  if (!text.startsWith("HTTP/1")) return { kind: "greets", text: text.split(/[\r\n\0]/)[0] ?? "" };
  const at = text.indexOf("\r\n\r\n");
  return { kind: "http1", head: at < 0 ? text : text.slice(0, at), body: text.slice(at + 4) };
}
