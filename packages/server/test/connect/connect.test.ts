/** Connect over HTTP, as browsers and curl speak it. */
import { request } from "node:http";
import { connect } from "node:net";
import { read } from "@authledger/proto";
import { LedgerError, limits } from "@authledger/types";
import { pino } from "pino";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { startConnectServer } from "../../src/connect/connect-server.js";
import type { GateStep } from "../../src/gate/gate.js";
import type { GatedCall } from "../../src/gate/gated-call.js";
import { parseNodeConfig, startNode } from "../../src/index.js";
import { call, type Harness, type HarnessOptions, startHarness } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";

const PAGE = "https://app.example";
const CHECK = "/authledger.v1.ReadService/Check";
const WATCH = "/authledger.v1.ReadService/WatchBlocks";

interface Scene extends Harness {
  /** Posts JSON, or bytes as protobuf. */
  post(
    path: string,
    body: object | Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  readonly url: string;
  readonly question: object;
  stop(): Promise<void>;
}

async function start(options: HarnessOptions & { requestMsMax?: number } = {}): Promise<Scene> {
  const { requestMsMax = 30_000 } = options;
  const h = await startHarness(options);
  const { methods, connections } = h;
  const at = { host: "127.0.0.1", port: 0, corsOrigins: [PAGE], requestMsMax };
  const server = await startConnectServer(at, { methods, connections });
  onTestFinished(() => server.stop(0));
  const url = `http://127.0.0.1:${server.port}`;
  const { organization, vault } = h.tenant;
  const question = { organization: `${organization}`, vault: `${vault}`, tuple: TUPLE };
  const stop = (): Promise<void> => server.stop(0);
  return { ...h, url, question, stop, post: (path, ...rest) => post(url + path, ...rest) };
}

function post(
  url: string,
  body: object | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const isBytes = body instanceof Uint8Array;
  const type = isBytes ? "application/proto" : "application/json";
  return fetch(url, {
    method: "POST",
    body: isBytes ? Buffer.from(body) : JSON.stringify(body),
    headers: { "content-type": type, ...headers },
  });
}

interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { type: string; value: string; debug?: { code: string } }[];
}

async function refusal(answer: Promise<Response>): Promise<[number, string, string | undefined]> {
  const response = await answer;
  const error = (await response.json()) as ErrorJson;
  return [response.status, error.code, error.details.find(({ debug }) => debug)?.debug?.code];
}

