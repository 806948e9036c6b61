/**
 * Random vaults against a map, and what an attacker can make of honest answers: parts of other answers put
 * together, and bytes changed. Whatever is accepted says what the vault's records say at the height that the
 * answer is labelled with. INV-CLIENT-1, INV-VERIFY-1.
 */
import type { SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { expect, test } from "vitest";
import { testRandom, testRounds } from "../../../test/support.js";
import {
  type AnsweredQuery,
  type CanonicalOp,
  entityKey,
  equalKeys,
  formatReceipt,
  nobleHasher as hasher,
  isLive,
  Kind,
  type LedgerKey,
  type ProvenAnswer,
  type StateQuery,
  type TrustState,
  trustFromAnchor,
  tupleKey,
  verifyQuery,
  verifyReceipt,
} from "../src/index.js";
import { nodeVerifier } from "./support/node-ed25519.js";
import { START_S, sameRecord, TestVault } from "./support/test-vault.js";

const deps = { hasher, verifier: nodeVerifier };
const NAMES = ["a", "b", "c", "d"];
const tupleOf = (random: SeededRandom) => ({
  resource: `document:${random.pick(NAMES)}`,
  relation: random.pick(["viewer", "owner"]),
  subject: `user:${random.pick(NAMES)}`,
});

function operation(vault: TestVault, random: SeededRandom): CanonicalOp {
  const tuple = tupleOf(random);
  const expiresAtMs = random.chance(0.3) ? (START_S + random.int(40)) * 1000 : 0;
  switch (random.int(4)) {
    case 0:
      return vault.setEntity(`user:${random.pick(NAMES)}`, `v${random.u32()}`, expiresAtMs);
    case 1:
      return { op: "delete_tuple", tuple };
    default:
      return { op: "create_tuple", tuple, expiresAtMs, value: undefined };
  }
}

function randomVault(random: SeededRandom, saltByte = 7): TestVault {
  const vault = new TestVault({ saltByte });
  for (let blocks = random.between(2, 14); blocks > 0; blocks--) {
    const ops = Array.from({ length: random.between(1, 6) }, () => operation(vault, random));
    vault.seal(ops);
  }
  return vault;
}

function randomQuery(random: SeededRandom): StateQuery {
  const tuple = tupleOf(random);
  if (random.chance(0.3)) return { kind: "get", key: entityKey(`user:${random.pick(NAMES)}`) };
  if (random.chance(0.5)) return { kind: "get", key: tupleKey(tuple) };
  const group = random.chance(0.5) ? tuple.relation : undefined;
  return { kind: "list", list: { kind: Kind.tupleByResource, partition: tuple.resource, group } };
}

const questionsOf = (query: StateQuery) =>
  query.kind === "get" ? { gets: [query.key] } : { lists: [query.list] };

/** Is the answer what the vault's records say at its height and time? */
function expectTrue(
  vault: TestVault,
  query: StateQuery,
  { verified, answer }: AnsweredQuery,
): void {
  const records = [...vault.states[verified.height]!.records.values()];
  const live = records.filter(({ record }) => isLive(record, verified.timeMs));
  if (query.kind === "get") {
    const expected = live.find(({ key }) => equalKeys(key, query.key))?.record;
    expect(sameRecord(answer.kind === "present" ? answer.record : undefined, expected)).toBe(true);
    expect(answer.kind).toBe(expected === undefined ? "absent" : "present");
    return;
  }
  if (answer.kind !== "list") throw new Error("a list has no answer");
  const { kind, partition, group } = query.list;
  const isListed = (key: LedgerKey) =>
    key.kind === kind &&
    key.partition === partition &&
    (group === undefined || key.group === group);
  const expected = live.filter(({ key }) => isListed(key));
  expect(answer.records).toHaveLength(expected.length);
  for (const { key, record } of expected) {
    const shown = answer.records.find((item) => equalKeys(item.record.key, key));
    expect(sameRecord(shown?.record, record)).toBe(true);
  }
}

/** What `run` gives, or nothing when it refuses with a typed error. */
function accepted<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}

