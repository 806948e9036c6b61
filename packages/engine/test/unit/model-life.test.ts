/** Models of a vault: versions, which one is active, what must hold under it, and what may be written. */
import { MODEL_VERSIONS_MAX } from "@authledger/authz";
import { MemoryDisk } from "@authledger/io";
import { decodeHeader } from "@authledger/proof";
import { height, parseTuple } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import type { Engine } from "../../src/index.js";
import {
  applied,
  LINEARIZABLE,
  newVault,
  openNode,
  refusalOf,
  writeOne,
} from "../engine-support.js";
import {
  assertion,
  create,
  DOCUMENTS,
  decide,
  deploy,
  type ModelNode,
  nodeWith,
  STRICTER,
  withType,
} from "../models-support.js";

const ABOUT = { actor: "user:ada", reason: "" } as const;

async function emptyVault(): Promise<ModelNode> {
  const node = await openNode();
  return { ...node, vault: await newVault(node.engine) };
}

async function configHash(engine: Engine, vault: number): Promise<Uint8Array> {
  const { header } = await engine.call("get_tip", { vault, consistency: LINEARIZABLE });
  return decodeHeader(header).configHash;
}

async function activeVersion({ engine, vault }: ModelNode, at?: number): Promise<number> {
  const consistency = at === undefined ? LINEARIZABLE : atHeight(at);
  const { model } = await engine.call("get_model", { vault, consistency, version: "active" });
  return model.version;
}

const atHeight = (of: number) => ({ kind: "at_height", height: height(of) }) as const;

