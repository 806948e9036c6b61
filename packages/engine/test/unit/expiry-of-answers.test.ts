/**
 * One moment, two ways to ask: a plain answer goes by the node's clock, a proven one by the signature's whole
 * seconds, and no answer ever contradicts its own proof.
 */
import { MemoryDisk } from "@authledger/io";
import { entityKey, Kind, tupleKey } from "@authledger/proof";
import type { Tuple } from "@authledger/types";
import { describe, expect, test } from "vitest";
import {
  applied,
  LINEARIZABLE,
  newVault,
  openNode,
  type TestNode,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const SECOND_MS = 1_000;
const TUPLE: Tuple = tupleOf("doc:brief");
const KEY = "config:brief";

interface Scene extends TestNode {
  readonly vault: number;
  readonly reader: LightReader;
  readonly expiresAtMs: number;
}

/** A tuple and an entity that expire `afterMs` after a whole second, beside ones that stay. */
async function start(afterMs: number): Promise<Scene> {
  const node = await openNode(new MemoryDisk());
  const vault = await newVault(node.engine);
  const reader = await LightReader.of(node.engine, vault);
  const expiresAtMs = node.time.wallMs + 10 * SECOND_MS + afterMs;
  const condition = { kind: "none" } as const;
  const value = new TextEncoder().encode("v");
  applied(
    await writeOne(node.engine, vault, [
      { op: "create_tuple", tuple: TUPLE, expiresAtMs },
      { op: "create_tuple", tuple: tupleOf("doc:brief", "user:eve"), expiresAtMs: 0 },
      { op: "create_tuple", tuple: tupleOf("doc:long"), expiresAtMs: 0 },
      { op: "set_entity", key: KEY, value, expiresAtMs, condition },
    ]),
  );
  return { ...node, vault, reader, expiresAtMs };
}

/** Is the record there, by each way of asking without a proof? */
async function plain({ engine, vault }: Scene): Promise<boolean[]> {
  const about = { vault, consistency: LINEARIZABLE };
  const { allowed } = await engine.call("check", { ...about, tuples: [TUPLE] });
  const { entities } = await engine.call("read_entities", { ...about, keys: [KEY] });
  const by = async (filter: Partial<Tuple>): Promise<boolean> =>
    (await engine.call("list_tuples", { ...about, limit: 9, ...filter })).tuples.some(
      ({ tuple }) => tuple.resource === TUPLE.resource && tuple.subject === TUPLE.subject,
    );
  const lists = [await by({ resource: TUPLE.resource }), await by({ subject: TUPLE.subject })];
  return [allowed[0]!, entities[0] !== undefined, ...lists];
}

/** The same with proofs; every answer is compared with what a light client makes of its proof. */
async function proven({ engine, vault, reader, time }: Scene): Promise<boolean[]> {
  const nowMs = time.wallMs;
  const about = (): {
    vault: number;
    consistency: typeof LINEARIZABLE;
    prove: LightReader["prove"];
  } => ({
    vault,
    consistency: LINEARIZABLE,
    prove: reader.prove,
  });
  const there: boolean[] = [];
  const check = await engine.call("check", { ...about(), tuples: [TUPLE] });
  const [checked] = reader.ask(check.proof!, [{ kind: "get", key: tupleKey(TUPLE) }], nowMs);
  expect(checked!.kind === "present").toBe(check.allowed[0]);
  there.push(check.allowed[0]!);
  const read = await engine.call("read_entities", { ...about(), keys: [KEY] });
  const [entity] = reader.ask(read.proof!, [{ kind: "get", key: entityKey(KEY) }], nowMs);
  expect(entity!.kind === "present").toBe(read.entities[0] !== undefined);
  there.push(read.entities[0] !== undefined);
  for (const filter of [{ resource: TUPLE.resource }, { subject: TUPLE.subject }]) {
    const list = await engine.call("list_tuples", { ...about(), limit: 9, ...filter });
    const kind = "resource" in filter ? Kind.tupleByResource : Kind.tupleBySubject;
    const partition = Object.values(filter)[0]!;
    const query = { kind: "list", list: { kind, partition } } as const;
    const [shown] = reader.ask(list.proof!, [query], nowMs);
    expect(shown).toMatchObject({ kind: "list", records: { length: list.tuples.length } });
    there.push(
      list.tuples.some(
        ({ tuple }) => tuple.resource === TUPLE.resource && tuple.subject === TUPLE.subject,
      ),
    );
  }
  return there;
}

const all = (there: boolean): boolean[] => [there, there, there, there];

describe("a record that expires", () => {
  test.each([
    ["at a whole second", 0],
    ["within a second", 400],
    ["at the last millisecond of a second", 999],
  ])(
    "%s is there to the millisecond for plain answers, and for proven ones to the second that the signature says (INV-ANSWER-1)",
    async (_, afterMs) => {
      const scene = await start(afterMs);
      const { time, expiresAtMs } = scene;
      for (const atMs of [-1_001, -1_000, -1, 0, 1, 599, 600, 999, 1_000]) {
        time.wallMs = expiresAtMs + atMs;
        expect(await plain(scene)).toEqual(all(atMs < 0));
        const signedMs = Math.floor(time.wallMs / SECOND_MS) * SECOND_MS;
        expect(await proven(scene)).toEqual(all(signedMs < expiresAtMs));
      }
    },
  );

  test("is absent for both as soon as a block has a later time, whatever the signature's second", async () => {
    const scene = await start(400);
    scene.time.wallMs = scene.expiresAtMs + 1;
    applied(
      await writeOne(scene.engine, scene.vault, [
        { op: "delete_tuple", tuple: tupleOf("doc:none") },
      ]),
    );
    expect(await plain(scene)).toEqual(all(false));
    expect(await proven(scene)).toEqual(all(false));
  });
});