const wantedAt = (vault: TestVault, random: SeededRandom) =>
  ({
    want: random.pick(["current", "any"] as const),
    nowMs: (START_S + vault.size + random.int(90)) * 1000,
    maxAgeS: 60,
    maxSkewS: 5,
  }) as const;

test("every honest answer of a random vault is accepted and right, as the trust grows", () => {
  const random = testRandom("honest answers");
  for (let i = 0; i < testRounds(40); i++) {
    const vault = randomVault(random);
    let trust = trustFromAnchor(vault.anchor);
    for (let asked = 0; asked < 8; asked++) {
      const query = randomQuery(random);
      const size = random.between(1, vault.size + 1);
      const height = random.int(size);
      const from = Number(trust.head.size);
      const sent = vault.answer(questionsOf(query), { size, height, from });
      const wanted = { ...wantedAt(vault, random), want: "any" } as const;
      const answered = verifyQuery(trust, sent, query, wanted, deps);
      expect(answered.verified.height).toBe(height);
      expectTrue(vault, query, answered);
      const grown = answered.verified.trust;
      expect(grown.head.size).toBe(BigInt(Math.max(size, from)));
      trust = grown;
    }
  }
}, 60_000);

/** An answer with some parts of another. */
function splice(a: ProvenAnswer, b: ProvenAnswer, random: SeededRandom): ProvenAnswer {
  const part = <K extends keyof ProvenAnswer>(name: K) => (random.chance(0.5) ? a : b)[name];
  return {
    checkpoint: part("checkpoint"),
    header: part("header"),
    historyProof: part("historyProof"),
    consistencyProof: part("consistencyProof"),
    stateProof: part("stateProof"),
  };
}

function changeBytes(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const out = [...bytes];
  const at = random.int(out.length + 1);
  if (random.chance(0.6) && out.length > 0) out[at % out.length]! ^= 1 << random.int(8);
  else if (random.chance(0.5)) out.splice(at, random.between(1, 40));
  else out.splice(at, 0, ...out.slice(at, at + random.between(1, 40)));
  return Uint8Array.from(out);
}

function changeHashes(hashes: readonly Uint8Array[], random: SeededRandom): Uint8Array[] {
  const out = [...hashes];
  const at = random.int(out.length + 1);
  const way = out.length === 0 ? 0 : random.int(4);
  if (way === 0) out.splice(at, 0, new Uint8Array(32));
  else if (way === 1) out.splice(at, 1);
  else out[at % out.length] = changeBytes(out[at % out.length]!, random);
  return out;
}

function mutate(answer: ProvenAnswer, random: SeededRandom): ProvenAnswer {
  switch (random.int(5)) {
    case 0: {
      const bytes = changeBytes(new TextEncoder().encode(answer.checkpoint), random);
      return { ...answer, checkpoint: new TextDecoder().decode(bytes) };
    }
    case 1:
      return { ...answer, header: changeBytes(answer.header, random) };
    case 2:
      return { ...answer, historyProof: changeHashes(answer.historyProof, random) };
    case 3:
      return { ...answer, consistencyProof: changeHashes(answer.consistencyProof, random) };
    default:
      return { ...answer, stateProof: changeBytes(answer.stateProof, random) };
  }
}

/** An honest answer and what was asked. */
interface Asked {
  readonly query: StateQuery;
  readonly sent: ProvenAnswer;
}

function honestAnswers(vault: TestVault, head: number, random: SeededRandom): Asked[] {
  return Array.from({ length: 16 }, () => {
    const query = randomQuery(random);
    const size = random.between(1, vault.size + 1);
    const options = { size, height: random.int(size), from: Math.min(head, vault.size) };
    return { query, sent: vault.answer(questionsOf(query), options) };
  });
}

/** What a client trusts that has seen the vault at a size. */
function trustAt(vault: TestVault, size: number): TrustState {
  const query = { kind: "get", key: entityKey("user:a") } as const;
  const sent = vault.answer(questionsOf(query), { size });
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  return verifyQuery(trustFromAnchor(vault.anchor), sent, query, wanted, deps).verified.trust;
}

/**
 * An impostor with the vault's own keys may tell another future, which only those notice who see both; the past up
 * to the trusted head it cannot change.
 */
