/** Proven decisions over gRPC, from the model that is deployed to the receipt that outlives the node. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseTrustAnchor, trustFromAnchor, verifyAnswer } from "@authledger/proof";
import { atHeight, createClient, createTuple, deleteTuple, nodeCrypto } from "@authledger/sdk";
import { createLogger, parseNodeConfig, startNode } from "@authledger/server";
import { expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory, thrownBy } from "../../../../test/support.js";
import { cliHere } from "./processes.js";

const MODEL = `
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type document
  relations
    define blocked: [user]
    define viewer: [user, group#member, user with in_office]
    define reader: viewer but not blocked
condition in_office(place: string, office: string) {
  place == office
}
`;
const OFFICE = { name: "in_office", context: { office: "zurich" } };
/** Readers are owners only. */
const STRICTER = MODEL.replace("define reader: viewer but not blocked", "define reader: blocked");

async function startVault() {
  const directory = temporaryDirectory();
  const any = "127.0.0.1:0";
  const config = { listen: any, http: any, cache: "16MiB", data: join(directory, "data") };
  const node = await startNode(parseNodeConfig(config), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) await node.close();
    isClosed = true;
  };
  onTestFinished(close);
  const endpoints = node.grpcAddress;
  const tenantless = createClient({ endpoints, tenant: { organization: 1n, vault: 1n } });
  const { slug: organization } = await tenantless.admin.createOrganization("acme");
  const { slug } = await tenantless.admin.createVault({ organization, name: "main" });
  const tenant = { organization, vault: slug };
  const anchor = await tenantless.admin.getTrustAnchor(tenant);
  const plain = createClient({ endpoints, tenant });
  const verifying = createClient({ endpoints, tenant, verify: { anchor } });
  for (const client of [tenantless, plain, verifying]) onTestFinished(() => client.close());
  return { directory, endpoints, tenant, anchor, plain, verifying, close };
}

async function fill({ plain }: Awaited<ReturnType<typeof startVault>>): Promise<bigint> {
  const { height } = await plain.write([
    createTuple("group:eng#member@group:core#member"),
    createTuple("group:core#member@user:anne"),
    createTuple("document:plan#viewer@group:eng#member"),
    createTuple("document:plan#viewer@user:dora", { condition: OFFICE }),
    createTuple("document:plan#viewer@user:carl"),
    createTuple("document:plan#blocked@user:carl"),
    ...Array.from({ length: 12 }, (_, i) => createTuple(`document:d${i}#viewer@user:anne`)),
  ]);
  return height;
}

