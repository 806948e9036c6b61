/**
 * Passes calls on to the leader that this node has refused because it does not lead.
 *
 *   INV-CLUSTER-1  A call is passed on only after this node refused it before it proposed anything, and again only
 *                  after the node it went to refused it so, or it never left: it is never executed twice. So does a
 *                  leader that knows its state to be wrong, until another one leads.
 *   INV-CLUSTER-2  What was passed on once is answered or refused where it arrives: there are no loops.
 *
 * Where there is no leader, one is waited for, a little and within the deadline: an election takes less than a second.
 * What the leader answers, errors with their details too, is handed on as it came.
 */
import { setImmediate as immediate, setTimeout as sleep } from "node:timers/promises";
import type { EnginePort } from "@authledger/engine";
import {
  API_VERSION_KEY,
  decodeErrorDetails,
  FORWARDED_KEY,
  IDENTITY_KEY,
  LEADER_KEY,
  SDK_KEY,
  STATUS_DETAILS_KEY,
} from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import {
  type ChannelCredentials,
  Client,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { ForwardedIdentity } from "./authn/forwarded-identity.js";
import { CHANNEL_OPTIONS } from "./channel-options.js";
import { ForwardBudget } from "./forward-budget.js";
import type { Principal } from "./gate/principal.js";
import { ForeignError } from "./grpc-error.js";
import { isForAnotherNode } from "./not-leader.js";
import type { LeaderCredentials } from "./tls/leader-credentials.js";
import { REQUEST_ID_KEY } from "./trace/request-id.js";
import { TRACEPARENT_KEY } from "./trace/traceparent.js";

/** For a leader, at most, in milliseconds. */
const LEADER_WAIT_MS_MAX = 3_000;
/** For a connection to a leader that was not talked to yet. */
const CONNECT_MS_MAX = 500;
/** Between two looks for a leader; all calls share them. */
const LOOK_MS = 20;
/** Left of a deadline for the refusal to arrive. */
const REFUSAL_MS = 50;
/** For a call without a deadline. */
const CALL_MS_MAX = 30_000;
/** Channels kept; a cluster has few nodes, and leadership moves rarely. */
const CHANNELS_MAX = 8;

/** Requests that are encoded again in one turn of the loop: some milliseconds where they are large. */
const ENCODED_PER_TURN = 4;

/** What nodes read of metadata, but for what they say to each other. The rest may be as large as a call may say, and there must be room. */
const PASSED_KEYS = [
  ...["authorization", API_VERSION_KEY, SDK_KEY],
  ...[REQUEST_ID_KEY, TRACEPARENT_KEY],
] as const;

/** A call that was refused here because another node leads. */
export interface RefusedCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly principal: Principal;
  readonly deadlineAtMs: number | undefined;
  readonly signal: AbortSignal;
  /** What the call holds of memory until it is answered. */
  readonly heldBytes: number;
  /** The request's bytes. */
  encode(): Buffer;
  /** Asks the engine here again, for when this node leads by now. */
  again(): Promise<Buffer>;
}

/** What the leader is dialed with and told. */
export interface ForwardingDeps {
  /** Vouches for who calls; absent: calls go with the credential that they came with. */
  readonly identity?: ForwardedIdentity;
  /** TLS to the leader's client port; absent: in the clear. */
  readonly credentials?: LeaderCredentials | undefined;
}

export interface ForwardedAnswer {
  readonly bytes: Buffer;
  /** Client address of the node that answered; undefined when it was this one. */
  readonly leader: string | undefined;
}

/** Undefined address: this node. */
interface Leader {
  readonly address: string | undefined;
}

export class Forwarding {
  readonly #engine: EnginePort;
  readonly #deps: ForwardingDeps;
  readonly #channels = new Map<string, Client>();
  readonly #budget = new ForwardBudget();
  #looking: Promise<Leader | undefined> | undefined;
  #encoded = 0;
  #isClosed = false;