describe("a call over Connect", () => {
  test("is answered in JSON or protobuf, as it was asked", async () => {
    const h = await start();
    const asked = { ...h.tenant, transaction: transaction([createTuple()]) };
    await call(h.client, ["write", "write"], asked);
    const json = await h.post(CHECK, h.question);
    expect([json.status, json.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await json.json()).toMatchObject({ allowed: true, height: "1" });
    const bytes = read.CheckRequest.encode({ ...h.tenant, tuple: TUPLE }).finish();
    const proto = await h.post(CHECK, bytes);
    expect(proto.headers.get("content-type")).toBe("application/proto");
    const answer = read.CheckResponse.decode(new Uint8Array(await proto.arrayBuffer()));
    expect([answer.allowed, answer.height]).toEqual([true, 1n]);
  });

  test("with headers beyond 16 KiB is answered with 431, and the next one is served", async () => {
    const h = await start();
    for (const [bytes, status] of [
      [15_000, 200],
      [17_000, 431],
      [1_000_000, 431],
      [10, 200],
    ] as const) {
      const answer = await h.post(CHECK, h.question, { "x-large": "x".repeat(bytes) });
      expect([bytes, answer.status]).toEqual([bytes, status]);
      await answer.text();
    }
    expect(h.bugs).toEqual([]);
  });

  test("says no in words: fields that are false or 0 are in the JSON", async () => {
    const h = await start();
    const { allowed, height } = (await (
      await h.post(CHECK, h.question)
    ).json()) as read.CheckResponse;
    expect([allowed, height]).toEqual([false, "0"]);
  });

  test("fails with the code, the text and the details that gRPC gives", async () => {
    const h = await start();
    const response = await h.post(CHECK, { ...h.question, vault: "99" });
    expect(response.status).toBe(404);
    const error = (await response.json()) as ErrorJson;
    expect(error.code).toBe("not_found");
    expect(error.message).toMatch(/^VAULT_NOT_FOUND: /);
    expect(error.details.map(({ type }) => type)).toContain("google.rpc.ErrorInfo");
    const ours = error.details.find(({ type }) => type === "authledger.v1.ErrorDetails")!;
    expect(ours.debug).toMatchObject({ code: "VAULT_NOT_FOUND", number: 3011 });
    expect(ours.value).not.toMatch(/=/);
  });

  test("says when to come back where the error says so", async () => {
    const full: GateStep = {
      enter: () => {
        throw new LedgerError("OVERLOADED", "no room", { retryAfterMs: 1_200 });
      },
    };
    const h = await start({ steps: [full] });
    const response = await h.post(CHECK, h.question);
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "2"]);
  });

  test("INV-CONNECT-1: passes the gate as over gRPC, with its headers as metadata and its deadline", async () => {
    const seen: GatedCall[] = [];
    const h = await start({ steps: [{ enter: (one) => void seen.push(one) }] });
    const headers = {
      authorization: "Bearer t",
      "x-request-id": "r1",
      cookie: "c=1",
      "connect-timeout-ms": "5000",
    };
    await h.post(CHECK, h.question, headers);
    const [one] = seen;
    expect(one!.method.path).toBe(CHECK);
    expect(one!.target.vault).toBe(h.tenant.vault);
    const { authorization, cookie, ...rest } = one!.wire.metadata.getMap();
    expect([authorization, cookie, rest["x-request-id"]]).toEqual(["Bearer t", undefined, "r1"]);
    expect(Number(one!.wire.getDeadline()) - Date.now()).toBeGreaterThan(3_000);
    expect(one!.wire.getPeer()).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test("ends at its deadline although its handler goes on", async () => {
    const h = await start({
      steps: [{ enter: () => new Promise((done) => setTimeout(done, 300)) }],
    });
    const late = h.post(CHECK, h.question, { "connect-timeout-ms": "20" });
    expect(await refusal(late)).toEqual([504, "deadline_exceeded", "DEADLINE_EXCEEDED"]);
  });
});

describe("what is no call over Connect", () => {
  const MALFORMED: Readonly<Record<string, (question: object) => object | Uint8Array>> = {
    "a field that the message does not have": (question) => ({ ...question, vualt: 1 }),
    "text where a message belongs": (question) => ({ ...question, tuple: "document:a" }),
    "a number that JSON has rounded": (question) => ({ ...question, organization: 2 ** 60 }),
    "half a surrogate pair": (question) => ({
      ...question,
      tuple: { ...TUPLE, subject: "\ud800" },
    }),
    "an array in place of the message": () => [1],
    "bytes that are no message": () => Buffer.from("0fff", "hex"),
  };
  for (const [what, change] of Object.entries(MALFORMED)) {
    test(`is refused as malformed: ${what}`, async () => {
      const h = await start();
      const refused = await refusal(h.post(CHECK, change(h.question)));
      expect(refused).toEqual([400, "invalid_argument", "MALFORMED_MESSAGE"]);
      expect(h.engine.calls).toEqual([]);
    });
  }

  test("is refused: JSON deeper than any message, another version, a timeout that is none, compression", async () => {
    const h = await start();
    const deep = `${"[".repeat(10_000)}${"]".repeat(10_000)}`;
    const raw = { "content-type": "application/json" };
    const body = { method: "POST", headers: raw, body: deep };
    expect((await refusal(fetch(h.url + CHECK, body)))[2]).toBe("MALFORMED_MESSAGE");
    const asked = async (headers: Readonly<Record<string, string>>) =>
      (await refusal(h.post(CHECK, h.question, headers)))[2];
    expect(await asked({ "connect-protocol-version": "2" })).toBe("INVALID_ARGUMENT");
    expect(await asked({ "connect-timeout-ms": "1e9" })).toBe("INVALID_ARGUMENT");
    expect(await asked({ "content-encoding": "gzip" })).toBe("UNIMPLEMENTED");
    expect(h.engine.calls).toEqual([]);
  });

  test("gets the status of HTTP that fits: no such call, another method, another content type", async () => {
    const h = await start();
    expect(await refusal(h.post("/authledger.v1.ReadService/Chekc", {}))).toEqual([
      501,
      "unimplemented",
      "UNIMPLEMENTED",
    ]);
    const get = await fetch(h.url + CHECK);
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    const form = await h.post(CHECK, h.question, { "content-type": "text/plain" });
    expect([form.status, form.headers.get("accept-post")]).toEqual([
      415,
      "application/proto, application/json",
    ]);
    expect((await h.post(WATCH, h.question)).status).toBe(415);
  });

  /*
   * The deadline was answered, the handler ended later with a large answer, which was dropped but counted as unread until an end of the
   * call that had been: the connection counted as stalled for ever.
   */
  test("that is answered behind its deadline leaves nothing counted as unread (INV-CONN-3)", async () => {
    const h = await start();
    const set = { key: "big", value: new Uint8Array(1 << 20), expiresAtMs: 0n };
    const operations = [{ operation: { $case: "setEntity", value: set } }];
    await call(h.client, ["write", "write"], { ...h.tenant, transaction: transaction(operations) });
    let release = (): void => undefined;
    h.engine.hold = new Promise((resolve) => {
      release = resolve;
    });
    const { organization, vault } = h.tenant;
    const asked = { organization: `${organization}`, vault: `${vault}`, key: "big" };
    const path = "/authledger.v1.ReadService/Read";
    const late = refusal(h.post(path, asked, { "connect-timeout-ms": "50" }));
    expect((await late)[2]).toBe("DEADLINE_EXCEEDED");
    release();
    h.engine.hold = undefined;
    const answer = await h.post(path, asked);
    expect((await answer.arrayBuffer()).byteLength).toBeGreaterThan(1 << 20);
    await vi.waitUntil(() => h.connections.unreadBytes === 0, { timeout: 10_000 });
  });

  test("INV-CONNECT-3: a body over the limit is refused before it is read, and while it is", async () => {
    const h = await start();
    const large = Buffer.alloc(2 * limits.MESSAGE_BYTES_MAX + 1);
    const refused = await sendLarge(h.url + CHECK, large, { "content-length": large.length });
    expect(refused).toMatchObject({ code: "invalid_argument" });
    const chunked = await sendLarge(h.url + CHECK, large, { "transfer-encoding": "chunked" });
    expect(chunked).toMatchObject({ code: "invalid_argument" });
    const message = await refusal(h.post(CHECK, large.subarray(0, limits.MESSAGE_BYTES_MAX + 1)));
    expect(message).toEqual([400, "invalid_argument", "LIMIT_EXCEEDED"]);
  });
});

/** What a client hears that goes on sending, whatever it is told. */
function sendLarge(url: string, body: Buffer, headers: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const about = { method: "POST", headers: { "content-type": "application/json", ...headers } };
    const made = request(url, about, async (response) => {
      let text = "";
      for await (const chunk of response) text += chunk;
      resolve(JSON.parse(text));
    });
    // The server closes while this sends.
    made.on("error", (error) => setTimeout(() => reject(error), 500));
    made.write(body);
    made.end();
  });
}