it("INV-DECISION-7: decisions are decided again by the client, allowed, denied and listed, now and at any height", async () => {
  const vault = await startVault();
  const { plain, verifying } = vault;
  const before = await verifying.check("document:plan#viewer@user:carl");
  expect([before.allowed, before.modelVersion]).toEqual([false, 0n]);
  await plain.models.deploy(MODEL, { activate: true });
  const filled = await fill(vault);
  const zurich = { context: { place: "zurich" } };
  const cases = [
    ["document:plan#reader@user:anne", true],
    ["document:plan#reader@user:carl", false],
    ["document:plan#viewer@user:carl", true],
    ["document:plan#reader@user:dora", true],
    ["document:plan#reader@user:zoe", false],
    ["document:none#reader@user:anne", false],
  ] as const;
  for (const [tuple, expected] of cases) {
    const decided = await verifying.check(tuple, zurich);
    expect([tuple, decided.allowed]).toEqual([tuple, expected]);
    expect([decided.modelVersion, decided.verified?.kind]).toEqual([1n, "current"]);
    expect((await plain.check(tuple, zurich)).allowed).toBe(expected);
  }
  const many = await verifying.checkMany(
    cases.map(([tuple]) => tuple),
    zurich,
  );
  expect(many.allowed).toEqual(cases.map(([, expected]) => expected));
  // The model is known by now.
  expect(many.evidence?.modelBody).toHaveLength(0);
  const missing = await rejectedBy(verifying.check("document:plan#reader@user:dora"));
  expect(missing.code).toBe("CONDITION_FAILED");

  const objects = { type: "document", relation: "reader", subject: "user:anne" };
  const listed = await verifying.listObjects(objects, { ...zurich, pageSize: 5 }).toArray();
  const all = ["document:plan", ...Array.from({ length: 12 }, (_, i) => `document:d${i}`)];
  expect([...listed].sort()).toEqual(all.sort());
  const users = { resource: "document:plan", relation: "reader", filters: ["user"] };
  const found = await verifying.listUsers(users, zurich).toArray();
  expect([...found].sort()).toEqual(["user:anne", "user:dora"]);

  await plain.write([deleteTuple("group:core#member@user:anne")]);
  expect((await verifying.check("document:plan#reader@user:anne", zurich)).allowed).toBe(false);
  await plain.models.deploy(STRICTER, { activate: true });
  const now = await verifying.check("document:plan#reader@user:carl");
  expect([now.allowed, now.modelVersion]).toEqual([true, 2n]);
  const past = { ...zurich, consistency: atHeight(filled) };
  const then = await verifying.check("document:plan#reader@user:anne", past);
  expect([then.allowed, then.modelVersion, then.height]).toEqual([true, 1n, filled]);
  expect(then.verified?.kind).toBe("historical");
  await plain.models.activate(0);
  const without = await verifying.check("document:plan#viewer@user:carl");
  expect([without.allowed, without.modelVersion]).toEqual([true, 0n]);
}, 60_000);

it("INV-DECISION-6: a proof under the header of another height is refused by the light client", async () => {
  const vault = await startVault();
  const { plain, anchor } = vault;
  await plain.models.deploy(MODEL, { activate: true });
  const filled = await fill(vault);
  const { height: later } = await plain.write([createTuple("document:plan#blocked@user:anne")]);
  const asked = (height: bigint) => {
    const options = { consistency: atHeight(height), prove: { trustedSize: 1n } };
    return plain.check("document:plan#reader@user:anne", options);
  };
  const [allowed, denied] = [await asked(filled), await asked(later)];
  expect([allowed.allowed, denied.allowed]).toEqual([true, false]);
  const trust = trustFromAnchor(parseTrustAnchor(nodeCrypto.hasher, anchor));
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const old = { ...denied.proof!, stateProof: allowed.proof!.stateProof };
  const refused = thrownBy(() => verifyAnswer(trust, old, wanted, nodeCrypto));
  expect(refused.code).toBe("PROOF_INVALID");
  expect(verifyAnswer(trust, denied.proof!, wanted, nodeCrypto).height).toBe(Number(later));
}, 60_000);