  constructor(engine: EnginePort, deps: ForwardingDeps = {}) {
    this.#engine = engine;
    this.#deps = deps;
    deps.credentials?.onChange(() => this.#closeChannels());
  }

  /**
   * @throws LedgerError the refusal when no leader is found in time, or when the leader could not know who calls, COMMIT_UNKNOWN when the leader was lost, OVERLOADED
   * @throws ForeignError what the leader answered
   */
  async pass(call: RefusedCall, refusal: LedgerError): Promise<ForwardedAnswer> {
    const { metadata } = call;
    if (metadata.get(FORWARDED_KEY).length > 0 || !this.#speaksFor(call)) throw refusal;
    const giveBack = this.#budget.take(call.heldBytes);
    try {
      await this.#turn();
      const request = call.encode();
      return await this.#pass(call, request, refusal);
    } finally {
      giveBack();
    }
  }

  /** When the leadership is lost, all writes that wait come at once, and each may take a millisecond to encode. */
  async #turn(): Promise<void> {
    while (this.#encoded >= ENCODED_PER_TURN) await immediate();
    this.#encoded++;
    if (this.#encoded > 1) return;
    setImmediate(() => {
      this.#encoded = 0;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#closeChannels();
  }

  /** Calls that run on them end well. */
  #closeChannels(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  async #pass(call: RefusedCall, request: Buffer, first: LedgerError): Promise<ForwardedAnswer> {
    const deadlineAtMs = call.deadlineAtMs ?? performance.now() + CALL_MS_MAX;
    const waitUntilMs = Math.min(deadlineAtMs - REFUSAL_MS, performance.now() + LEADER_WAIT_MS_MAX);
    let refusal: unknown = first;
    let leader = hintOf(first);
    for (;;) {
      leader ??= await this.#find(waitUntilMs);
      if (leader === undefined || this.#isClosed || call.signal.aborted) throw refusal;
      try {
        return await this.#ask(leader, call, request, deadlineAtMs);
      } catch (error) {
        if (!isHarmless(error)) throw error;
        refusal = error instanceof NotSent ? first : error;
      }
      leader = undefined;
      if (performance.now() + LOOK_MS >= waitUntilMs) throw refusal;
      await sleep(LOOK_MS);
    }
  }

  async #ask(
    { address }: Leader,
    call: RefusedCall,
    request: Buffer,
    deadlineAtMs: number,
  ): Promise<ForwardedAnswer> {
    if (address === undefined) return { bytes: await call.again(), leader: undefined };
    const metadata = this.#metadataOf(call, request);
    const channel = this.#channel(address);
    const isUsable = await isConnected(channel);
    // Who gave up meanwhile says so no more: the call would hold its budget until its deadline.
    if (!isUsable || call.signal.aborted) throw new NotSent();
    const deadline = Date.now() + (deadlineAtMs - performance.now());
    const about = { path: call.path, request, metadata, deadline, signal: call.signal };
    return { bytes: await send(channel, address, about), leader: address };
  }

  /**
   * Would the leader know who calls? Where this node cannot vouch for it, as a learner cannot, only who shows a credential is
   * known there, or who is nobody: a certificate ends here, and the leader would take the call for one of this node's own.
   */
  #speaksFor({ principal, metadata }: RefusedCall): boolean {
    const { identity } = this.#deps;
    if (identity === undefined || identity.hasKey || principal.kind === "anonymous") return true;
    return metadata.get("authorization").length > 0;
  }

  /** This node vouches for who calls; where it cannot, the caller's own credential goes with the call. */
  #metadataOf({ path, principal, metadata: own }: RefusedCall, request: Buffer): Metadata {
    const metadata = new Metadata();
    for (const key of PASSED_KEYS) for (const value of own.get(key)) metadata.add(key, value);
    metadata.set(FORWARDED_KEY, "1");
    const identity = this.#deps.identity?.sign(principal, { path, request });
    if (identity === undefined) return metadata;
    metadata.remove("authorization");
    metadata.set(IDENTITY_KEY, identity);
    return metadata;
  }

  #channel(address: string): Client {
    const known = this.#channels.get(address);
    if (known !== undefined) return known;
    for (const [oldest, channel] of this.#channels) {
      if (this.#channels.size < CHANNELS_MAX) break;
      channel.close();
      this.#channels.delete(oldest);
    }
    const channel = new Client(address, this.#credentials, CHANNEL_OPTIONS);
    this.#channels.set(address, channel);
    return channel;
  }

  get #credentials(): ChannelCredentials {
    return this.#deps.credentials?.current ?? credentials.createInsecure();
  }

  async #find(untilMs: number): Promise<Leader | undefined> {
    while (performance.now() < untilMs && !this.#isClosed) {
      const found = await this.#look();
      if (found !== undefined) return found;
      await sleep(LOOK_MS);
    }
    return undefined;
  }

  /** One look of all calls that wait. */
  #look(): Promise<Leader | undefined> {
    this.#looking ??= this.#leader().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #leader(): Promise<Leader | undefined> {
    const { nodeId, leader, members } = await this.#engine.call("cluster_status", {});
    if (leader === undefined) return undefined;
    if (leader === nodeId) return { address: undefined };
    const info = members.find((member) => member.info.nodeId === leader)?.info;
    return info?.clientAddress ? { address: info.clientAddress } : undefined;
  }
}

