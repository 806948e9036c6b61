/** Random blocks, and everything that can be asked about a height against the map of that height. */
import type { SeededRandom } from "@authledger/io";
import {
  checkValue,
  encodeStateProof,
  entityKey,
  isLive,
  Kind,
  keyId,
  type LedgerKey,
  type ProvenTrie,
  tupleBySubjectKey,
  tupleKey,
  tupleOfKey,
  verifyStateProof,
} from "@authledger/proof";
import { compareBytes, formatTuple, type Tuple } from "@authledger/types";
import { expect } from "vitest";
import { hasTuple, listTuples, readEntity, type VaultAt } from "../src/index.js";
import type { PastLedger, PastState } from "./past-support.js";
import { hasher, type PlainOp } from "./state-support.js";

function randomTuple(random: SeededRandom): Tuple {
  return {
    resource: `document:d${random.int(6)}`,
    relation: random.pick(["viewer", "editor"]),
    subject: `user:u${random.int(12)}`,
  };
}

function randomOp(random: SeededRandom, timeMs: number): PlainOp {
  const tuple = randomTuple(random);
  const expiresAtMs = random.chance(0.3) ? timeMs + random.int(2_500) : 0;
  const kind = random.int(100);
  if (kind < 45) return { op: "create_tuple", tuple, expiresAtMs };
  if (kind < 70) return { op: "delete_tuple", tuple };
  const key = `user:e${random.int(8)}`;
  if (kind < 85) return { op: "set_entity", key, plain: random.bytes(random.int(60)), expiresAtMs };
  if (kind < 97) return { op: "delete_entity", key, condition: { kind: "none" } };
  const record = { op: "set_record", partition: "ledger", group: "limits", item: "" } as const;
  return { ...record, plain: random.bytes(5) };
}

/** One block of a few operations, or of up to `operationsMax`. */
export function randomBlock(ledger: PastLedger, operationsMax?: number): void {
  const { random, leader } = ledger;
  const count = 1 + random.int(operationsMax ?? random.pick([2, 25]));
  ledger.write(Array.from({ length: count }, () => randomOp(random, leader.timeMs)));
}

/** Everything that can be asked about a height, against the map of that height. */
export function expectState(ledger: PastLedger, at: VaultAt): void {
  const model = ledger.states[at.height]!;
  const timeMs = at.header.timestampMs;
  expect(timeMs).toBe(ledger.times[at.height]);
  expectReads(ledger.random, at, model, timeMs);
  expectProofs(ledger.random, at, model);
}

function liveTuples(model: PastState, timeMs: number): string[] {
  return [...model.values()]
    .filter(({ key, record }) => key.kind === Kind.tupleByResource && isLive(record, timeMs))
    .map(({ key }) => formatTuple(tupleOfKey(key)))
    .sort();
}

function expectReads(random: SeededRandom, at: VaultAt, model: PastState, timeMs: number): void {
  for (let i = 0; i < 8; i++) {
    const tuple = randomTuple(random);
    const kept = model.get(keyId(tupleKey(tuple)));
    expect(hasTuple(at, tuple, timeMs)).toBe(kept !== undefined && isLive(kept.record, timeMs));
    const key = `user:e${random.int(8)}`;
    const entity = model.get(keyId(entityKey(key)));
    const found = readEntity(at, key, timeMs);
    if (entity === undefined || !isLive(entity.record, timeMs)) expect(found).toBeUndefined();
    else expect([...found!.nonce, ...found!.value]).toEqual([...entity.value!]);
  }
  expect(allPages(random, at, timeMs)).toEqual(liveTuples(model, timeMs));
}

/** The whole list, in pages of a random size, in the order of paths. */
function allPages(random: SeededRandom, at: VaultAt, timeMs: number): string[] {
  const limit = random.pick([7, 1_000]);
  const found: string[] = [];
  const paths: Uint8Array[] = [];
  let from: Uint8Array | undefined;
  do {
    const page = listTuples(at, {}, { limit, from, timeMs });
    for (const { tuple } of page.tuples) {
      found.push(formatTuple(tuple));
      paths.push(at.paths.path(tupleKey(tuple)));
    }
    from = page.next;
  } while (from !== undefined);
  for (let i = 1; i < paths.length; i++)
    expect(compareBytes(paths[i - 1]!, paths[i]!)).toBeLessThan(0);
  return found.sort();
}

function expectProofs(random: SeededRandom, at: VaultAt, model: PastState): void {
  const tuples = Array.from({ length: 3 }, () => randomTuple(random));
  const entities = Array.from({ length: 2 }, () => entityKey(`user:e${random.int(8)}`));
  const gets = [...tuples.map(tupleKey), ...tuples.map(tupleBySubjectKey), ...entities];
  const { resource, relation, subject } = tuples[0]!;
  const lists = [
    { kind: Kind.tupleByResource, partition: resource, group: undefined },
    { kind: Kind.tupleBySubject, partition: subject, group: relation },
    { kind: Kind.ledgerRecord, partition: "ledger", group: undefined },
  ];
  const proof = encodeStateProof(at.trie, at.paths, { gets, lists });
  const { salt, vaultRef } = at;
  const proven = verifyStateProof(proof, at.header.stateRoot, { hasher, salt, vaultRef });
  for (const key of gets) expectProvenGet(proven, model, at, key);
  for (const list of lists) {
    const answer = proven.list(list);
    expect(answer.kind).toBe("complete");
    const shown = answer.kind === "complete" ? answer.records : [];
    const listed = [...model.values()].filter(
      ({ key }) =>
        key.kind === list.kind &&
        key.partition === list.partition &&
        (list.group === undefined || key.group === list.group),
    );
    expect(shown.map(({ record }) => keyId(record.key)).sort()).toEqual(
      listed.map(({ key }) => keyId(key)).sort(),
    );
  }
}

function expectProvenGet(proven: ProvenTrie, model: PastState, at: VaultAt, key: LedgerKey): void {
  const expected = model.get(keyId(key));
  const answer = proven.get(key);
  expect(answer.kind).toBe(expected === undefined ? "absent" : "present");
  if (answer.kind !== "present" || expected === undefined) return;
  expect(answer.record).toMatchObject(expected.record);
  if (expected.value === undefined || key.kind !== Kind.entity) return;
  const value = at.value(at.paths.path(key))!;
  expect(checkValue(hasher, answer.record, value)).toEqual(expected.value.slice(16));
}
