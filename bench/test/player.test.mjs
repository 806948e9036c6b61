/** The player against servers of grpc-js and node:http2, and against servers that break the rules. */
import assert from "node:assert/strict";
import { test } from "node:test";
import grpc from "@grpc/grpc-js";
import { startServer } from "../lib/processes.mjs";
import { EMPTY_SERVER, EMPTY_SERVER_READY } from "../load/empty-server-address.mjs";
import { allGood, callOnce, play } from "../load/player.mjs";
import {
  frame,
  framed,
  frameServer,
  http2Server,
  literalBlock,
  message,
  respond,
} from "./support.mjs";

/** @param {number} count */
function numbered(count, bytes = 8) {
  return Array.from({ length: count }, (_, i) => {
    const body = Buffer.alloc(bytes, i);
    body.writeUInt32BE(i);
    return { path: `/test.Service/Method${i % 3}`, message: body };
  });
}

/** @type {(message: Buffer, index: number) => string | undefined} */
const isEcho = (answer, index) =>
  answer.readUInt32BE(0) === index ? undefined : `answer ${answer.readUInt32BE(0)} to ${index}`;

/** The header block that opens a good answer, and the one that ends it. */
const OPENING = literalBlock({ ":status": "200", "content-type": "application/grpc" });
const CLOSING = literalBlock({ "grpc-status": "0" });

/** @param {number} id */
const goodAnswer = (id) => [
  frame(1, 4, id, OPENING),
  frame(0, 0, id, framed(message("ok"))),
  frame(1, 5, id, CLOSING),
];

for (const { connections, inFlight } of [
  { connections: 1, inFlight: 1 },
  { connections: 1, inFlight: 64 },
  { connections: 4, inFlight: 64 },
]) {
  test(`each request gets its own answer: ${connections} connections, ${inFlight} in flight`, async (t) => {
    /** @type {Set<number>} */
    const seen = new Set();
    const server = await http2Server(t, {}, (stream, body, headers) => {
      assert.equal(headers["te"], "trailers");
      assert.equal(headers[":path"], `/test.Service/Method${body.readUInt32BE(5) % 3}`);
      seen.add(body.readUInt32BE(5));
      respond(stream, body.subarray(5));
    });
    const requests = numbered(2_000);
    const options = { ...server, requests, connections, inFlight, calls: 2_000, check: isEcho };
    const result = allGood(await play(options));
    assert.equal(result.calls, 2_000);
    assert.equal(result.latency.count, 2_000);
    assert.equal(seen.size, 2_000);
    assert.equal(server.sessions.size <= connections, true);
  });
}

