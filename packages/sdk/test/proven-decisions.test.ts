/** A server that lies about decisions, between a real node and a client that verifies. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { authorization } from "@authledger/proto";
import { createLogger, parseNodeConfig, startNode } from "@authledger/server";
import { Client, credentials, Server, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../test/support.js";
import { createClient, createTuple, type LedgerClient } from "../src/index.js";

const SERVICE = authorization.AuthorizationServiceService;
const NONE = new Uint8Array(0);
const MODEL = `
model
  schema 1.1
type user
type document
  relations
    define blocked: [user]
    define viewer: [user] but not blocked
`;

type Check = authorization.AuthorizationServiceCheckResponse;
type Objects = authorization.ListObjectsResponse;

interface Lies {
  check: (response: Check) => Check;
  listObjects: (response: Objects) => Objects;
}

interface LyingVault {
  readonly client: LedgerClient;
  readonly lies: Lies;
}

/** A node, a proxy before it that changes what it answers, and a verifying client of the proxy. */
async function startLying(): Promise<LyingVault> {
  const any = "127.0.0.1:0";
  const data = join(temporaryDirectory(), "data");
  const node = await startNode(parseNodeConfig({ listen: any, http: any, cache: "16MiB", data }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
  onTestFinished(() => node.close());
  const endpoints = node.grpcAddress;
  const admin = createClient({ endpoints, tenant: { organization: 1n, vault: 1n } });
  const { slug: organization } = await admin.admin.createOrganization("acme");
  const { slug: vault } = await admin.admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault };
  const anchor = await admin.admin.getTrustAnchor(tenant);
  const honest = createClient({ endpoints, tenant });
  await honest.models.deploy(MODEL, { activate: true });
  await honest.write([
    ...["a", "b", "c"].map((id) => createTuple(`document:${id}#viewer@user:anne`)),
    createTuple("document:b#blocked@user:anne"),
  ]);
  const lies: Lies = { check: (response) => response, listObjects: (response) => response };
  const proxy = await startProxy(endpoints, lies);
  const client = createClient({ endpoints: proxy, tenant, discover: false, verify: { anchor } });
  for (const each of [admin, honest, client]) onTestFinished(() => each.close());
  return { client, lies };
}

async function startProxy(target: string, lies: Lies): Promise<string> {
  const real = new Client(target, credentials.createInsecure());
  const server = new Server();
  const forward = <Q, A>(
    method: {
      path: string;
      requestSerialize: (q: Q) => Buffer;
      responseDeserialize: (b: Buffer) => A;
    },
    change: (answer: A) => A,
  ) => {
    return (call: { request: Q }, done: (error: ServiceError | null, answer?: A) => void): void => {
      const { path, requestSerialize, responseDeserialize } = method;
      real.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        call.request,
        (error, answer) => {
          if (error || answer === undefined) done(error);
          else done(null, change(answer));
        },
      );
    };
  };
  server.addService(SERVICE, {
    check: forward(SERVICE.check, (answer) => lies.check(answer)),
    listObjects: forward(SERVICE.listObjects, (answer) => lies.listObjects(answer)),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => {
    server.forceShutdown();
    real.close();
  });
  return `127.0.0.1:${port}`;
}

const ALLOWED = "document:a#viewer@user:anne";
const DENIED = "document:b#viewer@user:anne";
const OBJECTS = { type: "document", relation: "viewer", subject: "user:anne" };

describe("servers that lie about decisions", () => {
  test("INV-DECISION-7: an answer that is turned around is refused, also with its whole proof", async () => {
    const { client, lies } = await startLying();
    expect((await client.check(ALLOWED)).allowed).toBe(true);
    expect((await client.check(DENIED)).allowed).toBe(false);
    lies.check = (response) => ({ ...response, allowed: !response.allowed });
    for (const tuple of [ALLOWED, DENIED]) {
      expect((await rejectedBy(client.check(tuple))).details).toMatchObject({
        reason: "decision",
      });
    }
    // Another question's answer, honest as it is, is none to this one.
    let kept: Check | undefined;
    lies.check = (response) => {
      kept ??= response;
      return kept;
    };
    expect((await client.check(ALLOWED)).allowed).toBe(true);
    expect((await rejectedBy(client.check(DENIED))).code).toBe("PROOF_INSUFFICIENT");
    lies.check = ({ proof: _, ...response }) => response;
    expect((await rejectedBy(client.check(ALLOWED))).code).toBe("PROOF_INSUFFICIENT");
    lies.check = (response) => ({ ...response, modelVersion: 7n, cost: 0n });
    expect((await client.check(ALLOWED)).modelVersion).toBe(1n);
  }, 30_000);

  test("INV-DECISION-7: a list that lacks an object, or ends too early, is refused", async () => {
    const { client, lies } = await startLying();
    const list = (pageSize: number) => client.listObjects(OBJECTS, { pageSize }).toArray();
    const honest = await list(1);
    expect([...honest].sort()).toEqual(["document:a", "document:c"]);
    lies.listObjects = (response) => ({ ...response, resources: response.resources.slice(1) });
    expect((await rejectedBy(list(10))).details).toMatchObject({ reason: "decision" });
    lies.listObjects = (response) => ({ ...response, complete: true, nextPageToken: NONE });
    expect((await rejectedBy(list(1))).details).toMatchObject({ reason: "decision" });
    expect([...(await list(10))].sort()).toEqual(["document:a", "document:c"]);
  }, 30_000);

  // The second page was said to be of the block's time, at which something may have been allowed that had expired by then.
  test("the evidence of each page of a list says by which time the list was judged", async () => {
    const { client } = await startLying();
    // A head that is signed past the second of the newest block.
    await sleep(2_100);
    const times: (number | undefined)[] = [];
    for await (const page of client.listObjects(OBJECTS, { pageSize: 1 }).pages()) {
      times.push(page.evidence?.judgedAtMs);
    }
    expect(times.length).toBeGreaterThan(1);
    expect(times[0]).toBeGreaterThan(0);
    expect(new Set(times).size).toBe(1);
  }, 30_000);
});
