/**
 * How many calls a connection may have at once (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113 5.1.2). What one client may have
 * on its way alone is too much when two thousand do, so the connections share what all of them may have.
 *
 *   INV-OVER-3  All connections together may have CALLS_MAX calls at once, under overload CALLS_OVERLOADED_MAX, or two each.
 *   INV-OVER-6  A stream that stays open, as a watch does, takes no place of a call: its connection's limit is higher by it.
 *
 *   INV-OVER-7  A connection has at most one change of its limit under way that it has not acknowledged.
 *
 * The library gives a connection up that has ten changes unacknowledged, and all its calls with it; a client may open as many watches
 * in one turn as it may have. So what changes is noted, and told when the turn is over and the change before is acknowledged.
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

interface Told {
  readonly session: ServerHttp2Session;
  /** The limit that it was told last. */
  limit: number;
  /** It has not acknowledged that yet. */
  isWaiting: boolean;
}

export class StreamLimits {
  readonly #perConnection: number;
  /** By address and port of the client. */
  readonly #sessions = new Map<string, Told>();
  /** Streams that are open, by address and port of their client. */
  readonly #streams = new Map<string, number>();
  #isOverloaded = false;
  #limit: number;
  /** Who is still to be told, in the next turn. */
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
    if (this.#limit < this.#perConnection) this.#tellLater(peer);
  }

  #add(session: ServerHttp2Session): void {
    const { remoteAddress, remotePort } = session.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    // It begins with what one connection may have.
    const told = { session, limit: this.#perConnection, isWaiting: false };
    this.#sessions.set(peer, told);
    session.once("close", () => {
      if (this.#sessions.get(peer) === told) this.#sessions.delete(peer);
      this.#share();
    });
    this.#share();
    this.#tell(peer);
  }

  #share(): void {
    const limit = limitOf(this.#sessions.size, this.#perConnection, this.#isOverloaded);
    if (limit === this.#limit) return;
    this.#limit = limit;
    const isTelling = this.#untold.size > 0;
    for (const peer of this.#sessions.keys()) this.#untold.add(peer);
    if (!isTelling) this.#tellSome();
  }

  #tellLater(peer: string): void {
    if (this.#untold.size === 0) setImmediate(() => this.#tellSome());
    this.#untold.add(peer);
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
    const told = this.#sessions.get(peer);
    if (told === undefined || told.isWaiting || told.session.destroyed || told.session.closed)
      return;
    const streams = this.#streams.get(peer) ?? 0;
    const maxConcurrentStreams = Math.min(this.#perConnection, this.#limit + streams);
    if (told.limit === maxConcurrentStreams) return;
    told.limit = maxConcurrentStreams;
    told.isWaiting = true;
    told.session.settings({ maxConcurrentStreams }, () => {
      told.isWaiting = false;
      this.#tellLater(peer);
    });
  }
}

/** @example limitOf(2_000, 1_024, false) // 8 */
export function limitOf(connections: number, perConnection: number, isOverloaded: boolean): number {
  const shares = 2 ** Math.ceil(Math.log2(Math.max(1, connections)));
  const share = Math.floor((isOverloaded ? CALLS_OVERLOADED_MAX : CALLS_MAX) / shares);
  return Math.min(perConnection, Math.max(PER_CONNECTION_MIN, share));
}
