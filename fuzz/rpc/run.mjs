// @ts-check
/**
 * Sends mutated requests of every method of every service to a real node in this process, over gRPC and over Connect.
 *
 *     node fuzz/rpc/run.mjs [--seconds 60] [--seed N] [--method Name]
 *
 * Every call must be answered or refused with a typed error, in time; nothing may crash; memory and handles must come to
 * rest; and at the end the node serves, writes, and finds nothing wrong in its store. Exits with 1 when something was found.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { product } from "../lib/product.mjs";
import { Random } from "../lib/random.mjs";
import { Clients, hasJson, TRANSPORTS, wrongIn } from "./calls.mjs";
import { MODEL_FILE, methods, request, Words } from "./messages.mjs";
import { Watchdog } from "./watchdog.mjs";

/** Rounds, between which memory is looked at. The first ones fill caches. */
const ROUNDS = 6;
const IN_FLIGHT = 8;
/** Growth between the third round and the last that is no leak: caches of the node and of the optimizer. */
const MEMORY_MIB_MAX = 64;
/** What the process may take of the machine at its worst, client and node together. */
const RESIDENT_MIB_MAX = 1_024;
/** A node that takes longer to stop hangs. */
const CLOSE_MS_MAX = 30_000;
const HANDLES_MAX = 32;
const FINDINGS_MAX = 20;
/** Sent right so often over each transport before anything is mutated, so that there is something to ask about. */
const FIRST = 2;
/** API keys that requests may revoke. */
const KEYS = 4;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string" },
    method: { type: "string", multiple: true },
  },
});
const seed = Number(options.seed ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
const chosen = methods.filter(({ name }) => options.method?.includes(name) ?? true);
/** @type {Map<string, string>} */
const findings = new Map();
/** @type {Map<string, number>} */
const ends = new Map();
/** Methods that did what they were asked. @type {Set<string>} */
const done = new Set();
const watchdog = new Watchdog();
setFlagsFromString("--expose-gc");
const collect = /** @type {() => void} */ (runInNewContext("gc"));
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) =>
    found(event, "the process", error?.stack ?? String(error), new Uint8Array(0)),
  );
}

console.log(`seed ${seed} (replay with --seed ${seed}), ${chosen.length} methods`);
const { parseNodeConfig, startNode, createLogger } = await product("server");
const { proto } = { proto: await product("proto") };
const directory = mkdtempSync(join(tmpdir(), "authledger-fuzz-"));
const any = "127.0.0.1:0";
const config = {
  data: directory,
  listen: any,
  http: any,
  connect: any,
  // A cluster of one, or calls about clusters would be refused before they are looked at.
  name: "n1",
  peer: any,
  advertiseClient: "127.0.0.1:9",
  cache: "16MiB",
  shutdownGrace: 1_000,
};
const node = await startNode(parseNodeConfig(config), {
  version: "0.0.0-fuzz",
  logger: createLogger("silent", () => undefined),
  onFatal: (/** @type {any} */ error) => found("fatal", "the node", error.stack, new Uint8Array(0)),
});
const clients = new Clients(node);
let { words, scratch } = await place().catch((error) => {
  console.log(`the node cannot be prepared: ${error.stack}`);
  process.exit(1);
});
let calls = 0;
await fuzz();
await judgeNode();
clients.close();
await closeNode();
rmSync(directory, { recursive: true, force: true });
report();

