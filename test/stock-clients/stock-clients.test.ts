/**
 * Clients with no code of ours: buf curl over gRPC and Connect, curl, and Python's grpcio, which learn everything from
 * the node by reflection. `npm run stock-clients` shows what each of them called.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { Authority, HAS_OPENSSL } from "../../packages/server/test/peer/peer-support.js";
import { temporaryDirectory } from "../support.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BUF = `${ROOT}node_modules/.bin/buf`;
/** Debian's, not one that a version manager put before it. */
const PYTHON = "/usr/bin/python3";
const HAS_CURL = existsSync("/usr/bin/curl");
const HAS_GRPCIO =
  existsSync(PYTHON) &&
  spawnSync(PYTHON, ["-c", "import grpc, google.protobuf"], { stdio: "ignore" }).status === 0;
const TUPLE = { resource: "document:budget", relation: "viewer", subject: "user:ada" };

interface Target extends RunningNode {
  /** Of a node with TLS, where every call needs the token. */
  readonly secure?: { readonly ca: string; readonly token: string };
}

async function start(isSecure = false): Promise<Target> {
  const any = "127.0.0.1:0";
  const data = temporaryDirectory();
  const issued = isSecure
    ? new Authority(temporaryDirectory()).issue("server", "DNS:localhost,IP:127.0.0.1")
    : undefined;
  const secured = issued && { auth: true, tlsCert: issued.cert, tlsKey: issued.key };
  const about = { listen: any, http: any, connect: any, cache: "16MiB", shutdownGrace: 1_000 };
  const node = await startNode(parseNodeConfig({ ...about, ...secured, data }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  if (issued === undefined) return node;
  const token = readFileSync(join(data, "root.key"), "utf8").trim();
  return { ...node, secure: { ca: issued.ca, token } };
}

/** A call by its name, such as `AdminService/CreateOrganization`; rejects with what the client printed. */
type Call = (method: string, message: object) => Promise<unknown>;

const tell = (line: string): boolean => process.stderr.write(`  ${line}\n`);

function bufCurl(
  protocol: "grpc" | "connect",
  { grpcAddress, connectAddress, secure }: Target,
): Call {
  const isGrpc = protocol === "grpc";
  const url = `http${secure ? "s" : ""}://${isGrpc ? grpcAddress : connectAddress}`;
  const how = isGrpc ? [] : ["--schema", `${ROOT}proto`];
  if (secure) how.push("--cacert", secure.ca, "-H", `authorization: Bearer ${secure.token}`);
  else if (isGrpc) how.push("--http2-prior-knowledge");
  return async (method, message) => {
    const name = method.startsWith("grpc.") ? method : `authledger.v1.${method}`;
    const data = ["--data", JSON.stringify(message), `${url}/${name}`];
    const { stdout } = await run(BUF, ["curl", "--protocol", protocol, ...how, ...data]);
    tell(`buf curl --protocol ${protocol} ${name}: ${stdout.replace(/\s+/g, " ").slice(0, 100)}`);
    return JSON.parse(stdout);
  };
}

function curl({ connectAddress, secure }: Target): Call {
  const how = ["-sS", "-H", "content-type: application/json"];
  if (secure) how.push("--cacert", secure.ca, "-H", `authorization: Bearer ${secure.token}`);
  return async (method, message) => {
    const url = `http${secure ? "s" : ""}://${connectAddress}/authledger.v1.${method}`;
    const { stdout } = await run("curl", [...how, "-d", JSON.stringify(message), url]);
    tell(`curl ${method}: ${stdout.slice(0, 100)}`);
    const answer = JSON.parse(stdout);
    if ("code" in answer) throw new Error(stdout);
    return answer;
  };
}

/** Makes a vault, writes and checks; what is not there must be refused with the documented code. */
async function use(call: Call): Promise<void> {
  const { organization } = (await call("AdminService/CreateOrganization", { name: "stock" })) as {
    organization: { slug: string };
  };
  const { slug } = organization;
  const made = await call("AdminService/CreateVault", { organization: slug, name: "main" });
  const { vault } = made as { vault: { slug: string } };
  const tenant = { organization: slug, vault: vault.slug };
  const operations = [{ createRelationship: { tuple: TUPLE } }];
  await call("WriteService/Write", { ...tenant, transaction: { operations } });
  expect(await call("ReadService/Check", { ...tenant, tuple: TUPLE })).toMatchObject({
    allowed: true,
  });
  const unknown = call("ReadService/Check", { ...tenant, vault: "99", tuple: TUPLE });
  await expect(unknown).rejects.toThrow(/has no vault 99/);
}

const KINDS = HAS_OPENSSL ? [false, true] : [false];
if (!HAS_OPENSSL) tell("skipped: TLS and credentials, there is no openssl to make certificates");
if (!HAS_CURL) tell("skipped: no curl");
if (!HAS_GRPCIO) tell("skipped: no grpcio for /usr/bin/python3 (apt-get install python3-grpcio)");

describe.each(KINDS)("a stock client, with TLS and a credential: %s,", (isSecure) => {
  test("buf curl calls over gRPC what reflection tells it, and asks for health", async () => {
    const call = bufCurl("grpc", await start(isSecure));
    expect(await call("grpc.health.v1.Health/Check", {})).toEqual({ status: "SERVING" });
    await use(call);
  }, 60_000);

  test("buf curl calls over Connect", async () => {
    await use(bufCurl("connect", await start(isSecure)));
  }, 60_000);

  test.skipIf(!HAS_CURL)("curl calls with JSON", async () => {
    const node = await start(isSecure);
    await use(curl(node));
    if (node.secure === undefined) return;
    const nobody = curl({ ...node, secure: { ...node.secure, token: "unknown" } });
    const refused = nobody("AdminService/CreateOrganization", { name: "stock" });
    await expect(refused).rejects.toThrow(/unauthenticated/);
  });

  test.skipIf(!HAS_GRPCIO)("Python's grpcio calls what reflection tells it", async () => {
    const { grpcAddress, secure } = await start(isSecure);
    const script = fileURLToPath(new URL("client.py", import.meta.url));
    const how = secure ? ["--ca", secure.ca, "--token", secure.token] : [];
    const { stdout } = await run(PYTHON, [script, grpcAddress, ...how]);
    for (const line of stdout.trim().split("\n")) tell(`python: ${line}`);
    expect(stdout).toContain("refused as documented: VAULT_NOT_FOUND");
  });
});
