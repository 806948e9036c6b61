/** Whole nodes that demand credentials: how the first one comes to be, and what followers do with those of others. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MemberInfo } from "@authledger/engine";
import type { admin, cluster, errors } from "@authledger/proto";
import { IDENTITY_KEY } from "@authledger/proto";
import { type Client, credentials, Client as GrpcClient, Metadata } from "@grpc/grpc-js";
import { pino } from "pino";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { ApiKeys } from "../../src/authn/api-keys.js";
import { ForwardedIdentity } from "../../src/authn/forwarded-identity.js";
import { parseNodeConfig, type RunningNode, startNode } from "../../src/index.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { Authority, freePort, HAS_OPENSSL } from "../peer/peer-support.js";
import { call, connect, failureOf, methodOf } from "../support/harness.js";

interface Node extends RunningNode {
  readonly data: string;
  readonly client: Client;
}

async function start(name: string, rest: object = {}): Promise<Node> {
  const data = temporaryDirectory();
  const config = parseNodeConfig({
    ...{
      data,
      name,
      cache: "16MiB",
      http: "127.0.0.1:0",
      shutdownGrace: "100ms",
      auth: true,
      logLevel: "silent",
    },
    ...{ listen: `127.0.0.1:${await freePort()}`, peer: "127.0.0.1:0", ...rest },
  });
  const logger = pino({ level: "silent" });
  const node = await startNode(config, { version: "0.0.0", logger, onFatal: () => undefined });
  onTestFinished(() => node.close());
  return { ...node, engine: node.engine, data, client: connect(node.grpcAddress) };
}

function bearer(text: string): { readonly metadata: Metadata } {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${text}`);
  return { metadata };
}

function create(
  client: Client,
  name: string,
  options: object = {},
): Promise<admin.CreateOrganizationResponse> {
  return call(client, ["admin", "createOrganization"], { name }, options);
}

async function codeOf(promise: Promise<unknown>): Promise<errors.ErrorDetails["code"]> {
  return (await failureOf(promise)).details.code;
}

describe("a node alone with --auth", () => {
  it("INV-AUTHN-8: serves nobody without the root key that it wrote, health and reflection apart", async () => {
    const node = await start("alone", { peer: undefined, name: undefined });
    const text = readFileSync(join(node.data, "root.key"), "utf8").trim();
    expect(await codeOf(create(node.client, "a"))).toBe("UNAUTHENTICATED");
    for (const wrong of [text.slice(0, -1), `${text}x`, "nonsense"]) {
      expect(await codeOf(create(node.client, "a", bearer(wrong)))).toBe("UNAUTHENTICATED");
    }
    const { organization } = await create(node.client, "a", bearer(text));
    expect(organization!.name).toBe("a");
    const metadata = new Metadata();
    metadata.set("authorization", `Basic ${text}`);
    expect(await codeOf(create(node.client, "b", { metadata }))).toBe("UNAUTHENTICATED");
  });
});

describe("three nodes with --auth", () => {
  it("show the root key once, pass calls on in the caller's name, and refuse a revoked key everywhere", async () => {
    const first = await start("n1", { join: "" });
    const join = first.peerAddress!;
    const others = [await start("n2", { join }), await start("n3", { join })];
    const addresses = others.map(({ peerAddress }) => peerAddress!);
    expect(await codeOf(create(first.client, "early"))).toBe("UNAUTHENTICATED");
    const init = (options: object): Promise<cluster.InitClusterResponse> =>
      call(first.client, ["cluster", "initCluster"], { addresses }, options);
    const { rootKey, rootKeyFile } = await init({});
    expect(readFileSync(rootKeyFile, "utf8").trim()).toBe(rootKey);
    expect(await codeOf(init({}))).toBe("UNAUTHENTICATED");
    const again = await init(bearer(rootKey));
    expect([again.rootKey, again.rootKeyFile]).toEqual(["", ""]);

    const keys = new ApiKeys(new SystemVault(first.engine), { keyGeneration: 1 });
    const made = await keys.create({ name: "app", expiresAtMs: 0 }, { actor: "root" });
    const follower = others[0]!;
    const root = bearer(rootKey);
    await create(follower.client, "through-a-follower", root);
    expect(await newestSystemBlocks(first)).toMatch(/root.{0,60}org:[0-9]+/s);

    const status = (options: object): Promise<unknown> =>
      call(follower.client, ["cluster", "getClusterStatus"], {}, options);
    const key = bearer(made.text);
    expect(await outcomeOf(status(key))).not.toBe("UNAUTHENTICATED");
    await keys.revoke(made.id, { actor: "root" });
    const revokedAtMs = performance.now();
    while ((await outcomeOf(status(key))) !== "UNAUTHENTICATED") {
      expect(performance.now() - revokedAtMs).toBeLessThan(1_000);
    }
    await forgeries(first, rootKey);
  }, 30_000);
});

describe.runIf(HAS_OPENSSL)("two nodes with TLS and client certificates", () => {
  it("pass a call on in the name of a certificate that the leader never saw", async () => {
    const authority = new Authority(temporaryDirectory());
    const tlsOf = (name: string): object => {
      const { cert, key, ca } = authority.issue(name, "DNS:localhost,IP:127.0.0.1");
      return { tlsCert: cert, tlsKey: key, tlsCa: ca, clientCa: ca };
    };
    const first = await start("n1", tlsOf("n1"));
    const second = await start("n2", { join: first.peerAddress!, ...tlsOf("n2") });
    const address = second.peerAddress!;
    const { member } = await first.engine.call("cluster_add", { address });
    await promoted(first, member.nodeId);
    const own = authority.issue("deployer", undefined);
    const [ca, key, cert] = [own.ca, own.key, own.cert].map((file) => readFileSync(file));
    const client = new GrpcClient(second.grpcAddress, credentials.createSsl(ca!, key!, cert!));
    onTestFinished(() => client.close());
    const who = await call(client, ["iam", "whoAmI"], {});
    expect(who).toEqual({ principal: "cert:deployer", kind: "certificate" });
    const failure = await failureOf(create(client, "by-a-certificate"));
    expect(failure.details.code).toBe("PERMISSION_DENIED");
    const text = readFileSync(join(first.data, "root.key"), "utf8").trim();
    const scope = { organization: 0n, vault: 0n, group: "", expiresAtMs: 0n, version: 0n };
    const binding = { principal: "cert:deployer", role: 4, ...scope };
    await call(client, ["iam", "grantRole"], { binding, reason: "" }, bearer(text));
    let outcome = "";
    for (let tries = 0; tries < 100 && outcome !== "OK"; tries++) {
      outcome = await outcomeOf(create(client, "by-a-certificate"));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(outcome).toBe("OK");
    expect(await newestSystemBlocks(first)).toMatch(/cert:deployer.{0,60}org:[0-9]+/s);
    const metrics = await (await fetch(`http://${first.httpAddress}/metrics`)).text();
    expect(metrics).toMatch(/authledger_tls_certificate_expiry_seconds [1-9]/);
  }, 20_000);
});

async function promoted({ engine }: Node, node: MemberInfo["nodeId"]): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await engine.call("cluster_promote", { node });
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** What the newest transactions of the system vault say, as text: the call's own, and its record of the audit. */
async function newestSystemBlocks({ engine }: Node): Promise<string> {
  const newest = await new SystemVault(engine).height();
  const consistency = { kind: "linearizable" } as const;
  const texts: string[] = [];
  for (let height = newest - 3; height <= newest; height++) {
    const request = { vault: 0, height, transactions: true, consistency };
    const { transactions } = await engine.call("get_block", request);
    texts.push(Buffer.concat(transactions).toString("latin1"));
  }
  return texts.join("\n");
}

