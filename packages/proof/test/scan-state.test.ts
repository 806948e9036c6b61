/** Lists that are read one record after the other, and no further than their proof goes. */
import { describe, expect, test } from "vitest";
import { testRandom, thrownBy } from "../../../test/support.js";
import {
  decodeStateProof,
  nobleHasher as hasher,
  Kind,
  type ListQuery,
  PathHasher,
  type ProofQuestions,
  type ProvenTrie,
  pathBehind,
  scanState,
  tupleKey,
  tupleOfKey,
  vaultRef,
} from "../src/index.js";
import { START_S, TestVault } from "./support/test-vault.js";

const MEMBERS: ListQuery = { kind: Kind.tupleByResource, partition: "group:eng", group: "member" };
const LATER = BigInt(START_S * 1000 + 60_000);

function vaultOfMembers(count: number): TestVault {
  const vault = new TestVault();
  const tuples = Array.from({ length: count }, (_, i) => ({
    resource: "group:eng",
    relation: "member",
    subject: `user:${i}`,
  }));
  const other = { resource: "group:ops", relation: "member", subject: "user:1" };
  vault.seal(
    [...tuples, other].map((tuple, i) => ({
      op: "create_tuple" as const,
      tuple,
      expiresAtMs: i % 5 === 4 ? START_S * 1000 + 30_000 : 0,
      value: undefined,
    })),
  );
  return vault;
}

function stateOf(vault: TestVault, questions: Partial<ProofQuestions>): ProvenTrie {
  const { origin, salt } = vault;
  const context = { hasher, salt, vaultRef: vaultRef(hasher, origin, salt) };
  return decodeStateProof(vault.stateProof(questions), context);
}

describe("lists read record by record", () => {
  test("INV-PROVEN-3: a proof up to any record of a list gives just those up to it, and says that more is not shown", () => {
    const random = testRandom("scans");
    const vault = vaultOfMembers(40);
    const paths = new PathHasher(hasher, vault.salt);
    const whole = [...scanState(stateOf(vault, { lists: [MEMBERS] }), MEMBERS, LATER)];
    const live = Array.from({ length: 40 }, (_, i) => i).filter((i) => i % 5 !== 4).length;
    expect(whole).toHaveLength(live);
    for (let round = 0; round < 30; round++) {
      const last = random.int(whole.length - 1);
      const to = pathBehind(paths.path(whole[last]!.record.key));
      const state = stateOf(vault, { lists: [{ ...MEMBERS, to }] });
      const scan = scanState(state, MEMBERS, LATER);
      for (let i = 0; i <= last; i++) expect(scan.next().value).toEqual(whole[i]);
      const refused = thrownBy(() => scan.next());
      expect(refused.code).toBe("PROOF_INSUFFICIENT");
    }
  });

  test("INV-PROVEN-3: a scan goes on behind any record as if it had not stopped", () => {
    const vault = vaultOfMembers(25);
    const paths = new PathHasher(hasher, vault.salt);
    const whole = [...scanState(stateOf(vault, { lists: [MEMBERS] }), MEMBERS, LATER)];
    for (const [i, { record }] of whole.entries()) {
      const rest = { ...MEMBERS, from: pathBehind(paths.path(record.key)) };
      const state = stateOf(vault, { lists: [rest] });
      expect([...scanState(state, rest, LATER)]).toEqual(whole.slice(i + 1));
    }
  });

  test("INV-VERIFY-2: a hit by subject is given only beside its twin", () => {
    const vault = vaultOfMembers(3);
    const list = { kind: Kind.tupleBySubject, partition: "user:1", group: "member" } as const;
    const bare = stateOf(vault, { lists: [list] });
    expect(thrownBy(() => [...scanState(bare, list, LATER)]).code).toBe("PROOF_INSUFFICIENT");
    const gets = ["group:eng", "group:ops"].map((resource) =>
      tupleKey({ resource, relation: "member", subject: "user:1" }),
    );
    const shown = [...scanState(stateOf(vault, { lists: [list], gets }), list, LATER)];
    const found = shown.map(({ record }) => tupleOfKey(record.key).resource);
    expect(found.sort()).toEqual(["group:eng", "group:ops"]);
  });

  test("the path behind the last one is none", () => {
    expect(pathBehind(new Uint8Array(48).fill(0xff))).toBeUndefined();
    expect(pathBehind(Uint8Array.of(1, 0xff))).toEqual(Uint8Array.of(2, 0));
  });
});
