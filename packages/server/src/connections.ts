/**
 * Client connections: how many there are, and how many bytes of answers each has not read. HTTP/2 lets a client
 * ask on without reading, and the library keeps what it cannot send; so a client that does not read is refused
 * further answers, and one that has stopped reading is cut off.
 *
 *   INV-CONN-1  Large answers that a connection has not read take at most UNREAD_BYTES_MAX and one message more,
 *               and once as much in frames on their way to its socket. Beside them are the answers to the writes that
 *               it had under way when it had no more room: what is done is not answered as refused.
 *   INV-CONN-2  The same holds for the messages of its streams, which wait instead of being refused.
 *   INV-CONN-3  Nothing stays counted of a call that has ended, nor of a connection that has closed.
 *   INV-CONN-4  No two connections that live have the same address and port of their client, whichever ports and addresses of
 *               this node they came to.
 *
 * A call tells of its connection by the client's address and port alone, and so do all who know something of a connection: whose
 * certificate it showed, what it has not read, how many streams it may have. The system is free to give one port of a client to
 * several connections that lead to different ports, so the later one of such a pair is closed, and its client takes another port.
 *
 * Counted are answers above SMALL_ANSWER_BYTES only, so that a check pays one comparison: small ones are bounded
 * by the streams of a connection, and all together by the memory of an HTTP/2 session (channel-options.ts). The
 * library tells when an answer has gone into frames, which it does only while the socket takes them.
 */
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { LedgerError } from "@authledger/types";
import { HeldSocket } from "./protection/held-socket.js";

/** Connections at a time; the kernel's queue holds more, and the rest is refused. */
const CONNECTIONS_MAX = 4_000;
/** At 1,024 streams a connection holds at most 4 MiB of answers that are not counted. */
const SMALL_ANSWER_BYTES = 4 * 1024;
/** Bytes that one connection may leave unread before it is refused more: two answers of the largest size. */
export const UNREAD_BYTES_MAX: number = 16 * 1024 * 1024;
/** ... and all connections together, before the one that has read nothing for longest is cut off. */
const UNREAD_TOTAL_MAX = 256 * 1024 * 1024;
/** A connection with unread answers that takes none for so long is cut off: 8 MiB in a minute is 1.1 Mbit/s. */
const STALL_MS = 60_000;
const STALL_CHECK_MS = 5_000;
/** Who asked within so many turns belongs to the crowd that asks now: a second, when turns take their 25 ms. */
const CROWD_TURNS = 40;
/** What a refused client is told to wait. */
const RETRY_MS = 250;

/** What this module needs of a call of the library. */
export interface AnsweredCall {
  /** Address and port of the client. */
  getPeer(): string;
  /** It is over already, or its deadline has passed: what it is given now is dropped. */
  readonly cancelled: boolean;
  /** The library says `cancelled` when a call is over, whatever its end was. */
  once(event: "cancelled", listener: () => void): unknown;
}

interface Connection {
  readonly socket: Socket;
  readonly held: HeldSocket;
  /** Another node passes calls on by it. */
  isOfNode: boolean;
  /** Of answers. */
  unreadBytes: number;
  /** Of messages of streams. A stream may be left unread for long, so they alone get nobody cut off in time. */
  streamBytes: number;
  /** What continues the streams that wait for room. */
  readonly waiting: Set<() => void>;
  /** The turn of the loop in which it asked last, of those that are noted. */
  askedInTurn: number;
  /** Its bytes are of no total any more, whenever its calls end. */
  isClosed: boolean;
  /** When an answer was last taken, or the first one began to wait. */
  movedAtMs: number;
}

export interface ConnectionsOptions {
  readonly stallMs?: number;
  readonly unreadTotalMax?: number;
  readonly connectionsMax?: number;
}

export class Connections {
  readonly #stallMs: number;
  readonly #unreadTotalMax: number;
  readonly #connectionsMax: number;
  /** By address and port of the client. */
  readonly #open = new Map<string, Connection>();
  #unreadTotal = 0;
  /** Connections that are not read, or whose first calls after that are still to come. */
  #heldCount = 0;
  #turn = 0;