// The library of HTTP looks for slow requests, and closes connections, only where it listens itself. Eight clients that sent all of their
// bodies but a byte shut everybody else out for ever, and what ran when the node stopped went on.
describe("INV-CONNECT-5: a request that does not arrive", () => {
  const BEGUN = [
    ["its headers", `POST ${CHECK} HTTP/1.1\r\nhost: a\r\n`],
    ["its body", `POST ${CHECK} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{`],
    ["anything", ""],
  ] as const;

  async function dial(h: Scene, text: string): Promise<void> {
    const before = h.connections.count;
    const socket = connect(Number(new URL(h.url).port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => undefined);
    socket.resume().write(text);
    await vi.waitUntil(() => h.connections.count === before + 1, { timeout: 10_000 });
  }

  test.each(BEGUN)("is cut off: %s", async (_, text) => {
    const h = await start({ requestMsMax: 200 });
    await dial(h, text);
    await vi.waitUntil(() => h.connections.count === 0, { timeout: 10_000 });
    expect((await h.post(CHECK, h.question)).status).toBe(200);
  });

  test.each(BEGUN)("is cut off when the port closes: %s", async (_, text) => {
    const h = await start();
    await dial(h, text);
    await h.stop();
    await vi.waitUntil(() => h.connections.count === 0, { timeout: 5_000 });
  });
});

describe("a web page", () => {
  test("INV-CONNECT-2: calls only from an origin that is on the list", async () => {
    const h = await start();
    const foreign = h.post(CHECK, h.question, { origin: "https://evil.example" });
    expect(await refusal(foreign)).toEqual([403, "permission_denied", "ORIGIN_NOT_ALLOWED"]);
    const same = h.post(CHECK, h.question, { origin: h.url });
    expect((await refusal(same))[0]).toBe(403);
    expect((await refusal(h.post(CHECK, h.question, { origin: "null" })))[0]).toBe(403);
    expect(h.engine.calls).toEqual([]);
    const ours = await h.post(CHECK, h.question, { origin: PAGE });
    expect([ours.status, ours.headers.get("access-control-allow-origin")]).toEqual([200, PAGE]);
    expect(ours.headers.get("vary")).toBe("Origin");
  });

  test("INV-CONNECT-2: is told before it sends what it may send", async () => {
    const h = await start();
    const ask = (origin: string): Promise<Response> =>
      fetch(h.url + CHECK, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authledger-api-version, x-evil",
        },
      });
    const ours = await ask(PAGE);
    const allowed = ours.headers.get("access-control-allow-headers")!.split(", ");
    expect([ours.status, ours.headers.get("access-control-allow-origin")]).toEqual([204, PAGE]);
    expect(allowed).toEqual(expect.arrayContaining(["authorization", "authledger-api-version"]));
    expect(allowed).not.toContain("x-evil");
    const foreign = await ask("https://evil.example");
    expect([foreign.status, foreign.headers.get("access-control-allow-origin")]).toEqual([
      403,
      null,
    ]);
  });
});

