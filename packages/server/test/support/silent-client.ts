/**
 * A hostile client: speaks just enough HTTP/2 by hand to ask, grants the server as much flow-control window as
 * it asks for, and never reads a byte of its socket.
 */
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, windowUpdate: 8 } as const;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const INITIAL_WINDOW_SIZE = 4;
const CANCEL = 8;
const WINDOW_MAX = 0x7fff_ffff;

export class SilentClient {
  readonly #socket: Socket;
  #nextStream = 1;
  isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.pause();
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
    });
  }

  /** @param windowBytes what the server may send of each answer before this client reads */
  static async open(address: string, windowBytes: number = WINDOW_MAX): Promise<SilentClient> {
    const [host, port] = address.split(":");
    const socket = connect(Number(port), host);
    onTestFinished(() => {
      socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const settings = Buffer.alloc(6);
    settings.writeUInt16BE(INITIAL_WINDOW_SIZE, 0);
    settings.writeUInt32BE(windowBytes, 2);
    const update = Buffer.alloc(4);
    update.writeUInt32BE(WINDOW_MAX - 65_535, 0);
    socket.write(PREFACE);
    socket.write(frame(FRAME.settings, 0, 0, settings));
    socket.write(frame(FRAME.windowUpdate, 0, 0, update));
    return new SilentClient(socket);
  }

  /** Sends one call of many messages; resolves when the system has taken them. */
  async askOften(path: string, message: Uint8Array, times: number): Promise<void> {
    const length = Buffer.alloc(5);
    length.writeUInt32BE(message.length, 1);
    const stream = this.#nextStream;
    this.#nextStream += 2;
    const frames = [frame(FRAME.headers, END_HEADERS, stream, requestHeaders(path))];
    for (let i = 0; i < times; i++) {
      frames.push(frame(FRAME.data, 0, stream, Buffer.concat([length, message])));
    }
    await new Promise<void>((resolve) => {
      this.#socket.write(Buffer.concat(frames), () => resolve());
    });
  }

  /** Sends unary calls; resolves when the system has taken them, or when the connection is gone. */
  async ask(path: string, message: Uint8Array, calls = 1): Promise<void> {
    const length = Buffer.alloc(5);
    length.writeUInt32BE(message.length, 1);
    const body = Buffer.concat([length, message]);
    const frames: Buffer[] = [];
    for (let i = 0; i < calls; i++) {
      frames.push(frame(FRAME.headers, END_HEADERS, this.#nextStream, requestHeaders(path)));
      frames.push(frame(FRAME.data, END_STREAM, this.#nextStream, body));
      this.#nextStream += 2;
    }
    await new Promise<void>((resolve) => {
      this.#socket.once("close", resolve);
      this.#socket.write(Buffer.concat(frames), () => {
        this.#socket.off("close", resolve);
        resolve();
      });
    });
  }

  /** Gives up all calls but the first ones. */
  cancelAllBut(first: number): void {
    const code = Buffer.alloc(4);
    code.writeUInt32BE(CANCEL);
    for (let stream = 1 + 2 * first; stream < this.#nextStream; stream += 2) {
      this.#socket.write(frame(FRAME.reset, 0, stream, code));
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without tables: every header as a literal that is not indexed. */
function requestHeaders(path: string): Buffer {
  const headers = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "test",
    "content-type": "application/grpc",
    te: "trailers",
  };
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  return Buffer.concat(parts);
}