function hintOf({ details }: LedgerError): Leader | undefined {
  const { clientAddress } = details;
  return typeof clientAddress === "string" && clientAddress !== ""
    ? { address: clientAddress }
    : undefined;
}

/** The call never left this node. */
class NotSent extends Error {}

/** INV-CLUSTER-1: a node refused it before it proposed anything, and another one will lead; or it never left. */
function isHarmless(error: unknown): boolean {
  if (error instanceof NotSent) return true;
  const isTyped = error instanceof ForeignError || error instanceof LedgerError;
  return isTyped && isForAnotherNode(error);
}

/** Waits for the first connection, and not for one that fails. */
async function isConnected(client: Client): Promise<boolean> {
  const channel = client.getChannel();
  const untilMs = Date.now() + CONNECT_MS_MAX;
  for (;;) {
    const state = channel.getConnectivityState(true);
    if (state === connectivityState.READY) return true;
    if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return false;
    const isChanged = await new Promise<boolean>((resolve) => {
      channel.watchConnectivityState(state, untilMs, (error) => resolve(error === undefined));
    });
    if (!isChanged) return false;
  }
}

interface Sending {
  readonly path: string;
  readonly request: Buffer;
  readonly metadata: Metadata;
  /** Since 1970. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

function send(channel: Client, address: string, sending: Sending): Promise<Buffer> {
  const { path, request, metadata, deadline, signal } = sending;
  return new Promise((resolve, reject) => {
    let call: ClientUnaryCall | undefined;
    const cancel = (): void => call?.cancel();
    call = channel.makeUnaryRequest(
      path,
      asIs,
      asIs,
      request,
      metadata,
      { deadline },
      (error, answer) => {
        signal.removeEventListener("abort", cancel);
        if (error === null && answer !== undefined) resolve(answer);
        else reject(judge(error!, address));
      },
    );
    signal.addEventListener("abort", cancel, { once: true });
  });
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** What the leader said is handed on; a connection that broke says nothing of what became of the call. */
function judge(error: ServiceError, address: string): unknown {
  const [details] = error.metadata.get(STATUS_DETAILS_KEY);
  if (details instanceof Uint8Array) return foreign(error, details, address);
  if (/^(No connection established|Name resolution failed)/.test(error.details)) {
    return new NotSent();
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    const message = "the leader did not answer in time";
    return new LedgerError("DEADLINE_EXCEEDED", message, { cause: error });
  }
  const message = `the connection to the leader at ${address} broke before it answered`;
  return new LedgerError("COMMIT_UNKNOWN", message, { cause: error });
}

function foreign({ code, details: text }: ServiceError, details: Buffer, address: string): Error {
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS_KEY, details);
  metadata.set(LEADER_KEY, address);
  const known = decodeErrorDetails(details)?.code ?? "";
  return new ForeignError(known, { code, details: text, metadata });
}
