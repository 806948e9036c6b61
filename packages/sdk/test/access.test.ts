/** Tokens and TLS: who a client is, and to whom it says so. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { Authority, HAS_OPENSSL } from "../../server/test/peer/peer-support.js";
import {
  type ClientOptions,
  createClient,
  type LedgerClient,
  UnreachableError,
} from "../src/index.js";
import { Bearer } from "../src/transport/bearer.js";
import { checkResponse, fakeLedger, refusal } from "./support/fake-ledger.js";

const tenant = { organization: 7n, vault: "9" };
const TUPLE = "document:budget#viewer@user:alice";

function clientOf(endpoints: string, options: Partial<ClientOptions>): LedgerClient {
  const client = createClient({ endpoints, tenant, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A node that takes one token. */
async function guarded(wanted: () => string) {
  const seen: unknown[] = [];
  const { endpoint } = await fakeLedger({
    read: {
      getTip: (_, { metadata }) => {
        const [header] = metadata.get("authorization");
        seen.push(header);
        if (header === `Bearer ${wanted()}`)
          return {
            height: 3n,
            header: new Uint8Array(244),
            blockHash: new Uint8Array(32),
            token: Uint8Array.of(1),
          };
        throw refusal("UNAUTHENTICATED", "who are you?");
      },
    },
  });
  return { endpoint, seen };
}

it("a token that was refused is asked for again, once for each call (INV-SDK-13)", async () => {
  let right = "one";
  const { endpoint, seen } = await guarded(() => right);
  let asked = 0;
  const client = clientOf(endpoint, { credentials: async () => ["one", "two", "three"][asked++]! });
  expect((await client.getTip()).height).toBe(3n);
  await client.getTip();
  expect(asked).toBe(1);
  right = "two";
  expect((await client.getTip()).height).toBe(3n);
  expect([asked, seen.at(-1)]).toEqual([2, "Bearer two"]);
  right = "never";
  expect((await rejectedBy(client.getTip())).code).toBe("UNAUTHENTICATED");
  expect([asked, seen.length]).toEqual([3, 6]);
});

it("a call is not sent again with the token that was refused, though a file has given it again (INV-SDK-13)", async () => {
  let right = "new";
  let inFile = "old";
  let reads = 0;
  const { endpoint, seen } = await guarded(() => right);
  const credentials = async () => {
    reads++;
    return inFile;
  };
  const client = clientOf(endpoint, { credentials });
  for (let call = 1; call <= 2; call++) {
    expect((await rejectedBy(client.getTip())).code).toBe("UNAUTHENTICATED");
    expect([reads, seen]).toEqual([1 + call, Array.from({ length: call }, () => "Bearer old")]);
  }
  inFile = "new";
  expect((await client.getTip()).height).toBe(3n);
  expect(seen.slice(2)).toEqual(["Bearer old", "Bearer new"]);
  right = "newer";
  expect((await rejectedBy(client.getTip())).code).toBe("UNAUTHENTICATED");
  expect(seen.slice(4)).toEqual(["Bearer new"]);
});

it("a token that does not change is not tried twice", async () => {
  const { endpoint, seen } = await guarded(() => "other");
  const error = await rejectedBy(clientOf(endpoint, { token: "mine" }).getTip());
  expect([error.code, error.row.exit, seen]).toEqual([
    "UNAUTHENTICATED",
    "FORBIDDEN",
    ["Bearer mine"],
  ]);
});

const clocks = (nowMs: () => number) => ({ nowMs, wallMs: nowMs });

it("calls that need a token together ask for it once, and again shortly before it ends (INV-SDK-13)", async () => {
  let nowMs = 0;
  let asked = 0;
  const credentials = async () => ({ token: `t${++asked}`, expiresAtMs: nowMs + 60_000 });
  const bearer = new Bearer(
    { endpoints: "a:1", credentials },
    clocks(() => nowMs),
  );
  const together = await Promise.all([bearer.header(), bearer.header(), bearer.header()]);
  expect(together).toEqual(["Bearer t1", "Bearer t1", "Bearer t1"]);
  nowMs = 29_000;
  expect(bearer.header()).toBe("Bearer t1");
  nowMs = 31_000;
  expect(await bearer.header()).toBe("Bearer t2");
  const broken = new Bearer(
    { endpoints: "a:1", credentials: () => Promise.reject(new Error("no agent")) },
    clocks(() => 0),
  );
  const error = await rejectedBy(Promise.resolve(broken.header()));
  expect([error.code, error.message]).toEqual([
    "UNAUTHENTICATED",
    "credentials() gave no token: no agent",
  ]);
  const empty = new Bearer(
    { endpoints: "a:1", credentials: () => "two words" },
    clocks(() => 0),
  );
  expect((await rejectedBy(Promise.resolve(empty.header()))).details).toEqual({ field: "token" });
});