describe("a stream over Connect", () => {
  test("gives messages in envelopes, and ends with the error or without one", async () => {
    const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", connect: "127.0.0.1:0" };
    const about = { ...config, cache: "16MiB", data: temporaryDirectory(), shutdownGrace: 2_000 };
    const node = await startNode(parseNodeConfig(about), {
      version: "0.0.0-test",
      logger: pino({ level: "silent" }),
      onFatal: () => undefined,
    });
    const url = `http://${node.connectAddress}`;
    const tenant = await vaultOf(url);
    const open = { ...tenant, heartbeatMs: 0 };
    const types = ["json", "proto"].map((name) => `application/connect+${name}`);
    const watched = read.WatchBlocksRequest.encode({
      ...{ organization: BigInt(tenant.organization), vault: BigInt(tenant.vault) },
      ...{ fromHeight: 0n, heartbeatMs: 0, transactions: false },
    } as never).finish();
    const json = await post(url + WATCH, envelopeOf(JSON.stringify(open)), {
      "content-type": types[0]!,
    });
    const proto = await post(url + WATCH, envelopeOf(watched), { "content-type": types[1]! });
    expect([json, proto].map((one) => one.headers.get("content-type"))).toEqual(types);
    const [first, second] = [messagesOf(json), messagesOf(proto)];
    const shown = JSON.parse((await first.next()).value!.text) as object;
    expect(Object.keys(shown).length).toBeGreaterThan(0);
    expect((await second.next()).value!.flags).toBe(0);
    const closed = node.close();
    const ends = await Promise.all([lastOf(first), lastOf(second)]);
    for (const end of ends) {
      expect(end.flags).toBe(2);
      expect(JSON.parse(end.text)).toMatchObject({ error: { code: "unavailable" } });
    }
    await closed;
  });

  test("refuses what is not one message in an envelope at the end of a stream of none", async () => {
    const h = await start();
    for (const body of ["", "\0\0\0", "\x01\0\0\0\0", "\0\0\0\0\x09{}", "\x02\0\0\0\0"]) {
      const type = { "content-type": "application/connect+json" };
      const answer = await h.post(WATCH, Buffer.from(body, "latin1"), type);
      const end = await lastOf(messagesOf(answer));
      expect([answer.status, end.flags]).toEqual([200, 2]);
      expect(JSON.parse(end.text)).toMatchObject({ error: { code: "invalid_argument" } });
    }
    expect(h.engine.calls).toEqual([]);
  });
});

interface Message {
  readonly flags: number;
  readonly text: string;
}

function envelopeOf(message: string | Uint8Array): Buffer {
  const bytes = Buffer.from(message as string);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

async function* messagesOf(response: Response): AsyncGenerator<Message, undefined> {
  let rest = Buffer.alloc(0);
  for await (const chunk of response.body!) {
    rest = Buffer.concat([rest, chunk as Uint8Array]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      yield { flags: rest[0]!, text: rest.toString("utf8", 5, end) };
      rest = rest.subarray(end);
    }
  }
}

async function lastOf(messages: AsyncGenerator<Message, undefined>): Promise<Message> {
  let last: Message | undefined;
  for await (const message of messages) last = message;
  return last!;
}

/** A vault with one block, made over Connect as anybody would with curl. */
async function vaultOf(url: string): Promise<{ organization: string; vault: string }> {
  const call = async (
    method: string,
    body: object,
  ): Promise<{ [name: string]: { slug: string } }> =>
    (await (await post(`${url}/authledger.v1.${method}`, body)).json()) as never;
  const { organization } = await call("AdminService/CreateOrganization", { name: "acme" });
  const { slug } = organization!;
  const { vault } = await call("AdminService/CreateVault", { organization: slug, name: "main" });
  const tenant = { organization: slug, vault: vault!.slug };
  const transactionJson = { operations: [{ createRelationship: { tuple: TUPLE } }] };
  await call("WriteService/Write", { ...tenant, transaction: transactionJson });
  return tenant;
}
