/**
 * Clients with no code of ours: buf curl over gRPC and Connect, curl, and Python's grpcio, which learn everything from
 * the node by reflection. `npm run stock-clients` shows what each of them called.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { describe, expect, onTestFinished, test } from "vitest";
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

async function start(): Promise<RunningNode> {
  const any = "127.0.0.1:0";
  const about = { listen: any, http: any, connect: any, cache: "16MiB", shutdownGrace: 1_000 };
  const node = await startNode(parseNodeConfig({ ...about, data: temporaryDirectory() }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: () => undefined,
  });
  onTestFinished(() => node.close());
  return node;
}

/** A call by its name, such as `AdminService/CreateOrganization`; rejects with what the client printed. */
type Call = (method: string, message: object) => Promise<unknown>;

const tell = (line: string): boolean => process.stderr.write(`  ${line}\n`);

function bufCurl(protocol: "grpc" | "connect", { grpcAddress, connectAddress }: RunningNode): Call {
  const isGrpc = protocol === "grpc";
  const url = `http://${isGrpc ? grpcAddress : connectAddress}`;
  const how = isGrpc ? ["--http2-prior-knowledge"] : ["--schema", `${ROOT}proto`];
  return async (method, message) => {
    const name = method.startsWith("grpc.") ? method : `authledger.v1.${method}`;
    const data = ["--data", JSON.stringify(message), `${url}/${name}`];
    const { stdout } = await run(BUF, ["curl", "--protocol", protocol, ...how, ...data]);
    tell(`buf curl --protocol ${protocol} ${name}: ${stdout.replace(/\s+/g, " ").slice(0, 100)}`);
    return JSON.parse(stdout);
  };
}

function curl({ connectAddress }: RunningNode): Call {
  return async (method, message) => {
    const url = `http://${connectAddress}/authledger.v1.${method}`;
    const header = "content-type: application/json";
    const { stdout } = await run("curl", ["-sS", "-H", header, "-d", JSON.stringify(message), url]);
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

describe("a stock client", () => {
  test("buf curl calls over gRPC what reflection tells it, and asks for health", async () => {
    const node = await start();
    const call = bufCurl("grpc", node);
    expect(await call("grpc.health.v1.Health/Check", {})).toEqual({ status: "SERVING" });
    await use(call);
  }, 60_000);

  test("buf curl calls over Connect", async () => {
    await use(bufCurl("connect", await start()));
  }, 60_000);

  if (!HAS_CURL) tell("skipped: no curl");
  test.skipIf(!HAS_CURL)("curl calls with JSON", async () => {
    await use(curl(await start()));
  });

  if (!HAS_GRPCIO) tell("skipped: no grpcio for /usr/bin/python3 (apt-get install python3-grpcio)");
  test.skipIf(!HAS_GRPCIO)("Python's grpcio calls what reflection tells it", async () => {
    const { grpcAddress } = await start();
    const script = fileURLToPath(new URL("client.py", import.meta.url));
    const { stdout } = await run(PYTHON, [script, grpcAddress]);
    for (const line of stdout.trim().split("\n")) tell(`python: ${line}`);
    expect(stdout).toContain("refused as documented: VAULT_NOT_FOUND");
  });
});
