/** Chunks and their keys: limits, determinism, and what the chain of keys is for (INV-CHUNK-1, -2, -3). */
import { ByteWriter, limits, utf8 } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, testRandom } from "../../../../test/support.js";
import {
  type ChunkOptions,
  type ImportChunk,
  type ImportStep,
  importChunks,
  TRANSACTION_HEAD_BYTES,
} from "../../src/importers/chunker.js";
import type {
  ImportOperation,
  ImportSource,
  SourceItem,
} from "../../src/importers/import-source.js";
import { rejected } from "../../src/importers/import-source.js";
import { operationBytes, writeOperation } from "../../src/importers/operation-bytes.js";

const tuple = (name: string) => ({
  resource: `doc:${name}`,
  relation: "viewer",
  subject: "user:u",
});
const create = (name: string): ImportOperation => ({
  op: "create_tuple",
  tuple: tuple(name),
  expiresAtMs: 0,
});
const remove = (name: string): ImportOperation => ({ op: "delete_tuple", tuple: tuple(name) });
const entity = (key: string, bytes: number): ImportOperation => {
  const value = new Uint8Array(bytes).fill(7);
  return { op: "set_entity", key, value, expiresAtMs: 0, condition: { kind: "none" } };
};

/** A source of the operations in batches of the given size; -1 in place of an operation is a rejected item. */
function sourceOf(
  operations: readonly (ImportOperation | -1)[],
  { batch = 100, identity = "test" } = {},
): ImportSource {
  const items = operations.map((operation, i): SourceItem => {
    const position = `line ${i + 1}`;
    return operation === -1
      ? rejected(position, "bad")
      : { kind: "operation", position, operation };
  });
  return {
    name: "test",
    identity,
    async *items() {
      for (let at = 0; at < items.length; at += batch) yield items.slice(at, at + batch);
    },
  };
}

async function stepsOf(source: ImportSource, options?: ChunkOptions): Promise<ImportStep[]> {
  const steps: ImportStep[] = [];
  for await (const step of importChunks(source, options)) steps.push(step);
  return steps;
}

async function chunksOf(source: ImportSource, options?: ChunkOptions): Promise<ImportChunk[]> {
  return (await stepsOf(source, options)).filter((step) => step.kind === "chunk");
}

const keys = (chunks: readonly ImportChunk[]) => chunks.map((chunk) => chunk.idempotencyKey);
const many = (n: number) => Array.from({ length: n }, (_, i) => create(`d${i}`));

describe("chunks", () => {
  it("hold 1,000 operations each, in order, with their positions (INV-CHUNK-1)", async () => {
    const operations = many(2_500);
    const chunks = await chunksOf(sourceOf(operations));
    expect(chunks.map((chunk) => chunk.operations.length)).toEqual([1_000, 1_000, 500]);
    expect(chunks.flatMap((chunk) => chunk.operations)).toEqual(operations);
    expect(
      chunks.map(({ index, firstPosition, lastPosition }) => [index, firstPosition, lastPosition]),
    ).toEqual([
      [0, "line 1", "line 1000"],
      [1, "line 1001", "line 2000"],
      [2, "line 2001", "line 2500"],
    ]);
    expect(await chunksOf(sourceOf([]))).toEqual([]);
    expect(await chunksOf(sourceOf(many(1_000)))).toHaveLength(1);
  });

  it("stay within the bytes of a transaction, with the largest values too (INV-CHUNK-1)", async () => {
    const random = testRandom("chunk bytes");
    const operations = Array.from({ length: 60 }, (_, i) => {
      const bytes = random.int(8) === 0 ? limits.VALUE_BYTES_MAX : random.int(200_000);
      return entity(`k${i}`, bytes);
    });
    const chunks = await chunksOf(sourceOf(operations));
    expect(chunks.flatMap((chunk) => chunk.operations)).toEqual(operations);
    for (const [i, chunk] of chunks.entries()) {
      const bytes = chunk.operations
        .map(operationBytes)
        .reduce((a, b) => a + b, TRANSACTION_HEAD_BYTES);
      expect(chunk.estimatedBytes).toBe(bytes);
      expect(bytes).toBeLessThanOrEqual(limits.TRANSACTION_BYTES_MAX);
      const next = chunks[i + 1]?.operations[0];
      if (next !== undefined) {
        expect(bytes + operationBytes(next)).toBeGreaterThan(limits.TRANSACTION_BYTES_MAX);
      }
    }
  });

  it("estimate at least what the operation takes in the canonical form", () => {
    const subject = `user:${"\u00e9".repeat(200)}`;
    const long: ImportOperation = {
      op: "create_tuple",
      tuple: { resource: "doc:x", relation: "r", subject },
      expiresAtMs: 5,
    };
    // op 0x01: code, three strings with u16 lengths, u64 expiry, has_value
    expect(operationBytes(long)).toBe(1 + 2 + 5 + 2 + 1 + 2 + 405 + 8 + 1);
    expect(operationBytes(remove("x"))).toBe(1 + 2 + 5 + 2 + 6 + 2 + 6);
    // op 0x03: code, key, u64 expiry, u32 length, digest, condition; then nonce and value
    expect(operationBytes(entity("key", 10))).toBe(1 + 2 + 3 + 8 + 4 + 32 + 1 + 16 + 10);
  });

  it("pass rejected items on in their place, and do not end because of them (INV-CHUNK-2)", async () => {
    const clean = many(10);
    const dirty = [-1 as const, ...clean.slice(0, 4), -1 as const, ...clean.slice(4), -1 as const];
    const steps = await stepsOf(sourceOf(dirty), { operationsMax: 3 });
    expect(
      steps.map((step) => (step.kind === "chunk" ? step.operations.length : step.position)),
    ).toEqual(["line 1", 3, "line 6", 3, 3, "line 13", 1]);
    const chunks = await chunksOf(sourceOf(clean), { operationsMax: 3 });
    expect(keys(steps.filter((step) => step.kind === "chunk"))).toEqual(keys(chunks));
  });

  it("refuse limits over those of a transaction", async () => {
    for (const options of [{ operationsMax: 0 }, { operationsMax: 1_001 }, { bytesMax: 2 ** 22 }]) {
      await expect(chunksOf(sourceOf(many(1)), options)).rejects.toThrow("INV-CHUNK-1");
    }
  });
});