test("a server of grpc-js understands it, and its errors are counted by status and message", async () => {
  const server = new grpc.Server();
  let calls = 0;
  server.addService(
    {
      /** @type {any} */
      echo: {
        path: "/test.Service/Echo",
        requestStream: false,
        responseStream: false,
        requestDeserialize: (/** @type {Buffer} */ bytes) => bytes,
        responseSerialize: (/** @type {Buffer} */ bytes) => bytes,
      },
    },
    {
      echo: (/** @type {any} */ call, /** @type {any} */ callback) => {
        calls++;
        if (call.request.readUInt32BE(0) % 10 !== 3) callback(null, call.request);
        else callback({ code: grpc.status.NOT_FOUND, details: "no such th\u00efng" });
      },
    },
  );
  const port = await new Promise((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  try {
    const requests = numbered(500).map((request) => ({ ...request, path: "/test.Service/Echo" }));
    const options = { host: "127.0.0.1", port: Number(port), requests, check: isEcho };
    const result = await play({ ...options, inFlight: 32, calls: 500 });
    assert.equal(calls, 500);
    assert.deepEqual(result.errors, { "gRPC status 5: no such th\u00efng": 50 });
    assert.deepEqual([result.calls, result.failed, result.unsent], [450, 50, 0]);
    assert.throws(() => allGood(result), /50 calls failed/);
    const [, unknown] = await Promise.all([
      play({ ...options, calls: 3 }),
      play({ ...options, requests: numbered(1), calls: 3 }),
    ]);
    assert.match(Object.keys(unknown.errors).join(), /gRPC status 12/);
    assert.equal(unknown.failed, 3);
  } finally {
    server.forceShutdown();
  }
});

test("requests larger than the windows and answers of megabytes arrive whole, in small frames", async (t) => {
  const bytes = 300_000;
  const server = await http2Server(
    t,
    { settings: { initialWindowSize: 20_000, maxFrameSize: 16_384 } },
    (stream, body) => respond(stream, Buffer.alloc(3_000_000, body[5 + 100])),
  );
  const requests = numbered(20, bytes);
  const result = await play({
    ...server,
    requests,
    calls: 20,
    inFlight: 6,
    check: (answer, index) =>
      answer.length === 3_000_000 && answer.every((byte) => byte === index % 256)
        ? undefined
        : "bad",
  });
  allGood(result);
});

test("it keeps to the number of streams and the size of the header table that a server allows", async (t) => {
  let open = 0;
  let most = 0;
  const server = await http2Server(
    t,
    { settings: { maxConcurrentStreams: 5, headerTableSize: 0 } },
    (stream, body) => {
      most = Math.max(most, ++open);
      setTimeout(() => {
        open--;
        respond(stream, body.subarray(5));
      }, 2);
    },
  );
  const options = { requests: numbered(200), calls: 200, inFlight: 64, check: isEcho };
  allGood(await play({ ...server, ...options }));
  assert.ok(most > 1 && most <= 5, `${most} at a time`);
});

test("a timed run stops in time and has no failures", async (t) => {
  const server = await http2Server(t, {}, (stream, body) => respond(stream, body.subarray(5)));
  const result = allGood(
    await play({ ...server, requests: numbered(10), seconds: 0.5, inFlight: 4 }),
  );
  assert.ok(result.seconds > 0.4 && result.seconds < 3, `${result.seconds} s`);
  assert.ok(result.calls > 10);
});

test("padding, priorities, continuations, pings, unknown frames and split reads change nothing", async (t) => {
  /** @type {string[]} */
  const acknowledged = [];
  const server = await frameServer(
    t,
    (_send, id, socket) => {
      const answer = framed(message("ok"));
      const bytes = Buffer.concat([
        frame(6, 0, 0, Buffer.from("pingping")),
        frame(0x42, 0xff, id, Buffer.from("unknown")),
        frame(8, 0, 0, Buffer.from([0, 0, 1, 0])),
        // HEADERS padded by 3 with a priority, without its end, then two CONTINUATION frames.
        frame(
          1,
          0x28,
          id,
          Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 9]), OPENING.subarray(0, 4), Buffer.alloc(3)]),
        ),
        frame(9, 0, id, OPENING.subarray(4, 9)),
        frame(9, 4, id, OPENING.subarray(9)),
        // The message's prefix in two frames, one of them padded, and an empty one.
        frame(0, 8, id, Buffer.concat([Buffer.from([2]), answer.subarray(0, 3), Buffer.alloc(2)])),
        frame(0, 0, id, Buffer.alloc(0)),
        frame(0, 0, id, answer.subarray(3)),
        frame(1, 1, id, CLOSING.subarray(0, 2)),
        frame(9, 4, id, CLOSING.subarray(2)),
      ]);
      for (const byte of bytes) socket.write(Buffer.from([byte]));
    },
    {
      onControl: (type, flags, payload) => {
        if (type === 6) acknowledged.push(`${flags} ${payload.toString("latin1")}`);
      },
    },
  );
  const options = { ...server, requests: numbered(5), calls: 5 };
  const result = await play({
    ...options,
    check: (answer) => (answer.toString() === "ok" ? undefined : `got ${answer.toString("hex")}`),
  });
  allGood(result);
  assert.deepEqual(
    acknowledged.slice(0, 4),
    Array.from({ length: 4 }, () => "1 pingping"),
  );
});