function expectSamePast(impostor: TestVault, size: number, trust: TrustState): void {
  expect(impostor.size).toBeGreaterThanOrEqual(size);
  expect(trustAt(impostor, size).head.root).toEqual(trust.head.root);
}

test("no answer put together or changed is accepted unless it is true", () => {
  const random = testRandom("forged answers");
  const count = { spliced: 0, splicedTaken: 0, mutated: 0, mutatedTaken: 0 };
  for (let i = 0; i < testRounds(50); i++) {
    const vault = randomVault(random);
    const impostor = randomVault(random, random.pick([7, 8]));
    const first = random.between(1, vault.size + 1);
    const trust = trustAt(vault, first);
    const own = honestAnswers(vault, first, random);
    const others = [...own, ...honestAnswers(impostor, first, random)];
    for (let round = 0; round < 100; round++) {
      const { query, sent } = random.pick(own);
      const isMutated = random.chance(0.5);
      const other = random.pick(others);
      const forged = isMutated ? mutate(sent, random) : splice(sent, other.sent, random);
      const wanted = wantedAt(vault, random);
      const answered = accepted(() => verifyQuery(trust, forged, query, wanted, deps));
      count[isMutated ? "mutated" : "spliced"]++;
      if (answered === undefined) continue;
      count[isMutated ? "mutatedTaken" : "splicedTaken"]++;
      const hasMovedOn = answered.verified.trust.head.size > trust.head.size;
      const isOfImpostor =
        hasMovedOn && !own.includes(other) && forged.checkpoint === other.sent.checkpoint;
      if (isOfImpostor) expectSamePast(impostor, first, trust);
      expectTrue(isOfImpostor ? impostor : vault, query, answered);
      expect(answered.verified.trust.head.size >= trust.head.size).toBe(true);
    }
  }
  process.stderr.write(
    `${count.spliced} answers put together, ${count.splicedTaken} accepted; ` +
      `${count.mutated} changed, ${count.mutatedTaken} accepted; all of these true\n`,
  );
  expect(count.splicedTaken).toBeGreaterThan(0);
  expect(count.splicedTaken).toBeLessThan(count.spliced);
  expect(count.mutatedTaken).toBeLessThan(count.mutated / 2);
}, 60_000);

function randomReceipt(vault: TestVault, random: SeededRandom): string {
  const height = random.int(vault.size);
  const size = random.between(height + 1, vault.size + 1);
  return formatReceipt({
    height: BigInt(height),
    historyProof: vault.historyProof(height, size),
    checkpoint: vault.checkpoint({ size }),
    header: vault.headers[height]!,
    inside: random.chance(0.6)
      ? vault.stateProof(questionsOf(randomQuery(random)), height)
      : vault.transactionProof(height, 0),
  });
}

test("no changed receipt is accepted unless it says the same", () => {
  const random = testRandom("receipt fuzz");
  const vault = randomVault(random);
  const trust = trustFromAnchor(vault.anchor);
  const receipts = Array.from({ length: 40 }, () => {
    const text = randomReceipt(vault, random);
    return { text, honest: verifyReceipt(trust, text, deps) };
  });
  let taken = 0;
  const rounds = testRounds(5_000);
  for (let i = 0; i < rounds; i++) {
    const { text, honest } = random.pick(receipts);
    const changed = new TextDecoder().decode(changeBytes(new TextEncoder().encode(text), random));
    const verified = accepted(() => verifyReceipt(trust, changed, deps));
    if (verified === undefined) continue;
    taken++;
    expect(verified.header).toEqual(honest.header);
    expect(verified.checkpoint.body).toBe(honest.checkpoint.body);
    if (honest.content.kind !== "state") expect(verified.content).toEqual(honest.content);
    else if (verified.content.kind === "state") {
      expect(verified.content.state.stateRoot).toEqual(honest.content.state.stateRoot);
    } else expect(verified.content.kind).toBe(honest.content.kind);
  }
  process.stderr.write(
    `${rounds} changed receipts, ${taken} accepted, all of these saying the same\n`,
  );
  // Changes of a cosigner's name or key id leave a quorum of the other two.
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(rounds / 2);
}, 60_000);