  constructor({
    stallMs = STALL_MS,
    unreadTotalMax = UNREAD_TOTAL_MAX,
    connectionsMax = CONNECTIONS_MAX,
  }: ConnectionsOptions = {}) {
    this.#connectionsMax = connectionsMax;
    this.#stallMs = stallMs;
    this.#unreadTotalMax = unreadTotalMax;
  }

  /** Bytes of large answers and streams that were given to the library and not yet taken by their clients. */
  get unreadBytes(): number {
    return this.#unreadTotal;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Listens, and hands each connection on. Rejects with the error of the system. */
  async listen(host: string, port: number, handOn: (socket: Socket) => void): Promise<NetServer> {
    const server = createServer({ noDelay: true }, (socket) => {
      if (this.#add(socket)) handOn(socket);
      else socket.destroy();
    });
    server.maxConnections = this.#connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    const checkMs = Math.min(STALL_CHECK_MS, this.#stallMs);
    const timer = setInterval(() => this.#cutStalled(), checkMs).unref();
    server.once("close", () => clearInterval(timer));
    return server;
  }

  /** Before any work is done for a call. @throws LedgerError OVERLOADED */
  admit(call: AnsweredCall): void {
    if (this.#unreadTotal >= UNREAD_BYTES_MAX) this.#requireRoom(this.#of(call));
  }

  /**
   * Before an answer is given to the library.
   * @param mayRefuse whether it is of a call that has changed nothing
   * @throws LedgerError OVERLOADED; the answer must not be given
   */
  answering(call: AnsweredCall, bytes: number, mayRefuse = true): void {
    if (bytes <= SMALL_ANSWER_BYTES || call.cancelled) return;
    const connection = this.#of(call);
    if (connection === undefined) return;
    if (mayRefuse) this.#requireRoom(connection);
    if (connection.unreadBytes === 0) connection.movedAtMs = performance.now();
    this.#count(connection, bytes);
    call.once("cancelled", () => {
      connection.movedAtMs = performance.now();
      this.#count(connection, -bytes);
    });
    if (this.#unreadTotal > this.#unreadTotalMax) this.#cutOldest();
  }

  /**
   * May a stream be given its next message? Undefined: yes. If not, `later` is called once when it is worth asking again, unless
   * the stream ends its wait before by what this returns: what it waits with would be kept until its connection is read. (A call
   * that its client has cancelled does not know its connection any more.) One that asks twice with the same function waits once.
   */
  waitForRoom(call: AnsweredCall, later: () => void): (() => void) | undefined {
    const connection = this.#of(call);
    if (connection === undefined || connection.streamBytes < UNREAD_BYTES_MAX) return undefined;
    connection.waiting.add(later);
    return () => connection.waiting.delete(later);
  }

  /** Streams that wait for room of their connections. */
  get waitingStreams(): number {
    let streams = 0;
    for (const { waiting } of this.#open.values()) streams += waiting.size;
    return streams;
  }

  /** Counts a message of a stream until what this returns is called. */
  sending(call: AnsweredCall, bytes: number): () => void {
    const connection = this.#of(call);
    if (connection === undefined) return () => undefined;
    if (connection.unreadBytes + connection.streamBytes === 0) {
      connection.movedAtMs = performance.now();
    }
    this.#countStream(connection, bytes);
    if (this.#unreadTotal > this.#unreadTotalMax) this.#cutOldest();
    return () => {
      connection.movedAtMs = performance.now();
      this.#countStream(connection, -bytes);
      if (connection.streamBytes >= UNREAD_BYTES_MAX) return;
      const waiting = [...connection.waiting];
      connection.waiting.clear();
      for (const later of waiting) later();
    };
  }

  /** The connection is that of another node: many clients are behind it. */
  markNode(call: { getPeer(): string }): void {
    const connection = this.#open.get(call.getPeer());
    if (connection !== undefined) connection.isOfNode = true;
  }

  /** Notes that a connection was read in this turn. */
  noteAsked(call: { getPeer(): string }): void {
    const connection = this.#open.get(call.getPeer());
    if (connection !== undefined) connection.askedInTurn = this.#turn;
  }

  endTurn(): void {
    this.#turn++;
  }

  /** Does not read a connection for so long; false if it is held already, or must not be. */
  hold(call: { getPeer(): string }, forMs: number): boolean {
    const connection = this.#open.get(call.getPeer());
    return connection !== undefined && this.#hold(connection, forMs);
  }

  /** Holds those that asked in the turns before and not in this one: they wait for it, and it has no time left. */
  holdOthers(forMs: () => number): void {
    for (const connection of this.#open.values()) {
      const turnsAgo = this.#turn - connection.askedInTurn;
      if (turnsAgo > 0 && turnsAgo <= CROWD_TURNS) this.#hold(connection, forMs());
    }
  }

  /** Did a call wait while its connection was not read? */
  hasWaited(call: { getPeer(): string }): boolean {
    return this.#heldCount > 0 && this.#open.get(call.getPeer())?.held.isStale === true;
  }

  /** Connections that are not read now. */
  get heldCount(): number {
    return this.#heldCount;
  }

  #hold(connection: Connection, forMs: number): boolean {
    if (connection.isOfNode) return false;
    const isHeld = connection.held.hold(forMs, () => {
      this.#heldCount--;
    });
    if (isHeld) this.#heldCount++;
    return isHeld;
  }

  #countStream(connection: Connection, bytes: number): void {
    connection.streamBytes += bytes;
    if (!connection.isClosed) this.#unreadTotal += bytes;
  }

  /** INV-CONN-4: false for a connection that must not be. */
  #add(socket: Socket): boolean {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const other = this.#open.get(peer)?.socket;
    if (other !== undefined && !other.destroyed) {
      if (!hasSameEnds(other, socket)) return false;
      // The system has given the pair of ends anew, so the older one is dead, and this process was not told yet.
      other.destroy();
    }
    const connection: Connection = {
      socket,
      held: new HeldSocket(socket),
      isOfNode: false,
      unreadBytes: 0,
      streamBytes: 0,
      waiting: new Set(),
      askedInTurn: Number.NEGATIVE_INFINITY,
      isClosed: false,
      movedAtMs: 0,
    };
    this.#open.set(peer, connection);
    socket.once("close", () => {
      connection.isClosed = true;
      this.#unreadTotal -= connection.unreadBytes + connection.streamBytes;
      if (this.#open.get(peer) === connection) this.#open.delete(peer);
    });
    return true;
  }

  #of(call: AnsweredCall): Connection | undefined {
    return this.#open.get(call.getPeer());
  }

  #count(connection: Connection, bytes: number): void {
    connection.unreadBytes += bytes;
    if (!connection.isClosed) this.#unreadTotal += bytes;
  }

  #requireRoom(connection: Connection | undefined): void {
    if (connection === undefined || connection.unreadBytes < UNREAD_BYTES_MAX) return;
    const { unreadBytes } = connection;
    const message = `this connection has ${unreadBytes} bytes of answers that it has not read; the limit is ${UNREAD_BYTES_MAX}`;
    throw new LedgerError("OVERLOADED", message, {
      details: { unreadBytes, limit: UNREAD_BYTES_MAX },
      retryAfterMs: RETRY_MS,
    });
  }

  #cutStalled(): void {
    const before = performance.now() - this.#stallMs;
    for (const { socket, unreadBytes, movedAtMs } of this.#open.values()) {
      if (unreadBytes > 0 && movedAtMs < before) socket.destroy();
    }
  }

  /** What it has not read is given back when it has closed. */
  #cutOldest(): void {
    let oldest: Connection | undefined;
    for (const connection of this.#open.values()) {
      const { unreadBytes, streamBytes, socket } = connection;
      if (unreadBytes + streamBytes === 0 || socket.destroyed) continue;
      if (oldest === undefined || connection.movedAtMs < oldest.movedAtMs) oldest = connection;
    }
    oldest?.socket.destroy();
  }
}

/** Of two connections of one port of a client: did they come to the same port and address here? */
function hasSameEnds(one: Socket, other: Socket): boolean {
  return one.localPort === other.localPort && one.localAddress === other.localAddress;
}