test("windows are opened again while long answers arrive", async (t) => {
  let opened = 0;
  const server = await frameServer(
    t,
    (send, id) => {
      const part = frame(0, 0, id, Buffer.alloc(16_384));
      const prefix = Buffer.alloc(5);
      const parts = 1_100;
      prefix.writeUInt32BE(parts * 16_384, 1);
      send(frame(1, 4, id, OPENING), frame(0, 0, id, prefix));
      for (let i = 0; i < parts; i++) send(part);
      send(frame(1, 5, id, CLOSING));
    },
    {
      onControl: (type, _flags, payload) => {
        if (type === 8) opened += payload.readUInt32BE(0);
      },
    },
  );
  allGood(await play({ ...server, requests: numbered(1), calls: 2 }));
  // All of the two times 18 MB but for less than one step.
  assert.ok(opened - (2 ** 31 - 1 - 65_535) > 16 * 1024 * 1024, `${opened}`);
});

/** @type {[string, (send: (...frames: Buffer[]) => void, id: number, socket: import("node:net").Socket) => void, RegExp][]} */
const BROKEN = [
  [
    "a stream that is reset",
    (send, id) => send(frame(3, 0, id, Buffer.from([0, 0, 0, 7]))),
    /stream reset, HTTP\/2 error 7/,
  ],
  ["a connection that is cut", (_send, _id, socket) => socket.destroy(), /connection/],
  ["a connection that ends", (_send, _id, socket) => socket.end(), /connection closed/],
  [
    "GOAWAY that refuses the request",
    (send) => send(frame(7, 0, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 11]))),
    /refused by GOAWAY, HTTP\/2 error 11/,
  ],
  [
    "an answer without a message",
    (send, id) => send(frame(1, 4, id, OPENING), frame(1, 5, id, CLOSING)),
    /no message/,
  ],
  [
    "an answer with half a message",
    (send, id) => {
      const half = framed(message("abcdef")).subarray(0, 8);
      send(frame(1, 4, id, OPENING), frame(0, 0, id, half), frame(1, 5, id, CLOSING));
    },
    /not exactly one whole message/,
  ],
  [
    "an answer with two messages",
    (send, id) => {
      const two = Buffer.concat([framed(message("a")), framed(message("b"))]);
      send(frame(1, 4, id, OPENING), frame(0, 0, id, two), frame(1, 5, id, CLOSING));
    },
    /not exactly one whole message/,
  ],
  [
    "an answer that ends without a status",
    (send, id) => send(frame(1, 4, id, OPENING), frame(0, 1, id, framed(message("a")))),
    /gRPC status missing/,
  ],
  [
    "an HTTP error",
    (send, id) => send(frame(1, 5, id, literalBlock({ ":status": "503" }))),
    /HTTP status 503/,
  ],
  [
    "a frame that is too long",
    (send) => send(Buffer.from("ffffff00000000000100", "hex")),
    /protocol error: frame of/,
  ],
  [
    "headers that no table has",
    (send, id) => send(frame(1, 5, id, Buffer.from([0xfe]))),
    /protocol error: index/,
  ],
  [
    "a frame inside a header block",
    (send, id) => send(frame(1, 0, id, OPENING), frame(6, 0, 0, Buffer.alloc(8))),
    /inside a header block/,
  ],
  [
    "a flood of continuations",
    (send, id) =>
      send(
        frame(1, 0, id, OPENING),
        ...Array.from({ length: 9 }, () => frame(9, 0, id, Buffer.alloc(16_000))),
      ),
    /header block too long/,
  ],
];
for (const [what, answer, reason] of BROKEN) {
  test(`${what} is an error of the call, not a hang`, async (t) => {
    const server = await frameServer(t, answer);
    const result = await play({ ...server, requests: numbered(3), calls: 3, stallMs: 5_000 });
    assert.equal(result.calls, 0);
    assert.ok(result.failed > 0);
    assert.equal(result.failed + result.unsent, 3);
    assert.match(Object.keys(result.errors).join("; "), reason);
  });
}