it("a token is not sent over plaintext to another machine, unless the program says so (INV-SDK-12)", async () => {
  const refused: [string, string | undefined][] = [
    ["127.0.0.1:1", undefined],
    ["127.9.9.9:1", undefined],
    ["localhost:1", undefined],
    ["[::1]:1", undefined],
    ["127.example.com:1", "tls"],
    ["10.0.0.1:1", "tls"],
    ["n1.internal:1", "tls"],
  ];
  for (const [endpoint, field] of refused) {
    for (const given of [{ token: "t" }, { credentials: async () => "t" }]) {
      const client = clientOf(endpoint, { ...given, deadlineMs: 1, attemptsMax: 1 });
      const error = await rejectedBy(client.getTip());
      expect([endpoint, error.details["field"]]).toEqual([endpoint, field]);
    }
  }
  const mixed = createClient({ endpoints: ["127.0.0.1:1", "10.0.0.1:1"], token: "t", tenant });
  expect((await rejectedBy(mixed.getTip())).message).toContain("to 10.0.0.1:1 in plaintext");
  const options = { token: "t", allowPlaintextToken: true, deadlineMs: 1, attemptsMax: 1 };
  expect((await rejectedBy(clientOf("10.0.0.1:1", options).getTip())).code).not.toBe(
    "INVALID_ARGUMENT",
  );
});

it("what cannot be used is named by the first call", async () => {
  const cases: [Partial<ClientOptions>, string][] = [
    [{ token: "" }, "token"],
    [{ token: "a b" }, "token"],
    [{ token: "a", credentials: () => "b" }, "token"],
    [{ tls: { cert: "-----BEGIN" } }, "tls"],
    [{ tls: { ca: "/etc/ca.pem" } }, "tls.ca"],
    [{ tls: { ca: "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----" } }, "tls"],
  ];
  for (const [options, field] of cases) {
    const error = await rejectedBy(clientOf("127.0.0.1:1", options).hasTuple(TUPLE));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", field]);
  }
});

it.runIf(HAS_OPENSSL)(
  "TLS believes the given CA only, checks the name, and shows its own certificate",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "authledger-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const authority = new Authority(directory);
    const files = authority.issue("node", "DNS:n1.internal");
    const mine = authority.issue("client", undefined);
    const pem = (path: string) => readFileSync(path);
    const server = new Server();
    onTestFinished(() => server.forceShutdown());
    const { read } = await import("@authledger/proto");
    const seen: unknown[] = [];
    server.addService(read.ReadServiceService, {
      check: (
        call: { metadata: { get(name: string): unknown[] } },
        done: (e: null, r: unknown) => void,
      ) => {
        seen.push(call.metadata.get("authorization")[0]);
        done(null, checkResponse());
      },
    } as never);
    const port = await new Promise<number>((resolve, reject) => {
      const pair = [{ private_key: pem(files.key), cert_chain: pem(files.cert) }];
      const credentials = ServerCredentials.createSsl(pem(files.ca), pair, true);
      server.bindAsync("127.0.0.1:0", credentials, (error, got) =>
        error ? reject(error) : resolve(got),
      );
    });
    const ca = pem(files.ca);
    const own = { cert: pem(mine.cert).toString(), key: pem(mine.key) };
    const ask = (tls: ClientOptions["tls"]) =>
      clientOf(`127.0.0.1:${port}`, {
        tls,
        token: "t",
        attemptsMax: 1,
        deadlineMs: 2_000,
        discover: false,
      }).hasTuple(TUPLE);
    expect((await ask({ ca, serverName: "n1.internal", ...own })).stored).toBe(true);
    expect(seen).toEqual(["Bearer t"]);
    for (const tls of [
      { ca, ...own },
      { ca, serverName: "n2.internal", ...own },
      { serverName: "n1.internal", ...own },
    ]) {
      const error = await rejectedBy(ask(tls));
      expect(error).toBeInstanceOf(UnreachableError);
      expect((error as UnreachableError).endpoints[0]?.cause).toBe("tls");
    }
    expect((await rejectedBy(ask({ ca, serverName: "n1.internal" }))).code).toBe("UNAVAILABLE");
    expect(seen).toHaveLength(1);
  },
);
