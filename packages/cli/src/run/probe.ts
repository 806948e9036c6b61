/**
 * Finds out why an endpoint cannot be used, by looking: does anything listen there, what does it speak, is a proxy in
 * between, do the clocks agree? For error messages; nothing is thrown.
 */
import { lookup } from "node:dns/promises";
import type { EndpointFailure } from "@authledger/sdk";
import { type Address, joinAddress, type LedgerError, splitAddress } from "@authledger/types";
import type { CliIo } from "./cli-io.js";
import { connectionFailure, lookAt, type PortLook } from "./port-look.js";
import { proxyFor } from "./proxy.js";
import { ENDPOINT_DEFAULT } from "./settings.js";

const DEFAULT_PORT: number = splitAddress(ENDPOINT_DEFAULT)?.port ?? 0;
/** Dates are in whole seconds. */
const SKEW_MS_MIN = 2_000;
const UNIMPLEMENTED = 12;

const TLS_ADVICE =
  "check the CA (--tls-ca) and the name (--tls-server-name); does the node want --tls-cert?";

/** What was found out. */
export interface Finding {
  /** What is the matter, in words. */
  readonly cause: string;
  /** A command or change that may help. */
  readonly advice: string;
}

export interface Diagnosis extends Finding {
  readonly endpoint: string;
}

/** Why there was no usable connection to an endpoint. `isTls`: the client speaks TLS. */
export async function diagnose(
  { endpoint, cause, message }: EndpointFailure,
  env: CliIo["env"],
  isTls = false,
): Promise<Diagnosis> {
  const address = splitAddress(endpoint) ?? { host: endpoint, port: 0 };
  const proxy = proxyFor(address.host, env);
  if (proxy !== undefined) return { endpoint, ...(await proxied(address, proxy, message)) };
  switch (cause) {
    case "refused":
      return { endpoint, ...(await refused(address)) };
    case "dns":
      return { endpoint, ...(await unresolved(address.host)) };
    case "tls":
      return { endpoint, cause: `TLS: ${message}`, advice: TLS_ADVICE };
    default: {
      const look = await lookAt(address);
      const found = isTls ? metOverTls(address, look, message) : undefined;
      return { endpoint, ...(found ?? (await met(address, look, message))) };
    }
  }
}

/** More than the error itself says, where a look can tell: time that ran out, clocks, another service. */
export async function diagnoseAnswer(
  { code, details }: LedgerError,
  endpoints: readonly string[],
): Promise<Finding | undefined> {
  const endpoint = typeof details["endpoint"] === "string" ? details["endpoint"] : endpoints[0];
  const address = splitAddress(endpoint ?? "");
  if (address === undefined) return undefined;
  switch (code) {
    case "DEADLINE_EXCEEDED":
      return tooLate(address, await lookAt(address));
    case "UNIMPLEMENTED":
      return unknownCall(address, await lookAt(address));
    case "PROOF_STALE":
    case "SYSTEM_CLOCK":
      return skewed(await lookAt(address));
    default:
      return undefined;
  }
}

async function proxied(
  { host }: Address,
  { url, variable }: { readonly url: string; readonly variable: string },
  message: string,
): Promise<Finding> {
  return {
    cause: `${message}, through the proxy ${url} that ${variable} names`,
    advice: `no_proxy=${host} authledger ...`,
  };
}

async function refused({ host, port }: Address): Promise<Finding> {
  const usual = { host, port: DEFAULT_PORT };
  if (port !== DEFAULT_PORT && (await connectionFailure(usual)) === undefined) {
    const look = await lookAt(usual);
    const who = look.kind === "grpc" && look.status === 0 ? "a node is" : "something listens";
    return {
      cause: `connection refused, but ${who} on port ${DEFAULT_PORT}: wrong port?`,
      advice: `--endpoint ${joinAddress(usual)}`,
    };
  }
  const isLocal = host === "localhost" || host === "::1" || host.startsWith("127.");
  const cause = "connection refused: nothing listens on this port";
  if (!isLocal) return { cause, advice: "check that the node runs and its port is open" };
  if (port === DEFAULT_PORT) return { cause, advice: "authledger dev, or authledger start" };
  return { cause, advice: `authledger start --listen ${joinAddress({ host, port })}` };
}

async function unresolved(host: string): Promise<Finding> {
  const advice = "check the spelling of the host and the name server";
  try {
    const { address } = await lookup(host);
    return { cause: `the name was not found, and is now ${address}`, advice: "try again" };
  } catch {
    return { cause: `DNS: no such host "${host}"`, advice };
  }
}