describe("keys", () => {
  it("are the same at every run, whatever the batches, and after an interruption at any chunk (INV-CHUNK-3)", async () => {
    const operation = fc.oneof(
      fc.nat(20).map((i) => create(`d${i}`)),
      fc.nat(20).map((i) => remove(`d${i}`)),
      fc.nat(300).map((n) => entity("k", n)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(20),
        async (operations, batch, stop) => {
          const options = { operationsMax: 7, bytesMax: TRANSACTION_HEAD_BYTES + 800 };
          const whole = keys(await chunksOf(sourceOf(operations), options));
          const interrupted: string[] = [];
          for await (const step of importChunks(sourceOf(operations, { batch }), options)) {
            if (interrupted.length === stop) break;
            if (step.kind === "chunk") interrupted.push(step.idempotencyKey);
          }
          expect(interrupted).toEqual(whole.slice(0, stop));
          expect(keys(await chunksOf(sourceOf(operations, { batch }), options))).toEqual(whole);
          expect(new Set(whole).size).toBe(whole.length);
          for (const key of whole) expect(key).toMatch(/^import-1-[0-9a-f]{64}$/);
        },
      ),
      propertyRuns("chunk keys", 200),
    );
  });

  it("differ for a chunk whose content came before, which is no repetition", async () => {
    const operations = [create("x"), remove("x"), create("x"), remove("x")];
    const found = keys(await chunksOf(sourceOf(operations), { operationsMax: 1 }));
    expect(new Set(found).size).toBe(4);
  });

  it("change behind an edit and stay before it, so that what the edit undoes is done again", async () => {
    const options = { operationsMax: 2 };
    const before = keys(await chunksOf(sourceOf(many(8)), options));
    const edited = many(8).map((operation, i) => (i === 3 ? create("other") : operation));
    const after = keys(await chunksOf(sourceOf(edited), options));
    expect(after.map((key, i) => key === before[i])).toEqual([true, false, false, false]);
  });

  it("differ between sources and between runs", async () => {
    const variants = [
      await chunksOf(sourceOf(many(1))),
      await chunksOf(sourceOf(many(1), { identity: "other" })),
      await chunksOf(sourceOf(many(1)), { run: "2" }),
      await chunksOf(sourceOf(many(1), { identity: "test2" })),
    ].flatMap(keys);
    expect(new Set(variants).size).toBe(4);
  });

  it("differ wherever one operation differs in anything", () => {
    const condition = { kind: "none" } as const;
    const value = utf8("v");
    const different: ImportOperation[] = [
      create("x"),
      remove("x"),
      { op: "create_tuple", tuple: tuple("x"), expiresAtMs: 1 },
      { op: "create_tuple", tuple: tuple("x"), expiresAtMs: 0, value: new Uint8Array() },
      { op: "create_tuple", tuple: tuple("x"), expiresAtMs: 0, value },
      { op: "create_tuple", tuple: { ...tuple("x"), relation: "viewers" }, expiresAtMs: 0 },
      { op: "create_tuple", tuple: { ...tuple("x"), subject: "user:v" }, expiresAtMs: 0 },
      { op: "set_entity", key: "k", value, expiresAtMs: 0, condition },
      { op: "set_entity", key: "k", value, expiresAtMs: 1, condition },
      { op: "set_entity", key: "k", value: utf8("w"), expiresAtMs: 0, condition },
      { op: "set_entity", key: "kv", value: new Uint8Array(), expiresAtMs: 0, condition },
      { op: "delete_entity", key: "k", condition },
      { op: "delete_entity", key: "l", condition },
    ];
    const forms = different.map((operation) => {
      const out = new ByteWriter();
      writeOperation(out, operation);
      return Buffer.from(out.finish()).toString("hex");
    });
    expect(new Set(forms).size).toBe(different.length);
    const conditional: ImportOperation = {
      op: "delete_entity",
      key: "k",
      condition: { kind: "must_exist" },
    };
    expect(() => writeOperation(new ByteWriter(), conditional)).toThrow("unconditional");
  });
});
