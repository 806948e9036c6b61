/** Reads and lists as of an older block, with their proofs, while the vault goes on. */
import { checkValue, decodeHeader, entityKey, Kind, tupleKey } from "@authledger/proof";
import type { Consistency, Height } from "@authledger/types";
import { concatBytes, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import {
  clientDeps,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

function atHeight(height: number): Consistency {
  return { kind: "at_height", height: height as Height };
}

const NONE = { kind: "none" } as const;

function set(value: string) {
  return {
    op: "set_entity",
    key: "k",
    value: utf8(value),
    expiresAtMs: 0,
    condition: NONE,
  } as const;
}

function brief(resource: string, subject: string, expiresAtMs: number) {
  return { op: "create_tuple", tuple: tupleOf(resource, subject), expiresAtMs } as const;
}

/** Block n sets k to "n"; doc:1 is there from 1 to 2, and from 4 on. */
async function history() {
  const node = await openNode();
  const { engine } = node;
  const vault = await newVault(engine);
  const tuple = tupleOf("doc:1");
  await writeOne(engine, vault, [createTuple("doc:1"), set("1")]);
  await writeOne(engine, vault, [set("2")]);
  await writeOne(engine, vault, [{ op: "delete_tuple", tuple }, set("3")]);
  await writeOne(engine, vault, [createTuple("doc:1"), set("4")]);
  const reader = await LightReader.of(engine, vault);
  return { ...node, vault, tuple, reader };
}

describe("a read as of a height", () => {
  test("says and proves what was there then, against the header of that height", async () => {
    const { engine, vault, tuple, reader, time } = await history();
    for (const [height, isThere] of [true, true, false, true].entries()) {
      const at = height + 1;
      const asked = { vault, consistency: atHeight(at) };
      const want = { height: BigInt(at) };
      const checked = await engine.call("check", {
        ...asked,
        tuples: [tuple],
        prove: reader.prove,
      });
      expect([checked.allowed, checked.at.height]).toEqual([[isThere], at]);
      const [proven] = reader.ask(
        checked.proof!,
        [{ kind: "get", key: tupleKey(tuple) }],
        time.wallMs,
        want,
      );
      expect(proven!.kind).toBe(isThere ? "present" : "absent");
      const read = await engine.call("read_entities", {
        ...asked,
        keys: ["k"],
        prove: reader.prove,
      });
      const entity = read.entities[0]!;
      expect([entity.value, entity.version]).toEqual([utf8(String(at)), at]);
      const [shown] = reader.ask(
        read.proof!,
        [{ kind: "get", key: entityKey("k") }],
        time.wallMs,
        want,
      );
      if (shown?.kind !== "present") throw new Error("the entity is proven");
      checkValue(clientDeps.hasher, shown.record, concatBytes(entity.nonce, entity.value));
      const plain = await engine.call("check", {
        vault,
        consistency: atHeight(at),
        tuples: [tuple],
      });
      expect(plain.allowed).toEqual([isThere]);
    }
  });

  test("is judged by the time of the block, also of the newest one", async () => {
    const { engine, vault, reader, time } = await history();
    const expiresAtMs = time.wallMs + 1_000;
    await writeOne(engine, vault, [brief("doc:brief", "user:a", expiresAtMs)]);
    time.advance(5_000);
    const tuples = [tupleOf("doc:brief", "user:a")];
    const now = await engine.call("check", { vault, consistency: LINEARIZABLE, tuples });
    expect(now.allowed).toEqual([false]);
    const asked = { vault, consistency: atHeight(5), tuples, prove: reader.prove };
    const { allowed, proof } = await engine.call("check", asked);
    expect(allowed).toEqual([true]);
    const verified = reader.verify(proof!, time.wallMs, { height: 5n });
    expect([verified.kind, verified.timeMs]).toEqual([
      "historical",
      BigInt(verified.header.timestampMs),
    ]);
  });

  test("of another height than the one that was asked for is refused by the client", async () => {
    const { engine, vault, tuple, reader, time } = await history();
    const asked = { vault, consistency: atHeight(2), tuples: [tuple], prove: reader.prove };
    const { proof } = await engine.call("check", asked);
    expect(() => reader.verify(proof!, time.wallMs, { height: 3n })).toThrow("not about 3");
    expect(() => reader.verify(proof!, time.wallMs)).toThrow("height 2");
  });

  test("that is still to come has an error that names the newest", async () => {
    const { engine, vault } = await history();
    const consistency = atHeight(5);
    for (const run of [
      () => engine.call("check", { vault, consistency, tuples: [tupleOf("doc:1")] }),
      () => engine.call("read_entities", { vault, consistency, keys: ["k"] }),
      () => engine.call("list_tuples", { vault, consistency, limit: 1 }),
      () => engine.call("get_tip", { vault, consistency }),
      () => engine.call("get_block", { vault, consistency, height: 0, transactions: false }),
    ]) {
      const { code, details } = await rejectedBy(run());
      expect([code, details]).toEqual(["HEIGHT_NOT_REACHED", { height: 5, newest: 4 }]);
    }
  });

  test("knows the block of its height as the newest one; checkpoints are of now only", async () => {
    const { engine, vault } = await history();
    const consistency = atHeight(2);
    const tip = await engine.call("get_tip", { vault, consistency });
    expect([decodeHeader(tip.header).height, tip.at.height]).toEqual([2, 2]);
    const later = { vault, consistency, height: 3, transactions: true };
    const { code, details } = await rejectedBy(engine.call("get_block", later));
    expect([code, details]).toEqual(["BLOCK_NOT_FOUND", { height: 3, newest: 2 }]);
    const checkpoint = engine.call("get_checkpoint", { vault, consistency, trustedSize: 0 });
    expect((await rejectedBy(checkpoint)).code).toBe("INVALID_ARGUMENT");
  });
});

describe("a list of many pages", () => {
  test("is of the height and the time of its first page, whatever is written meanwhile (INV-READ-2)", async () => {
    const { engine, vault, reader, time } = await history();
    const subjects = Array.from({ length: 9 }, (_, i) => `user:u${i}`);
    const soon = time.wallMs + 3_000;
    await writeOne(
      engine,
      vault,
      subjects.map((subject) => brief("doc:list", subject, soon)),
    );
    const found: string[] = [];
    const roots = new Set<string>();
    let after: Uint8Array | undefined;
    let from: Uint8Array | undefined;
    for (let page = 0; page === 0 || after !== undefined; page++) {
      const asked = { vault, consistency: LINEARIZABLE, limit: 4, resource: "doc:list" };
      const reply = await engine.call("list_tuples", {
        ...asked,
        prove: reader.prove,
        ...(after && { after }),
      });
      expect(reply.at.height).toBe(5);
      const want = page === 0 ? "current" : ({ height: 5n } as const);
      const { state, header } = reader.verify(reply.proof!, time.wallMs, want);
      roots.add(header.stateRoot.join());
      const to = reply.proof!.pageTo.length === 0 ? undefined : reply.proof!.pageTo;
      const list = { kind: Kind.tupleByResource, partition: "doc:list", from, to };
      const proven = state!.list(list);
      expect(proven.kind === "complete" && proven.records.length).toBe(reply.tuples.length);
      found.push(...reply.tuples.map(({ tuple }) => tuple.subject));
      after = reply.next;
      from = to;
      // All that the list holds is removed and expires, and more comes.
      await writeOne(engine, vault, [
        createTuple("doc:list", `user:late${page}`),
        ...subjects.map((subject) => ({
          op: "delete_tuple" as const,
          tuple: tupleOf("doc:list", subject),
        })),
      ]);
      time.advance(2_000);
    }
    expect(found.sort()).toEqual(subjects);
    expect(roots.size).toBe(1);
  });
});