/** Something is there, or on the way, and the call did not get through. */
async function met(address: Address, look: PortLook, message: string): Promise<Finding> {
  const port = `port ${address.port}`;
  const check = `check that a node of Authledger is on ${port}`;
  switch (look.kind) {
    case "no-connection":
      return unreachable(address, look.code, message);
    case "silent":
      return {
        cause: `${port} accepts connections and says nothing: a node that hangs, or another service`,
        advice: check,
      };
    case "closes":
      return { cause: `${port} accepts connections and closes them at once`, advice: check };
    case "greets":
      return {
        cause: `another service is on ${port}, it says "${look.text.slice(0, 60)}"`,
        advice: await elsewhere(address),
      };
    case "tls": {
      const subject = look.subject === undefined ? "" : ` (certificate for "${look.subject}")`;
      return {
        cause: `${port} speaks TLS${subject}; this client speaks plaintext`,
        advice: "--tls-ca <file>, or --tls-ca system",
      };
    }
    case "http1":
      return http1(address, look);
    case "grpc":
      return look.status === undefined || look.status === 0
        ? { cause: `${message}; now it answers`, advice: "try again" }
        : {
            cause: `gRPC is there and refuses (status ${look.status}): ${message}`,
            advice: check,
          };
  }
}

/** Undefined where TLS is not what matters. */
function metOverTls({ port }: Address, look: PortLook, message: string): Finding | undefined {
  if (look.kind === "tls") return { cause: `TLS: ${message}`, advice: TLS_ADVICE };
  if (look.kind !== "grpc") return undefined;
  return {
    cause: `port ${port} speaks plaintext; this client speaks TLS`,
    advice: "leave --tls-* out, or use the port that speaks TLS",
  };
}

function unreachable({ host, port }: Address, code: string, message: string): Finding {
  if (code === "ECONNREFUSED") {
    return {
      cause: `${message}; now the connection is refused`,
      advice: "check that the node runs",
    };
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return { cause: `DNS: no such host "${host}"`, advice: "check the spelling of the host" };
  }
  const why = code === "ETIMEDOUT" ? "no TCP connection within 500 ms" : code;
  return {
    cause: `${message}; ${why}: firewall, or wrong address?`,
    advice: `check the address, and that port ${port} is open on the way`,
  };
}

async function http1(
  address: Address,
  { head, body }: Extract<PortLook, { kind: "http1" }>,
): Promise<Finding> {
  const status = /^HTTP\/1\.[01] ([0-9]{3})/.exec(head)?.[1] ?? "?";
  const via = /^(?:via|proxy-[a-z-]+|x-squid-[a-z-]+):\s*(.*)$/im.exec(head)?.[0];
  if (via !== undefined || status === "407") {
    const what = via === undefined ? "" : `, ${via.slice(0, 80)}`;
    const cause = `an HTTP proxy answers (status ${status}${what}): it does not let gRPC through`;
    return { cause, advice: "connect to the node itself, or make the proxy pass HTTP/2" };
  }
  const advice = await elsewhere(address);
  if (body.includes("/livez")) {
    return { cause: "wrong port? it is the HTTP port of a node, for metrics and health", advice };
  }
  const server = /^server:\s*(.*)$/im.exec(head)?.[1]?.trim();
  const who = server === undefined ? "" : ` (${server.slice(0, 60)})`;
  return { cause: `it speaks HTTP/1, not gRPC${who}: wrong port?`, advice };
}

/** The usual port of the same host, if something is there. */
async function elsewhere({ host, port }: Address): Promise<string> {
  const usual = { host, port: DEFAULT_PORT };
  const isThere = port !== DEFAULT_PORT && (await connectionFailure(usual)) === undefined;
  if (isThere) return `--endpoint ${joinAddress(usual)}`;
  return "the gRPC address of the node: it says so when it starts (listening grpc=...)";
}

function tooLate({ port }: Address, look: PortLook): Finding | undefined {
  switch (look.kind) {
    case "grpc":
      if (look.status !== 0) return undefined;
      return {
        cause: `the node answers other calls (in ${Math.ceil(look.answerMs)} ms): this one takes longer`,
        advice: "a longer --timeout, such as --timeout 30s",
      };
    case "silent":
      return {
        cause: `port ${port} accepts connections and says nothing: a node that hangs or is stopped, or another service`,
        advice: `check what listens on port ${port}`,
      };
    case "tls":
      return {
        cause: `port ${port} speaks TLS; this client speaks plaintext`,
        advice: "--tls-ca <file>, or --tls-ca system",
      };
    default:
      return undefined;
  }
}

function unknownCall({ port }: Address, look: PortLook): Finding | undefined {
  if (look.kind !== "grpc") return undefined;
  if (look.status === UNIMPLEMENTED) {
    return {
      cause: `another gRPC service is on port ${port}: it knows no call of Authledger`,
      advice: "check the endpoint: authledger context show",
    };
  }
  return { cause: "the node is older than this command", advice: "authledger version" };
}

/** Undefined when the clocks agree, or nobody can tell. */
function skewed(look: PortLook): Finding | undefined {
  if (look.kind !== "grpc" || look.aheadMs === undefined) return undefined;
  if (Math.abs(look.aheadMs) < SKEW_MS_MIN) return undefined;
  const seconds = Math.round(Math.abs(look.aheadMs) / 1000);
  const which = look.aheadMs > 0 ? "ahead of" : "behind";
  return {
    cause: `the clock of the node is ${seconds} s ${which} the clock of this machine`,
    advice: "correct the clocks (NTP), then try again",
  };
}