async function fuzz() {
  for (const method of chosen) {
    if (!method.isStandard && !hasJson(method.path))
      found(method.path, "no JSON", "the codec does not know it", new Uint8Array(0));
    for (const transport of TRANSPORTS)
      for (let i = 0; i < FIRST; i++) await one(method, true, transport);
  }
  const roundMs = (Number(options.seconds) * 1_000) / ROUNDS;
  /** @type {{ heap: number, buffers: number, memory: number, handles: number }[]} */
  const seen = [];
  for (let round = 0; round < ROUNDS; round++) {
    const until = performance.now() + roundMs;
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => many(until)));
    // Names may have been deleted or suspended: a new place keeps requests near what is right.
    ({ words, scratch } = await place());
    seen.push(await measure());
    const { heap, buffers, handles } = seen[round];
    console.log(
      `round ${round + 1}: ${calls} calls, heap ${heap.toFixed(1)} MiB, buffers ${buffers.toFixed(1)} MiB, ${handles} handles`,
    );
  }
  const [from, to] = [seen[2], seen[ROUNDS - 1]];
  if (to.memory - from.memory > MEMORY_MIB_MAX)
    found("leak", "memory", `${from.memory} to ${to.memory} MiB`, new Uint8Array(0));
  if (to.handles - from.handles > HANDLES_MAX)
    found("leak", "handles", `${from.handles} to ${to.handles}`, new Uint8Array(0));
}

/** @param {number} until */
async function many(until) {
  while (performance.now() < until) {
    const transport = random.int(3) > 0 ? "grpc" : random.pick(["connect", "connect-json"]);
    await one(random.pick(chosen), random.int(4) === 0, transport);
  }
}

/**
 * @param {import("./messages.mjs").Method} method
 * @param {boolean} isRight
 * @param {import("./calls.mjs").Transport} transport
 */
async function one(method, isRight, transport) {
  const bytes = request(method, isDangerous(method) ? scratch : words, random, { isRight });
  const began = performance.now();
  calls++;
  watchdog.note(`${transport} ${method.path} ${Buffer.from(bytes).toString("base64")}`);
  try {
    const end = await clients.send(method, bytes, transport, random);
    if (end.status === 0) done.add(method.path);
    const name = `${end.status === 0 ? "ok" : (end.code ?? end.status)}`;
    ends.set(name, (ends.get(name) ?? 0) + 1);
    const wrong = wrongIn(end, performance.now() - began, method);
    if (wrong !== undefined) found(method.path, wrong, "", bytes);
    keepTokens(end.bytes);
  } catch (error) {
    found(method.path, error instanceof Error ? (error.stack ?? "") : String(error), "", bytes);
  }
}

/** What takes the place away that all others ask about. @param {import("./messages.mjs").Method} method */
function isDangerous({ name }) {
  return /^(Delete|Suspend|Remove|Erase).*(Organization|Vault)|^(Suspend|Delete)/.test(name);
}

/** Bytes of answers that look opaque are sent back elsewhere. @param {Uint8Array | undefined} bytes */
function keepTokens(bytes) {
  if (bytes === undefined || bytes.length < 16 || random.int(50) !== 0) return;
  if (words.tokens.length > 32) words.tokens.shift();
  words.tokens.push(bytes.subarray(bytes.length - 16 - random.int(bytes.length - 15)));
}

/** Two organizations with a vault each: whom the dangerous calls hit, and whom the others use. */
async function place() {
  const made = new Words(await vaultOf("acme"));
  const { DeployModelRequest, ModelServiceService } = proto.model;
  const source = {
    language: proto.model.ModelLanguage.MODEL_LANGUAGE_OPENFGA,
    files: [MODEL_FILE],
  };
  const deploy = DeployModelRequest.fromPartial({ ...made.known, source, activate: true });
  await ask(ModelServiceService.deployModel, deploy);
  for (let i = 0; i < KEYS; i++) {
    const asked = proto.iam.CreateApiKeyRequest.fromPartial({ name: `key-${i}` });
    const { key } = await ask(proto.iam.IamServiceService.createApiKey, asked);
    made.ids.push(key.id);
  }
  return { words: made, scratch: new Words(await vaultOf("scratch")) };
}

/** @param {string} name of an organization */
async function vaultOf(name) {
  const admin = proto.admin.AdminServiceService;
  const { organization } = await ask(admin.createOrganization, { name });
  const { vault } = await ask(admin.createVault, { organization: organization.slug, name: "main" });
  return { organization: organization.slug, vault: vault.slug };
}

/**
 * @param {any} method
 * @param {object} message
 * @returns {Promise<any>}
 */
