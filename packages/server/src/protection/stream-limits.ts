/**
 * How many calls a connection may have at once (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 5.1.2). What one client may have
 * on its way alone is too much when two thousand do, so the connections share what all of them may have.
 *
 *   INV-OVER-3  All connections together may have CALLS_MAX calls at once, under overload CALLS_OVERLOADED_MAX, or two each.
 *   INV-OVER-6  A stream that stays open, as a watch does, takes no place of a call: its connection's limit is higher by it.
 *
 * A limit changes with the power of two that the connections fill, so a change reaches a connection a few times in its life. Calls beyond
 * it wait in the client, as HTTP/2 has it: nothing is refused, and nothing of them takes memory here.
 */
import type { ServerHttp2Session } from "node:http2";
import type { Server } from "@grpc/grpc-js";
import { http2ServersOf } from "./http2-servers.js";

const CALLS_MAX = 16_384;
/** What a turn of 25 ms has time for: one busy client is slowed down by its limit alone, without a refusal. */
const CALLS_OVERLOADED_MAX = 512;
const PER_CONNECTION_MIN = 2;
/** Told in one turn of the loop: telling a connection costs some 30 us. */
const TOLD_IN_TURN = 64;

export class StreamLimits {
  readonly #perConnection: number;
  readonly #sessions = new Map<string, ServerHttp2Session>();
  /** Streams that are open, by address and port of their client. */
  readonly #streams = new Map<string, number>();
  #isOverloaded = false;
  #limit: number;
  /** Who is still to be told. */
  readonly #untold = new Set<string>();

  /** @param perConnection what one connection may have at most */
  constructor(perConnection: number) {
    this.#perConnection = perConnection;
    this.#limit = perConnection;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Looks after all sessions of a server that listens. */
  watch(server: Server): void {
    for (const sessions of http2ServersOf(server)) {
      sessions.on("session", (session: ServerHttp2Session) => this.#add(session));
    }
  }

  set isOverloaded(isOverloaded: boolean) {
    this.#isOverloaded = isOverloaded;
    this.#share();
  }

  /** A connection has so many streams open that stay so. */
  count(peer: string, streams: number): void {
    if (streams === 0) this.#streams.delete(peer);
    else this.#streams.set(peer, streams);
    if (this.#limit < this.#perConnection) this.#tell(peer);
  }

  #add(session: ServerHttp2Session): void {
    const { remoteAddress, remotePort } = session.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    this.#sessions.set(peer, session);
    session.once("close", () => {
      if (this.#sessions.get(peer) === session) this.#sessions.delete(peer);
      this.#share();
    });
    const before = this.#limit;
    this.#share();
    // It begins with what one connection may have, and a change has told it already.
    if (this.#limit === before && this.#limit < this.#perConnection) this.#tell(peer);
  }

  #share(): void {
    const limit = limitOf(this.#sessions.size, this.#perConnection, this.#isOverloaded);
    if (limit === this.#limit) return;
    this.#limit = limit;
    const isTelling = this.#untold.size > 0;
    for (const peer of this.#sessions.keys()) this.#untold.add(peer);
    if (!isTelling) this.#tellSome();
  }

  #tellSome(): void {
    let told = 0;
    for (const peer of this.#untold) {
      this.#untold.delete(peer);
      this.#tell(peer);
      if (++told === TOLD_IN_TURN) break;
    }
    if (this.#untold.size > 0) setImmediate(() => this.#tellSome());
  }

  #tell(peer: string): void {
    const session = this.#sessions.get(peer);
    if (session === undefined || session.destroyed || session.closed) return;
    const streams = this.#streams.get(peer) ?? 0;
    const maxConcurrentStreams = Math.min(this.#perConnection, this.#limit + streams);
    session.settings({ maxConcurrentStreams });
  }
}

/** @example limitOf(2_000, 1_024, false) // 8 */
export function limitOf(connections: number, perConnection: number, isOverloaded: boolean): number {
  const shares = 2 ** Math.ceil(Math.log2(Math.max(1, connections)));
  const share = Math.floor((isOverloaded ? CALLS_OVERLOADED_MAX : CALLS_MAX) / shares);
  return Math.min(perConnection, Math.max(PER_CONNECTION_MIN, share));
}