test("GOAWAY lets accepted calls finish; the rest is reported as not sent", async (t) => {
  const server = await frameServer(t, (send, id) => {
    const last = Buffer.from([0, 0, 0, id, 0, 0, 0, 0]);
    send(frame(7, 0, 0, last), ...goodAnswer(id));
  });
  const result = await play({ ...server, requests: numbered(1), calls: 4 });
  assert.deepEqual([result.calls, result.failed, result.unsent], [1, 0, 3]);
  const timed = await play({ ...server, requests: numbered(1), seconds: 60 });
  assert.deepEqual([timed.calls, timed.failed, timed.unsent], [1, 0, 1]);
});

test("calls go on over the connections that are left", async (t) => {
  let first = true;
  const server = await frameServer(t, (send, id, socket) => {
    if (first) {
      first = false;
      socket.destroy();
    } else send(...goodAnswer(id));
  });
  const options = { ...server, requests: numbered(10), connections: 2, inFlight: 2, calls: 10 };
  const result = await play(options);
  assert.deepEqual([result.calls, result.failed, result.unsent], [9, 1, 0]);
});

test("a server that falls silent ends the run", async (t) => {
  const server = await frameServer(t, () => {});
  const options = { ...server, requests: numbered(1), calls: 100, inFlight: 3, stallMs: 200 };
  const result = await play(options);
  assert.deepEqual([result.calls, result.failed, result.unsent], [0, 3, 97]);
  assert.match(Object.keys(result.errors).join("; "), /no answer for 200 ms/);
});

test("nobody listens: connecting is refused with the address", async (t) => {
  const server = await frameServer(t, () => {});
  await server.close();
  await assert.rejects(
    play({ ...server, requests: numbered(1), calls: 1 }),
    new RegExp(`127.0.0.1:${server.port}: connection failed: .*ECONNREFUSED`),
  );
});

test("a server process that is killed is reported", async () => {
  const server = await startServer(process.execPath, [EMPTY_SERVER], { ready: EMPTY_SERVER_READY });
  const target = { host: "127.0.0.1", port: Number(server.ready[1]), serverPids: [server.pid] };
  const requests = [{ path: "/authledger.v1.ReadService/Check", message: Buffer.alloc(0) }];
  const good = allGood(await play({ ...target, requests, calls: 300, inFlight: 4 }));
  assert.ok(Number(good.serverCpuMicros) >= 0);
  assert.ok(
    (await callOnce(target, { path: requests[0]?.path ?? "", message: Buffer.alloc(0) })).length >
      0,
  );
  const running = play({ ...target, requests, seconds: 30, inFlight: 16 });
  setTimeout(() => void server.kill(), 300);
  const result = await running;
  assert.ok(result.calls > 0);
  assert.ok(result.failed > 0 && result.failed <= 16);
  assert.match(Object.keys(result.errors).join(), /connection/);
  await server.kill();
  await assert.rejects(play({ ...target, requests, calls: 1 }), /ECONNREFUSED/);
});

test("the CPU of a process that is gone is not a number", async (t) => {
  const server = await frameServer(t, (send, id) => send(...goodAnswer(id)));
  // The kernel's largest process id is 2^22.
  const result = await play({ ...server, requests: numbered(1), calls: 2, serverPids: [2 ** 23] });
  assert.equal(result.calls, 2);
  assert.ok(Number.isNaN(result.serverCpuMicros));
});

for (const [what, options] of /** @type {[string, object][]} */ ([
  ["neither a count nor a time", {}],
  ["both a count and a time", { calls: 1, seconds: 1 }],
  ["no calls", { calls: 0 }],
  ["no request", { calls: 1, requests: [] }],
  ["no time", { seconds: 0 }],
  ["no room", { calls: 1, inFlight: 0 }],
])) {
  test(`${what}: refused`, async () => {
    const address = { host: "127.0.0.1", port: 1 };
    await assert.rejects(play({ ...address, requests: numbered(1), ...options }), RangeError);
  });
}
