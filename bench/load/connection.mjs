/**
 * One HTTP/2 connection of the player, written by hand over a socket: unary gRPC requests out, responses in.
 *
 * node:http2 would do all of this, but a stream of it costs several times what a call may cost here (the
 * README has the figures), and the load generator shares the machine with the server it measures. What is left
 * out: priorities, server push (refused), padding of what is sent, TLS, and retries.
 */
import net from "node:net";
import { FrameReader, ProtocolError } from "./frame-reader.mjs";
import { GrpcResponse } from "./grpc-response.mjs";
import { HpackDecoder } from "./hpack-decoder.mjs";
import {
  Flag,
  FRAME_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameType,
  PREFACE,
  Setting,
  STREAM_ID_MAX,
  WINDOW_DEFAULT,
  WINDOW_MAX,
  writeFrameHeader,
} from "./http2-frames.mjs";
import { RequestHeaders } from "./request-headers.mjs";
import { RequestQueue } from "./request-queue.mjs";

const READ_BYTES = 65_536;
const SLAB_BYTES = 65_536;
const PREFIX_BYTES = 5;
const CONNECT_MS_MAX = 5_000;
/** A response longer than this is refused: no API of the project answers with more than 8 MiB. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;
/** The window of the connection is opened again when this much of it is used. */
const WINDOW_STEP = 16 * 1024 * 1024;
const ERROR_CANCEL = 8;

/** @typedef {{ readonly path: string, readonly message: Uint8Array }} Request */
/**
 * @typedef {{
 *   host: string, port: number, metadata?: Readonly<Record<string, string>>, collect?: boolean,
 *   onResponse: (connection: Connection, response: GrpcResponse) => void,
 *   onClose: (connection: Connection, reason: string) => void,
 * }} ConnectionOptions `collect`: keep the messages of responses
 */

export class Connection {
  #options;
  #socket;
  #reader;
  #decoder = new HpackDecoder();
  #headers;
  #queue = new RequestQueue();
  /** @type {Map<number, GrpcResponse>} */
  #streams = new Map();
  #nextStreamId = 1;
  #streamsMax = Number.POSITIVE_INFINITY;
  #frameBytesMax = FRAME_BYTES_MAX;
  #flowBytes = 0;
  /** Bytes are only ever appended, so that what a write still refers to does not change. */
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #slabFlushed = 0;
  #slabAt = 0;
  #flushPlanned = false;
  #reading = false;
  #closing = false;
  #closed = false;
  /** @type {(error?: Error) => void} */
  #settled = () => {};