function ask({ path, requestSerialize, responseDeserialize }, message) {
  return new Promise((resolve, reject) => {
    clients.grpc.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      (/** @type {any} */ error, /** @type {any} */ answer) =>
        error === null ? resolve(answer) : reject(error),
    );
  });
}

async function measure() {
  // Streams that were left are ended, and sockets of fetch closed.
  await new Promise((resolve) => setTimeout(resolve, 300));
  collect();
  collect();
  const handles = process.getActiveResourcesInfo().length;
  // Buffers lie outside of the heap.
  const { heapUsed, external } = process.memoryUsage();
  const [heap, buffers] = [heapUsed / 2 ** 20, external / 2 ** 20];
  return { heap, buffers, memory: heap + buffers, handles };
}

async function closeNode() {
  const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS_MAX, "late"));
  if ((await Promise.race([node.close(), late])) === "late")
    found("node", "it does not stop", `in ${CLOSE_MS_MAX} ms`, new Uint8Array(0));
}

/** It serves, writes, and its store is whole. */
async function judgeNode() {
  try {
    const ready = await fetch(`http://${node.httpAddress}/readyz`);
    if (!ready.ok) found("node", "it is not ready", await ready.text(), new Uint8Array(0));
    const { known } = words;
    const tuple = { resource: "document:last", relation: "viewer", subject: "user:ada" };
    const operation = { $case: "createRelationship", value: { tuple, expiresAtMs: 0n } };
    const transaction = {
      clientId: "",
      sequence: 0n,
      idempotencyKey: "",
      reason: "",
      operations: [{ operation }],
      conditions: [],
    };
    const { WriteRequest } = proto.write;
    const written = WriteRequest.fromPartial({ ...known, transaction });
    await ask(proto.write.WriteServiceService.write, written);
    const { allowed } = await ask(proto.read.ReadServiceService.check, { ...known, tuple });
    if (!allowed) found("node", "what was written is not there", "", new Uint8Array(0));
    const asked = { waitMs: 60_000, follow: false };
    const { complete, differences, ...rest } = await ask(
      proto.admin.AdminServiceService.checkIntegrity,
      asked,
    );
    const text = JSON.stringify({ complete, differences, ...rest }, (_, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    console.log(`check of the store: ${text.slice(0, 300)}`);
    if (differences.length > 0) found("node", "its store differs", text, new Uint8Array(0));
  } catch (error) {
    found(
      "node",
      "it does not serve any more",
      String(/** @type {any} */ (error).stack),
      new Uint8Array(0),
    );
  }
}

/**
 * @param {string} where
 * @param {string} what
 * @param {string} more
 * @param {Uint8Array} bytes
 */
function found(where, what, more, bytes) {
  const key = `${where} ${what.replace(/[0-9]+/g, "N").slice(0, 120)}`;
  if (findings.has(key) || findings.size >= FINDINGS_MAX) return;
  findings.set(
    key,
    `${where}: ${what} ${more}\n         request in base64: ${Buffer.from(bytes).toString("base64").slice(0, 2_000)}`,
  );
  console.log(`FINDING  ${findings.get(key)}`);
  process.exitCode = 1;
}

function report() {
  const sorted = [...ends].toSorted((a, b) => b[1] - a[1]);
  console.log(`ends: ${sorted.map(([name, count]) => `${name} ${count}`).join(", ")}`);
  const never = chosen.filter(({ path }) => !done.has(path)).map(({ path }) => path);
  if (never.length > 0) console.log(`never done: ${never.join(", ")}`);
  const resident = Math.round(process.resourceUsage().maxRSS / 1_024);
  console.log(`at most ${resident} MiB resident`);
  if (resident > RESIDENT_MIB_MAX)
    found("memory", `${resident} MiB resident`, "at the worst", new Uint8Array(0));
  console.log(`${calls} calls of ${chosen.length} methods, ${findings.size} findings`);
  process.exit(findings.size === 0 ? 0 : 1);
}
