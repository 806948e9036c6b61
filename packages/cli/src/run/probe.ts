/**
 * Finds out why an endpoint cannot be used, by looking: does anything listen there, does it speak HTTP/1, is a
 * node on the port where nodes are? Only for error messages, so everything is short and nothing is thrown.
 */
import { lookup } from "node:dns/promises";
import { connect } from "node:net";
import type { EndpointFailure } from "@authledger/sdk";
import { joinAddress, splitAddress } from "@authledger/types";
import { ENDPOINT_DEFAULT } from "./settings.js";

const PROBE_MS = 500;
const DEFAULT_PORT: number = splitAddress(ENDPOINT_DEFAULT)?.port ?? 0;

export interface Diagnosis {
  readonly endpoint: string;
  /** What is the matter, in words. */
  readonly cause: string;
  /** A command or change that may help. */
  readonly advice: string;
}

export async function diagnose({ endpoint, cause, message }: EndpointFailure): Promise<Diagnosis> {
  const { host, port } = splitAddress(endpoint) ?? { host: endpoint, port: 0 };
  switch (cause) {
    case "refused":
      return { endpoint, ...(await refused(host, port)) };
    case "dns":
      return { endpoint, ...(await unresolved(host)) };
    case "tls":
      return { endpoint, cause: `TLS: ${message}`, advice: "check the name and the CA" };
    default:
      return { endpoint, ...(await strange(host, port, message)) };
  }
}

type Finding = Omit<Diagnosis, "endpoint">;

async function refused(host: string, port: number): Promise<Finding> {
  const isElsewhere = port !== DEFAULT_PORT && (await listens(host, DEFAULT_PORT));
  if (isElsewhere) {
    return {
      cause: `connection refused, but something listens on port ${DEFAULT_PORT}: wrong port?`,
      advice: `--endpoint ${joinAddress({ host, port: DEFAULT_PORT })}`,
    };
  }
  const isLocal = host === "localhost" || host === "::1" || host.startsWith("127.");
  const cause = "connection refused: nothing listens on this port";
  if (!isLocal) return { cause, advice: "check that the node runs and its port is open" };
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

/** Something is there, or on the way, but it is no node. */
async function strange(host: string, port: number, message: string): Promise<Finding> {
  const answer = await ask(host, port);
  if (answer === undefined) {
    return {
      cause: `${message}; no TCP connection within ${PROBE_MS} ms: firewall, or wrong address?`,
      advice: "check the address and that the node runs",
    };
  }
  if (answer.startsWith("HTTP/1")) {
    return {
      cause: "it speaks HTTP/1, not gRPC: wrong port? (metrics and health are on 7402)",
      advice: `--endpoint ${joinAddress({ host, port: DEFAULT_PORT })}`,
    };
  }
  return { cause: message, advice: `check that a node of Authledger is on port ${port}` };
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_MS });
    const end = (isOpen: boolean): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

/** The first bytes that come back to an HTTP/1 request; undefined without a connection, "" without bytes. */
function ask(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let isConnected = false;
    const end = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(isConnected ? "" : undefined), PROBE_MS);
    socket.once("connect", () => {
      isConnected = true;
      socket.write(`GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    });
    socket.once("data", (bytes) => end(bytes.toString("latin1")));
    socket.once("end", () => end(""));
    socket.once("error", () => end(isConnected ? "" : undefined));
  });
}