  /** @param {ConnectionOptions} options */
  constructor(options) {
    this.#options = options;
    this.#headers = new RequestHeaders(`${options.host}:${options.port}`, options.metadata);
    this.#reader = new FrameReader({
      headerBlock: (id, end, buffer, from, to) => this.#onHeaders(id, end, buffer, from, to),
      data: (id, end, buffer, from, to, flow) => this.#onData(id, end, buffer, from, to, flow),
      control: (type, flags, id, payload) => this.#onControl(type, flags, id, payload),
    });
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.#socket = net.connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: { buffer, callback: (bytes) => this.#onRead(buffer.subarray(0, bytes)) },
    });
    this.#socket.on("error", (error) => this.#close(`connection failed: ${error.message}`));
    this.#socket.on("close", () => this.#close("connection closed by the server"));
    this.#socket.on("end", () => this.#close("connection closed by the server"));
  }

  /**
   * Connects; resolves when the server's SETTINGS have arrived.
   *
   * @param {ConnectionOptions} options
   * @returns {Promise<Connection>}
   */
  static open(options) {
    const connection = new Connection(options);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => connection.#close("connecting takes too long"),
        CONNECT_MS_MAX,
      );
      connection.#settled = (error) => {
        clearTimeout(timer);
        connection.#settled = () => {};
        if (error === undefined) resolve(connection);
        else reject(error);
      };
      connection.#greet();
    });
  }

  /** How many more requests it takes now. */
  get capacity() {
    return this.#closing || this.#closed ? 0 : this.#streamsMax - this.#streams.size;
  }

  /** No request will ever be taken again. */
  get finished() {
    return this.#closing || this.#closed;
  }

  /**
   * Sends a request; there must be capacity.
   *
   * @param {Request} request
   * @param {number} index comes back with the response
   */
  send(request, index) {
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    if (this.#nextStreamId > STREAM_ID_MAX) this.#closing = true;
    this.#streams.set(
      id,
      new GrpcResponse(index, performance.now(), this.#options.collect === true),
    );
    const { path, message } = request;
    const block = this.#headers.block(path);
    this.#frame(FrameType.headers, Flag.endHeaders, id, block);
    const bytes = PREFIX_BYTES + message.length;
    if (bytes <= this.#frameBytesMax && this.#queue.takeWhole(bytes)) this.#whole(id, message);
    else {
      const body = Buffer.alloc(bytes);
      body.writeUInt32BE(message.length, 1);
      body.set(message, PREFIX_BYTES);
      this.#queue.hold(id, body);
      this.#drain();
    }
    this.#planFlush();
  }

  close() {
    this.#close("closed");
  }

  #greet() {
    const settings = Buffer.alloc(12);
    settings.writeUInt16BE(Setting.enablePush, 0);
    settings.writeUInt32BE(0, 2);
    settings.writeUInt16BE(Setting.initialWindowSize, 6);
    settings.writeUInt32BE(WINDOW_MAX, 8);
    this.#reserve(PREFACE.length);
    this.#slabAt += PREFACE.copy(this.#slab, this.#slabAt);
    this.#frame(FrameType.settings, 0, 0, settings);
    this.#windowUpdate(WINDOW_MAX - WINDOW_DEFAULT);
    this.#planFlush();
  }

  // What is sent.

  /** @param {number} bytes */
  #reserve(bytes) {
    if (this.#slabAt + bytes <= this.#slab.length) return;
    this.#flush();
    this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
    this.#slabAt = 0;
    this.#slabFlushed = 0;
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} streamId
   * @param {Uint8Array} payload
   */
  #frame(type, flags, streamId, payload) {
    this.#reserve(FRAME_HEADER_BYTES + payload.length);
    const at = writeFrameHeader(this.#slab, this.#slabAt, payload.length, type, flags, streamId);
    this.#slab.set(payload, at);
    this.#slabAt = at + payload.length;
  }

  /**
   * The one DATA frame of a request that fits.
   *
   * @param {number} streamId
   * @param {Uint8Array} message
   */
  #whole(streamId, message) {
    const bytes = PREFIX_BYTES + message.length;
    this.#reserve(FRAME_HEADER_BYTES + bytes);
    const slab = this.#slab;
    const at = writeFrameHeader(
      slab,
      this.#slabAt,
      bytes,
      FrameType.data,
      Flag.endStream,
      streamId,
    );
    slab[at] = 0;
    slab.writeUInt32BE(message.length, at + 1);
    slab.set(message, at + PREFIX_BYTES);
    this.#slabAt = at + bytes;
  }

  #drain() {
    this.#queue.drain(this.#frameBytesMax, (streamId, part, last) =>
      this.#frame(FrameType.data, last ? Flag.endStream : 0, streamId, part),
    );
  }

  /** @param {number} streamId */
  #cancel(streamId) {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(ERROR_CANCEL);
    this.#frame(FrameType.resetStream, 0, streamId, payload);
  }

  /** @param {number} increment */
  #windowUpdate(increment) {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(increment);
    this.#frame(FrameType.windowUpdate, 0, 0, payload);
  }

  /** One write for all that one turn produced. */
  #planFlush() {
    if (this.#reading || this.#flushPlanned) return;
    this.#flushPlanned = true;
    process.nextTick(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush() {
    if (this.#slabFlushed === this.#slabAt || this.#closed) return;
    this.#socket.write(this.#slab.subarray(this.#slabFlushed, this.#slabAt));
    this.#slabFlushed = this.#slabAt;
  }

  // What arrives.

  /** @param {Buffer} chunk */
  #onRead(chunk) {
    if (this.#closed) return false;
    this.#reading = true;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#close(`protocol error: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#reading = false;
    }
    this.#flush();
    return true;
  }

  /**
   * @param {number} streamId
   * @param {boolean} endStream
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  #onHeaders(streamId, endStream, buffer, from, to) {
    const response = this.#streams.get(streamId);
    // A stream that was given up still moves the dynamic table.
    this.#decoder.decode(buffer, from, to, (field) => response?.header(field));
    if (endStream && response !== undefined) this.#finish(streamId, response);
  }

  /**
   * @param {number} streamId
   * @param {boolean} endStream
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   * @param {number} flowBytes
   */
  #onData(streamId, endStream, buffer, from, to, flowBytes) {
    this.#flowBytes += flowBytes;
    if (this.#flowBytes >= WINDOW_STEP) {
      this.#windowUpdate(this.#flowBytes);
      this.#flowBytes = 0;
    }
    const response = this.#streams.get(streamId);
    if (response === undefined) return;
    response.data(buffer, from, to);
    if (response.received > RESPONSE_BYTES_MAX) {
      this.#cancel(streamId);
      response.failure = `response longer than ${RESPONSE_BYTES_MAX} bytes`;
      this.#finish(streamId, response);
    } else if (endStream) this.#finish(streamId, response);
  }

  /**
   * @param {number} streamId
   * @param {GrpcResponse} response
   */
  #finish(streamId, response) {
    this.#streams.delete(streamId);
    // A server may answer before it has read the request; the rest is not sent then.
    if (this.#queue.drop(streamId)) this.#cancel(streamId);
    this.#options.onResponse(this, response);
    if (this.#closing && this.#streams.size === 0) this.#close("closed by GOAWAY");
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} streamId
   * @param {Buffer} payload
   */
  #onControl(type, flags, streamId, payload) {
    switch (type) {
      case FrameType.settings:
        return this.#onSettings(flags, payload);
      case FrameType.ping:
        if ((flags & Flag.ack) === 0) this.#frame(FrameType.ping, Flag.ack, 0, payload);
        return;
      case FrameType.windowUpdate:
        this.#queue.windowUpdate(streamId, payload.readUInt32BE(0) & 0x7fff_ffff);
        return this.#drain();
      case FrameType.resetStream:
        return this.#fail(streamId, `stream reset, HTTP/2 error ${payload.readUInt32BE(0)}`);
      case FrameType.goAway:
        return this.#onGoAway(payload);
      case FrameType.pushPromise:
        throw new ProtocolError("push was refused");
      default: // PRIORITY, and types that are not known, are ignored (RFC 9113, 4.1).
    }
  }

  /**
   * @param {number} flags
   * @param {Buffer} payload
   */
  #onSettings(flags, payload) {
    if (flags & Flag.ack) return;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      this.#onSetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#frame(FrameType.settings, Flag.ack, 0, new Uint8Array(0));
    this.#drain();
    this.#settled();
  }

  /**
   * @param {number} id
   * @param {number} value
   */
  #onSetting(id, value) {
    if (id === Setting.headerTableSize) this.#headers.tableSize(value);
    else if (id === Setting.maxConcurrentStreams) this.#streamsMax = value;
    else if (id === Setting.initialWindowSize) this.#queue.initialWindow(value);
    // Frames longer than the default gain nothing here.
    else if (id === Setting.maxFrameSize) this.#frameBytesMax = Math.min(value, FRAME_BYTES_MAX);
  }

  /** @param {Buffer} payload */
  #onGoAway(payload) {
    this.#closing = true;
    const last = payload.readUInt32BE(0) & 0x7fff_ffff;
    for (const id of [...this.#streams.keys()]) {
      if (id > last) this.#fail(id, `refused by GOAWAY, HTTP/2 error ${payload.readUInt32BE(4)}`);
    }
    if (this.#streams.size === 0) this.#close("closed by GOAWAY");
  }

  /**
   * @param {number} streamId
   * @param {string} reason
   */
  #fail(streamId, reason) {
    const response = this.#streams.get(streamId);
    if (response === undefined) return;
    response.failure = reason;
    this.#finish(streamId, response);
  }

  /** @param {string} reason */
  #close(reason) {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#settled(new Error(`${this.#options.host}:${this.#options.port}: ${reason}`));
    const open = [...this.#streams.values()];
    this.#streams.clear();
    for (const response of open) {
      response.failure = reason;
      this.#options.onResponse(this, response);
    }
    this.#options.onClose(this, reason);
  }
}