it("check --prove verifies here, and its receipt is decided again without a node; forgeries end with exit 7", async () => {
  const vault = await startVault();
  const { directory, tenant, endpoints, plain } = vault;
  await plain.models.deploy(MODEL, { activate: true });
  await fill(vault);
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("anchor"), vault.anchor);
  const env = {
    AUTHLEDGER_ENDPOINT: endpoints,
    AUTHLEDGER_ORG: String(tenant.organization),
    AUTHLEDGER_VAULT: String(tenant.vault),
  };
  const anchored = ["--anchor", at("anchor"), "--pins", at("pins"), "-o", "json"];
  const cases = [
    ["document:plan#reader@user:anne", "allowed"],
    ["document:plan#reader@user:carl", "denied"],
    ["document:plan#reader@user:dora", "allowed"],
  ] as const;
  for (const [i, [tuple, result]] of cases.entries()) {
    const args = ["check", tuple, "--prove", "--receipt", at(`${i}.tlog-proof`), ...anchored];
    const { end, out, err } = await cliHere([...args, "--with", "place=zurich"], {
      env,
    });
    expect([end, end === 0 ? "" : err]).toEqual([0, ""]);
    const shown = JSON.parse(out) as Record<string, unknown>;
    expect([shown["result"], shown["verified"]]).toEqual([result, "current"]);
    expect(String(shown["root_from"])).toContain(i === 0 ? "anchor" : "pinned");
  }
  await vault.close();
  for (const [i, [tuple, result]] of cases.entries()) {
    const verify = ["proof", "verify", at(`${i}.tlog-proof`), ...anchored];
    const { end, out, err } = await cliHere(verify, { env });
    expect([end, end === 0 ? "" : err]).toEqual([0, ""]);
    const shown = JSON.parse(out) as { question: { checks: string[] }; answer: string };
    expect([shown.question.checks, shown.answer]).toEqual([[tuple], result]);
    const path = at(`${i}.tlog-proof.decision`);
    const text = readFileSync(path, "utf8");
    for (const forged of forgeries(text)) {
      writeFileSync(path, forged);
      const lie = await cliHere(verify, { env });
      expect([lie.end, lie.err]).toEqual([7, expect.stringContaining("PROOF_")]);
    }
  }
}, 60_000);

// Expired, and mostly not collected yet: the receipt is judged by the time that the check was judged by.
it("the receipt of a denial by expiry is decided again as denied", async () => {
  const vault = await startVault();
  const { directory, tenant, endpoints, plain } = vault;
  const at = (name: string): string => join(directory, name);
  writeFileSync(at("anchor"), vault.anchor);
  const env = {
    AUTHLEDGER_ENDPOINT: endpoints,
    AUTHLEDGER_ORG: String(tenant.organization),
    AUTHLEDGER_VAULT: String(tenant.vault),
  };
  const anchored = ["--anchor", at("anchor"), "--pins", at("pins"), "-o", "json"];
  const tuple = "document:plan#viewer@user:anne";
  const expiresAtMs = Math.ceil(Date.now() / 1_000) * 1_000 + 2_000;
  await plain.write([createTuple(tuple, { expiresAtMs })]);
  await sleep(expiresAtMs + 5 - Date.now());
  const receipt = at("no.tlog-proof");
  const asked = await cliHere(["check", tuple, "--prove", "--receipt", receipt, ...anchored], {
    env,
  });
  const shown = JSON.parse(asked.out) as Record<string, unknown>;
  expect([shown["result"], shown["verified"]]).toEqual(["denied", "current"]);
  expect(Number(shown["judged_at_ms"])).toBeGreaterThanOrEqual(expiresAtMs);
  const { end, out, err } = await cliHere(["proof", "verify", receipt, ...anchored], { env });
  expect([end, end === 0 ? "" : err]).toEqual([0, ""]);
  const again = JSON.parse(out) as Record<string, unknown>;
  expect([again["answer"], again["judged_at_ms"]]).toEqual(["denied", shown["judged_at_ms"]]);
}, 60_000);

/** Another answer, another question, no model, another model. */
function forgeries(text: string): string[] {
  type File = Record<string, unknown> & {
    question: { checks: object[] };
    answer: { allowed: boolean[] };
  };
  const changed = (change: (file: File) => void): string => {
    const file = JSON.parse(text) as File;
    change(file);
    return JSON.stringify(file);
  };
  const bytes = Buffer.from(String((JSON.parse(text) as File)["model_body"]), "base64");
  bytes[bytes.length - 5]! ^= 1;
  return [
    changed((file) => {
      file.answer.allowed[0] = !file.answer.allowed[0];
    }),
    changed((file) => {
      file.question.checks = [{ object: "document:d1", relation: "reader", subject: "user:eve" }];
    }),
    changed((file) => {
      file["model_body"] = "";
    }),
    changed((file) => {
      file["model_body"] = bytes.toString("base64");
    }),
    changed((file) => {
      file["active_model"] = "";
    }),
  ];
}