/** "OK", or the code that a call was refused with. */
function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    () => codeOf(promise),
  );
}

/** A client that says what only a node may say. */
async function forgeries({ client, engine }: Node, rootKey: string): Promise<void> {
  const { path, requestSerialize } = methodOf("admin", "createOrganization");
  const request = requestSerialize({ name: "forged" } as never);
  const principal = { kind: "root", name: "root" } as const;
  const key = engine.clusterKey("forwarded identity")!;
  const late = new ForwardedIdentity(
    () => key,
    () => Date.now() - 31_000,
  );
  const now = new ForwardedIdentity(() => key);
  const other = { path: "/authledger.v1.AdminService/CreateVault", request };
  const nobody = { kind: "anonymous", name: "anonymous" } as const;
  const attempts = [
    "x.y",
    now.sign(nobody, { path, request })!,
    new ForwardedIdentity(() => new Uint8Array(32)).sign(principal, { path, request })!,
    now.sign(principal, other)!,
    now.sign(principal, { path, request: Buffer.from("another") })!,
  ];
  const refusals = [
    ...attempts.map((text) => [text, "UNAUTHENTICATED"] as const),
    [late.sign(principal, { path, request })!, "CLOCK_SKEW"] as const,
  ];
  for (const [text, code] of refusals) {
    const { metadata } = bearer(rootKey);
    metadata.set(IDENTITY_KEY, text);
    expect(await codeOf(create(client, "forged", { metadata }))).toBe(code);
  }
  const metadata = new Metadata();
  metadata.set(IDENTITY_KEY, now.sign(principal, { path, request })!);
  expect((await create(client, "forged", { metadata })).organization!.name).toBe("forged");
}
