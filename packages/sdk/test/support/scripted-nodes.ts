/** Nodes that do what a test says, and time that passes when it says so: a transport without a network. */

import { encodeRpcStatus } from "@authledger/proto";
import { type ErrorCode, GrpcStatus } from "@authledger/types";
import type { ClientOptions } from "../../src/options.js";
import type { Ports } from "../../src/transport/ports.js";
import { Transport } from "../../src/transport/transport.js";
import { type WireCall, type WireChannel, WireError } from "../../src/transport/wire.js";
import { refusal } from "./fake-ledger.js";

/** Text out, text back, of a read and of a write. */
const CODEC = {
  requestSerialize: (): Uint8Array => Buffer.from("ask"),
  responseDeserialize: (bytes: Buffer): string => bytes.toString(),
};
export const READ = { path: "/authledger.v1.ReadService/Check", ...CODEC };
export const STREAM = { path: "/authledger.v1.ReadService/WatchBlocks", ...CODEC };
export const WRITE = { path: "/authledger.v1.WriteService/Write", ...CODEC };
/** A question that any replica may answer. */
export const ANYBODY = { consistency: { requirement: { $case: "anyReplica" } } };

/** What a node does with a call: answers, throws, or never ends. */
export type Script = (call: WireCall, count: number) => string | Promise<string>;

export class Time implements Omit<Ports, "dial"> {
  #nowMs = 1_000_000;
  readonly #timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  /** What chance comes to. */
  chance = 0;
  /** Timers that were ever set. */
  timersSet = 0;

  readonly nowMs = (): number => this.#nowMs;
  readonly wallMs = (): number => this.#nowMs;
  readonly random = (): number => this.chance;
  readonly after = (ms: number, run: () => void): (() => void) => {
    this.timersSet++;
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** How long until the next timer; undefined without one. */
  get nextMs(): number | undefined {
    const [first] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
    return first && first.atMs - this.#nowMs;
  }

  /** Lets everything run that is ready, and what becomes ready in so much time. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      await settled();
      const [first] = [...this.#timers].sort((a, b) => a.atMs - b.atMs);
      if (first === undefined || first.atMs > untilMs) break;
      this.#timers.delete(first);
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      first.run();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class ScriptedNode implements WireChannel {
  readonly calls: WireCall[] = [];
  isReady = true;
  isClosed = false;
  script: Script = () => "yes";
  stream: (call: WireCall) => AsyncIterable<string> = async function* () {};
  readonly #time: Time;

  constructor(time: Time) {
    this.#time = time;
  }

  wake(): void {}

  connect(): Promise<boolean> {
    return Promise.resolve(this.isReady);
  }

  async unary(call: WireCall): Promise<Uint8Array> {
    this.calls.push(call);
    const { signal, deadlineAtMs = 0 } = call;
    const over = new Promise<never>((_, reject) => {
      const fail = (code: number, text: string) => () => reject(new WireError(code, text));
      signal?.addEventListener("abort", fail(GrpcStatus.CANCELLED, "cancelled"));
      this.#time.after(
        deadlineAtMs - this.#time.nowMs(),
        fail(GrpcStatus.DEADLINE_EXCEEDED, "Deadline exceeded after a while"),
      );
    });
    over.catch(() => undefined);
    const answer = (async () => this.script(call, this.calls.length))();
    return Buffer.from(await Promise.race([answer, over]), "latin1");
  }

  async *serverStream(call: WireCall): AsyncGenerator<Uint8Array> {
    this.calls.push(call);
    for await (const text of this.stream(call)) yield Buffer.from(text);
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A transport to nodes `a:1`, `b:1`, ... */
export function scripted(count: number, options: Partial<ClientOptions> = {}) {
  const time = new Time();
  const endpoints = Array.from({ length: count }, (_, i) => `${"abcdef"[i]}:1`);
  const nodes = new Map(endpoints.map((address) => [address, new ScriptedNode(time)]));
  const dial = (address: string): ScriptedNode => {
    const node = nodes.get(address) ?? new ScriptedNode(time);
    nodes.set(address, node);
    return node;
  };
  const transport = new Transport(
    { endpoints, discover: false, ...options },
    { ...ports(time), dial },
  );
  const all = endpoints.map((address) => nodes.get(address)!);
  return { time, nodes: all, byAddress: nodes, transport };
}

function ports({ nowMs, wallMs, random, after }: Time): Omit<Ports, "dial"> {
  return { nowMs, wallMs, random, after };
}

/** An error of a node, as it arrives. */
export function refused(code: ErrorCode, retryAfterMs = 0n): WireError {
  const { code: grpc = 2, details = "" } = refusal(code, "no", { retryAfterMs });
  const row = { code, number: 0, message: "no", action: "", retryable: true, retryAfterMs };
  const statusDetails = encodeRpcStatus({
    ...{ code: grpc, message: details, details: { ...row, context: {} }, violations: [] },
  });
  return new WireError(grpc, details, { statusDetails });
}

/** The connection broke behind the request. */
export function dropped(): WireError {
  return new WireError(GrpcStatus.UNAVAILABLE, "Connection dropped");
}

export const NEVER: Script = () => new Promise(() => undefined);