describe("versions of models", () => {
  test("have no gaps and never change; the same body is the same version (INV-ACTIVE-6)", async () => {
    const node = await emptyVault();
    const first = await deploy(node, DOCUMENTS);
    const second = await deploy(node, STRICTER);
    const again = await deploy(node, DOCUMENTS);
    expect([first, second, again].map(({ model, existed }) => [model.version, existed])).toEqual([
      [1, false],
      [2, false],
      [1, true],
    ]);
    expect(again.at.height).toBe(second.at.height);
    const { vault, engine } = node;
    const { models } = await engine.call("list_models", {
      ...{ vault, consistency: LINEARIZABLE, limit: 9 },
    });
    expect(models.map(({ version }) => version)).toEqual([2, 1]);
    expect(models[1]).toEqual(first.model);
    expect(models[0]).toMatchObject({ types: 3, relations: 3, conditions: 1, isActive: false });
    expect(models[0]!.hash).not.toBe(models[1]!.hash);
  });

  test("many deployed at once are numbered one after the other", async () => {
    const node = await emptyVault();
    const texts = Array.from({ length: 7 }, (_, i) => withType(`t${i}`));
    const done = await Promise.all(texts.map((text) => deploy(node, text)));
    expect(done.map(({ model }) => model.version).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    const found = await node.engine.call("get_model", {
      ...{ vault: node.vault, consistency: LINEARIZABLE, version: 4 },
    });
    expect(texts).toContain(found.body.files[0]!.text);
    expect(MODEL_VERSIONS_MAX).toBeGreaterThan(7);
  });

  test("are listed page by page", async () => {
    const node = await emptyVault();
    for (let i = 0; i < 5; i++) await deploy(node, withType(`t${i}`));
    const about = { vault: node.vault, consistency: LINEARIZABLE, limit: 2 };
    const seen: number[] = [];
    for (let below: number | undefined; ; ) {
      const page = await node.engine.call("list_models", { ...about, ...(below && { below }) });
      seen.push(...page.models.map(({ version }) => version));
      if (page.next === undefined) break;
      below = page.next;
    }
    expect(seen).toEqual([5, 4, 3, 2, 1]);
  });

  test("that are not there are named in the error", async () => {
    const { engine, vault } = await nodeWith(DOCUMENTS);
    const about = { vault, consistency: LINEARIZABLE };
    const missing = await rejectedBy(engine.call("get_model", { ...about, version: 7 }));
    expect(missing).toMatchObject({ code: "MODEL_NOT_FOUND", details: { version: 7, newest: 1 } });
    const change = { vault, ...ABOUT, version: 3 };
    expect((await rejectedBy(engine.call("activate_model", change))).code).toBe("MODEL_NOT_FOUND");
  });
});

describe("the active model", () => {
  test("is one, is in every block's config_hash, and is told as of any height", async () => {
    const node = await emptyVault();
    const { engine, vault } = node;
    const none = await rejectedBy(activeVersion(node));
    expect(none.code).toBe("NO_ACTIVE_MODEL");
    const before = await configHash(engine, vault);
    await deploy(node, DOCUMENTS);
    expect(await configHash(engine, vault)).toEqual(before);
    const first = await engine.call("activate_model", { vault, ...ABOUT, version: 1 });
    expect(first).toMatchObject({ previousVersion: 0, model: { version: 1, isActive: true } });
    const with1 = await configHash(engine, vault);
    expect(with1).not.toEqual(before);
    await deploy(node, STRICTER, { activate: true });
    expect(await configHash(engine, vault)).not.toEqual(with1);
    expect(await activeVersion(node)).toBe(2);
    expect(await activeVersion(node, first.at.height)).toBe(1);
    const { models } = await engine.call("list_models", {
      ...{ vault, consistency: LINEARIZABLE, limit: 9 },
    });
    expect(models.filter(({ isActive }) => isActive).map(({ version }) => version)).toEqual([2]);
  });

  test("goes back to what was active before, and back again (INV-ACTIVE-7)", async () => {
    const node = await nodeWith(DOCUMENTS);
    const { engine, vault } = node;
    await deploy(node, STRICTER, { activate: true });
    await deploy(node, withType("other"), { activate: true });
    const back = async (): Promise<number> =>
      (await engine.call("rollback_model", { vault, ...ABOUT })).model!.version;
    expect([await back(), await back()]).toEqual([2, 1]);
    const refused = await rejectedBy(engine.call("rollback_model", { vault, ...ABOUT }));
    expect(refused.code).toBe("MODEL_NOT_FOUND");
    expect(await activeVersion(node)).toBe(1);
  });

  test("can be none again: then stored tuples answer, and nothing is checked on writing", async () => {
    const node = await nodeWith(DOCUMENTS);
    const { engine, vault } = node;
    const off = await engine.call("activate_model", { vault, ...ABOUT, version: 0 });
    expect(off).toMatchObject({ previousVersion: 1 });
    expect(off.model).toBeUndefined();
    applied(await writeOne(engine, vault, [create("anything:1#at_all@any:body")]));
    expect(await decide(node, "anything:1#at_all@any:body")).toBe(true);
    const none = await rejectedBy(activeVersion(node));
    expect(none.code).toBe("NO_ACTIVE_MODEL");
    const back = await engine.call("rollback_model", { vault, ...ABOUT });
    expect(back.model).toMatchObject({ version: 1 });
  });

  test("survives a restart of the node", async () => {
    const disk = new MemoryDisk();
    const { engine } = await openNode(disk);
    const vault = await newVault(engine);
    const first = await deploy({ engine, vault }, DOCUMENTS, { activate: true });
    await writeOne(engine, vault, [create("document:1#editor@user:ed")]);
    await engine.close();
    const node = { ...(await openNode(disk)), vault };
    expect(await activeVersion(node)).toBe(first.model.version);
    expect(await decide(node, "document:1#viewer@user:ed")).toBe(true);
  });
});

describe("assertions", () => {
  const HOLDS = assertion("document:1#viewer@user:ed", true);
  const FAILS = assertion("document:1#viewer@user:eve", true);

  async function written(): Promise<ModelNode> {
    const node = await emptyVault();
    await writeOne(node.engine, node.vault, [create("document:1#editor@user:ed")]);
    return node;
  }

  test("are enforced at activation; the error names those that fail (INV-ACTIVE-7)", async () => {
    const node = await written();
    const { engine, vault } = node;
    await deploy(node, DOCUMENTS, { assertions: [HOLDS] });
    await deploy(node, STRICTER, { assertions: [HOLDS, FAILS] });
    const activate = (version: number) =>
      engine.call("activate_model", { vault, ...ABOUT, version });
    await activate(1);
    const refused = await rejectedBy(activate(2));
    expect(refused).toMatchObject({ code: "MODEL_ASSERTION_FAILED", details: { failed: 2 } });
    expect(refused.message).toContain("document:1#viewer@user:ed: expected true, is false");
    expect(await activeVersion(node)).toBe(1);
    const at = await engine.call("get_assertions", {
      ...{ vault, consistency: LINEARIZABLE, version: 2 },
    });
    expect(at.assertions).toEqual([HOLDS, FAILS]);
  });

  test("of the active version must hold when they are set", async () => {
    const node = await written();
    const { engine, vault } = node;
    await deploy(node, DOCUMENTS, { activate: true, assertions: [HOLDS] });
    const set = (version: number, assertions: readonly (typeof HOLDS)[]) =>
      engine.call("set_assertions", { vault, ...ABOUT, version, assertions });
    expect((await rejectedBy(set(1, [FAILS]))).code).toBe("MODEL_ASSERTION_FAILED");
    await set(1, [HOLDS, assertion("document:1#viewer@user:eve", false)]);
    const { model } = await engine.call("get_model", {
      ...{ vault, consistency: LINEARIZABLE, version: 1 },
    });
    expect(model.assertions).toBe(2);
  });
});

describe("what the active model lets be written", () => {
  test("new tuples are of its types, relations and conditions, and errors say what is allowed", async () => {
    const { engine, vault } = await nodeWith(DOCUMENTS);
    const early = { name: "early", context: { hour: 8 } };
    const cases = [
      ["folder:1#viewer@user:a", undefined, "TYPE_NOT_FOUND", "no type"],
      ["document:1#owner@user:a", undefined, "RELATION_NOT_FOUND", "it has editor, viewer"],
      ["document:1#editor@user:*", undefined, "INVALID_TUPLE", "it takes user"],
      ["document:1#viewer@group:g", undefined, "INVALID_TUPLE", "group#member"],
      ["document:1#editor@user:a", early, "INVALID_TUPLE", "with condition early"],
      ["document:1#viewer@user:a", { name: "late", context: {} }, "INVALID_TUPLE", "late"],
      [
        "document:1#viewer@user:a",
        { name: "early", context: { hour: "x" } },
        "CONDITION_FAILED",
        "hour",
      ],
      [
        "document:1#viewer@user:a",
        { name: "early", context: { day: 1 } },
        "CONDITION_FAILED",
        "day",
      ],
    ] as const;
    for (const [text, condition, code, says] of cases) {
      const fine = create("document:1#viewer@user:ok");
      const refused = await writeOne(engine, vault, [fine, create(text, condition)]);
      expect(refusalOf(refused), text).toBe(code);
      expect(refused).toMatchObject({ message: expect.stringContaining(says) });
      expect(refused).toMatchObject({ message: expect.stringContaining("operations[1]") });
    }
    applied(await writeOne(engine, vault, [create("document:1#viewer@user:a", early)]));
  });

  test("deletes are always allowed", async () => {
    const node = await emptyVault();
    const { engine, vault } = node;
    applied(await writeOne(engine, vault, [create("folder:1#viewer@user:a")]));
    await deploy(node, DOCUMENTS, { activate: true });
    const tuple = parseTuple("folder:1#viewer@user:a");
    const gone = applied(await writeOne(engine, vault, [{ op: "delete_tuple", tuple }]));
    expect(gone.statuses).toEqual(["deleted"]);
  });

  test("a request that is repeated has its first answer, whatever model is active by then", async () => {
    const node = await emptyVault();
    const { engine, vault } = node;
    const about = { clientId: "c", idempotencyKey: "k" };
    const first = applied(await writeOne(engine, vault, [create("folder:1#viewer@user:a")], about));
    await deploy(node, DOCUMENTS, { activate: true });
    const again = applied(await writeOne(engine, vault, [create("folder:1#viewer@user:a")], about));
    expect(again).toMatchObject({ replayed: true, height: first.height });
  });
});
