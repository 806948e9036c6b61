/** Servers for the tests of the player, on ephemeral ports of the loopback. */
import http2 from "node:http2";
import net from "node:net";
import { FrameReader } from "../load/frame-reader.mjs";
import { PREFACE, writeFrameHeader } from "../load/http2-frames.mjs";

/** @param {Uint8Array} message */
export function framed(message) {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

/**
 * @param {net.Server | http2.Http2Server} server
 * @returns {Promise<{ host: string, port: number }>}
 */
async function listening(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { host: "127.0.0.1", port: address.port };
}

/** @typedef {import("node:test").TestContext} TestContext the servers are closed when the test ends */

/**
 * A server of node:http2 that hands each whole request body to `answer`.
 *
 * @param {TestContext} t
 * @param {http2.ServerOptions} options
 * @param {(stream: http2.ServerHttp2Stream, body: Buffer, headers: http2.IncomingHttpHeaders) => void} answer
 */
export async function http2Server(t, options, answer) {
  const server = http2.createServer(options);
  /** @type {Set<http2.ServerHttp2Session>} */
  const sessions = new Set();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", () => {});
  });
  server.on("stream", (stream, headers) => {
    /** @type {Buffer[]} */
    const parts = [];
    stream.on("error", () => {});
    stream.on("data", (/** @type {Buffer} */ part) => parts.push(part));
    stream.on("end", () => answer(stream, Buffer.concat(parts), headers));
  });
  const address = await listening(server);
  t.after(async () => {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { ...address, sessions };
}

/**
 * Answers like a gRPC server.
 *
 * @param {http2.ServerHttp2Stream} stream
 * @param {Uint8Array} message
 * @param {{ headers?: http2.OutgoingHttpHeaders, trailers?: http2.OutgoingHttpHeaders }} [more]
 */
export function respond(stream, message, { headers = {}, trailers = {} } = {}) {
  stream.respond(
    { ":status": 200, "content-type": "application/grpc", ...headers },
    { waitForTrailers: true },
  );
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", ...trailers }));
  stream.end(framed(message));
}

/**
 * A server that a test writes frame by frame, for what no library would send. `onRequest` is called when the last
 * DATA frame of a request has arrived.
 *
 * @param {TestContext} t
 * @param {(send: (...frames: Buffer[]) => void, streamId: number, socket: net.Socket) => void} onRequest
 * @param {{ settings?: Buffer, onControl?: (type: number, flags: number, payload: Buffer) => void }} [options]
 */
export async function frameServer(t, onRequest, { settings = Buffer.alloc(0), onControl } = {}) {
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const send = (/** @type {Buffer[]} */ ...frames) => {
      socket.write(Buffer.concat(frames));
    };
    const reader = new FrameReader({
      headerBlock: () => {},
      data: (id, end) => {
        if (end) onRequest(send, id, socket);
      },
      control: (type, flags, _id, payload) => onControl?.(type, flags, Buffer.from(payload)),
    });
    let skip = PREFACE.length;
    socket.on("data", (chunk) => {
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      reader.push(chunk.subarray(skipped));
    });
    send(frame(4, 0, 0, settings));
  });
  const address = await listening(server);
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(close);
  return { ...address, close };
}

/**
 * @param {number} type
 * @param {number} flags
 * @param {number} streamId
 * @param {Uint8Array} payload
 */
export function frame(type, flags, streamId, payload) {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.set(payload, writeFrameHeader(bytes, 0, payload.length, type, flags, streamId));
  return bytes;
}

/** A header block of literals that touch no table. @param {Readonly<Record<string, string>>} fields */
export function literalBlock(fields) {
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name, "latin1"),
    Buffer.from([value.length]),
    Buffer.from(value, "latin1"),
  ]);
  return Buffer.concat(parts);
}

/** @param {string} code */
export function message(code) {
  return Buffer.from(code, "utf8");
}
