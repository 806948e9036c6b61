/** Questions to a verified state, values, and whole receipts. INV-VERIFY-1, INV-VERIFY-2, INV-VERIFY-3. */
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { fromBase64, toBase64 } from "../src/base64.js";
import {
  askState,
  type CanonicalOp,
  checkValue,
  decodeHeader,
  decodeTransactionProof,
  encodeLimits,
  encodeTransactionProof,
  entityKey,
  formatReceipt,
  nobleHasher as hasher,
  Kind,
  parseReceipt,
  type Receipt,
  trustFromAnchor,
  tupleBySubjectKey,
  tupleKey,
  verifyAnswer,
  verifyQuery,
  verifyReceipt,
  verifyStateProof,
} from "../src/index.js";
import { nodeVerifier } from "./support/node-ed25519.js";
import { replica, START_S, sameRecord, TestVault } from "./support/test-vault.js";
import { golden, hex, ledgerKey, listQuery } from "./vectors/golden.js";

const deps = { hasher, verifier: nodeVerifier };
const tuple = (subject: string, resource = "document:a") => ({
  resource,
  relation: "viewer",
  subject: `user:${subject}`,
});
const create = (subject: string, expiresAtMs = 0, resource = "document:a"): CanonicalOp => ({
  op: "create_tuple",
  tuple: tuple(subject, resource),
  expiresAtMs,
  value: undefined,
});
const reason = (act: () => unknown) => thrownBy(act).details["reason"];

const vault = new TestVault();
/** Expires between block 3 and the quorum time of a checkpoint of now. */
const SOON_MS = (START_S + 3) * 1000 + 500;
vault.seal([create("ann"), create("bob"), create("cy", SOON_MS)], [create("ann", 0, "document:b")]);
vault.seal(
  [vault.setEntity("user:ann", "hello")],
  [vault.setEntity("user:bob", "bye")],
  [create("dee")],
);
vault.seal([{ op: "delete_tuple", tuple: tuple("bob") }]);
const trust = trustFromAnchor(vault.anchor);
const now = { want: "current", nowMs: (START_S + 5) * 1000, maxAgeS: 60, maxSkewS: 5 } as const;
const past = { ...now, want: "any", nowMs: (START_S + 5000) * 1000 } as const;
const byResource = { kind: Kind.tupleByResource, partition: "document:a", group: "viewer" };
const bySubject = { kind: Kind.tupleBySubject, partition: "user:ann" };

describe("a question", () => {
  const get = (subject: string, asked = subject) => {
    const sent = vault.answer({ gets: [tupleKey(tuple(asked))] });
    return verifyQuery(trust, sent, { kind: "get", key: tupleKey(tuple(subject)) }, now, deps);
  };

  test("for a key is answered present, absent, or absent because it expired", () => {
    expect(get("ann").answer).toMatchObject({ kind: "present", record: { version: 1n } });
    expect(get("bob").answer).toEqual({ kind: "absent", expired: false });
    expect(get("cy").answer).toEqual({ kind: "absent", expired: true });
  });

  test("that the proof does not show is an error, for a key and for a list", () => {
    expect(thrownBy(() => get("ann", "dee")).code).toBe("PROOF_INSUFFICIENT");
    const sent = vault.answer({ gets: [tupleKey(tuple("ann"))] });
    const ask = () => verifyQuery(trust, sent, { kind: "list", list: byResource }, now, deps);
    expect(thrownBy(ask).code).toBe("PROOF_INSUFFICIENT");
    const bare = { ...sent, stateProof: new Uint8Array(0) };
    const query = { kind: "get", key: tupleKey(tuple("ann")) } as const;
    expect(thrownBy(() => verifyQuery(trust, bare, query, now, deps)).code).toBe(
      "PROOF_INSUFFICIENT",
    );
  });

  test("for a list is answered whole, by the same time as a get", () => {
    const sent = vault.answer({ lists: [byResource] });
    const subjects = (wanted: typeof now | typeof past) => {
      const query = { kind: "list", list: byResource } as const;
      const { answer } = verifyQuery(trust, sent, query, wanted, deps);
      if (answer.kind !== "list") throw new Error("not a list");
      return answer.records.map(({ record }) => record.key.item).sort();
    };
    expect(subjects(now)).toEqual(["user:ann", "user:dee"]);
    expect(subjects(past)).toEqual(["user:ann", "user:cy", "user:dee"]);
  });

  test("by subject needs the twin of every hit in the proof", () => {
    const query = { kind: "list", list: bySubject } as const;
    const bare = vault.answer({ lists: [bySubject] });
    expect(thrownBy(() => verifyQuery(trust, bare, query, now, deps)).code).toBe(
      "PROOF_INSUFFICIENT",
    );
    const twins = ["document:a", "document:b"].map((resource) => tupleKey(tuple("ann", resource)));
    const whole = vault.answer({ lists: [bySubject], gets: twins });
    const { answer } = verifyQuery(trust, whole, query, now, deps);
    expect(answer.kind === "list" && answer.records).toHaveLength(2);
    const one = vault.answer({ gets: [tupleBySubjectKey(tuple("ann"))] });
    const single = { kind: "get", key: tupleBySubjectKey(tuple("ann")) } as const;
    expect(thrownBy(() => verifyQuery(trust, one, single, now, deps)).code).toBe(
      "PROOF_INSUFFICIENT",
    );
  });

  for (const forged of golden.one_directional.filter(({ hit }) => hit !== undefined)) {
    test(`refused: ${forged.what}`, () => {
      const salt = hex(golden.salt);
      const context = { hasher, salt, vaultRef: hex(golden.vault_ref) };
      const state = verifyStateProof(hex(forged.lsp1), hex(forged.state_root), context);
      const list = listQuery(forged.lists[0]!);
      expect(state.get(ledgerKey(forged.gets[0]!)).kind).not.toBe("insufficient");
      expect(reason(() => askState(state, { kind: "list", list }, 0n))).toBe("twin");
    });
  }
});

describe("a value", () => {
  const { state } = verifyAnswer(
    trust,
    vault.answer({ gets: [entityKey("user:ann"), tupleKey(tuple("ann"))] }),
    now,
    deps,
  );
  const shown = state!.get(entityKey("user:ann"));
  if (shown.kind !== "present") throw new Error("not shown");
  const { record } = shown;
  const stored = vault.storedValue(record.value!);

  test("comes out of its nonce when it is the committed one", () => {
    expect(new TextDecoder().decode(checkValue(hasher, record, stored))).toBe("hello");
  });

  test("is refused with any byte changed, cut or added", () => {
    for (let i = 0; i < stored.length; i++) {
      const bad = stored.slice();
      bad[i]! ^= 1;
      expect(reason(() => checkValue(hasher, record, bad))).toBe("value");
    }
    for (const bad of [
      stored.subarray(1),
      stored.subarray(0, -1),
      new Uint8Array(0),
      Uint8Array.of(...stored, 0),
    ]) {
      expect(reason(() => checkValue(hasher, record, bad))).toBe("value");
    }
  });

  test("is refused when the record tells another length, though the digest is right", () => {
    const { digest, length } = record.value!;
    const lying = { ...record, value: { digest, length: length + 1 } };
    expect(reason(() => checkValue(hasher, lying, stored))).toBe("value");
  });

  test("is refused where the record has none", () => {
    const bare = vault.recordAt(3, tupleKey(tuple("ann")))!;
    expect(reason(() => checkValue(hasher, bare, stored))).toBe("value");
  });
});

describe("a receipt", () => {
  function receiptOf(height: number, inside: Uint8Array, size = vault.size): Receipt {
    return {
      height: BigInt(height),
      historyProof: vault.historyProof(height, size),
      checkpoint: vault.checkpoint({ size }),
      header: vault.headers[height]!,
      inside,
    };
  }
  const questions = { gets: [tupleKey(tuple("bob"))] };
  const stateReceipt = receiptOf(2, vault.stateProof(questions, 2));
  const verify = (receipt: Receipt, by = trust) => verifyReceipt(by, formatReceipt(receipt), deps);

  test("shows a state as it was, for ever and without a server", () => {
    const { content, header, timeMs, checkpoint } = verify(stateReceipt);
    if (content.kind !== "state") throw new Error("not a state");
    const query = { kind: "get", key: tupleKey(tuple("bob")) } as const;
    const answer = askState(content.state, query, timeMs);
    if (answer.kind !== "present") throw new Error("not present");
    expect(sameRecord(answer.record, vault.recordAt(2, query.key))).toBe(true);
    expect([header.height, checkpoint.size, timeMs]).toEqual([2, 4n, BigInt((START_S + 2) * 1000)]);
  });

  test.each([0, 1, 2])("shows transaction %i of a block of three", (index) => {
    const { content } = verify(receiptOf(2, vault.transactionProof(2, index)));
    if (content.kind !== "transaction") throw new Error("not a transaction");
    expect(content.transaction.id[0]).toBe(index);
  });

  const other = new TestVault({ origin: "ledger.test/other" });
  test("with nothing inside shows its block and nothing else", () => {
    const { content } = verify(receiptOf(2, new Uint8Array(0)));
    expect(content).toEqual({ kind: "block" });
  });

  test.each<[string, string, Receipt, Parameters<typeof verifyReceipt>[0]?]>([
    ["an index beside the header's height", "receipt", { ...stateReceipt, height: 1n }],
    ["the header of another height", "inclusion", { ...stateReceipt, header: vault.headers[1]! }],
    [
      "a path of another height",
      "inclusion",
      { ...stateReceipt, historyProof: vault.historyProof(1) },
    ],
    [
      "a hash left over",
      "inclusion",
      { ...stateReceipt, historyProof: [...stateReceipt.historyProof, new Uint8Array(32)] },
    ],
    [
      "the state of another height",
      "total",
      { ...stateReceipt, inside: vault.stateProof(questions, 1) },
    ],
    [
      "a state with another root and the same count",
      "state-root",
      receiptOf(0, otherGenesis().stateProof(questions, 0)),
    ],
    [
      "a transaction of another block",
      "inclusion",
      { ...stateReceipt, inside: vault.transactionProof(1, 0) },
    ],
    ["one byte inside", "transaction", { ...stateReceipt, inside: new Uint8Array(1) }],
    [
      "one cosigner",
      "quorum",
      { ...stateReceipt, checkpoint: vault.checkpoint({ cosigners: [replica(1)] }) },
    ],
    ["the checkpoint of another log", "note", { ...stateReceipt, checkpoint: other.checkpoint() }],
    ["a wrong salt", "vault-ref", stateReceipt, { ...trust, salt: new Uint8Array(32) }],
    [
      "a policy that begins later",
      "policy",
      stateReceipt,
      { ...trust, policy: { ...trust.policy, fromSize: 5 } },
    ],
  ])("is refused with %s", (_, expected, receipt, by = trust) => {
    expect(reason(() => verifyReceipt(by, formatReceipt(receipt), deps))).toBe(expected);
  });

  /** The same vault but for one limit in its first block. */
  function otherGenesis(): TestVault {
    const made = new TestVault();
    made.seal([made.setRecord("limits", encodeLimits(999))]);
    made.states[0] = made.states[1]!;
    return made;
  }

  test("whose checkpoint contradicts the trusted head is evidence", () => {
    const head = { size: 4n, root: new Uint8Array(32), note: "another note" };
    const error = thrownBy(() => verify(stateReceipt, { ...trust, head }));
    expect(error.code).toBe("EQUIVOCATION");
    expect(error.details).toMatchObject({
      trusted: "another note",
      received: stateReceipt.checkpoint,
    });
  });

  const text = formatReceipt(stateReceipt);
  test.each<[string, string | RegExp, string]>([
    ["another first line", "tlog-proof@v1", "tlog-proof@v2"],
    ["no extra line", /extra .*\n/, ""],
    ["an index with a leading zero", "index 2", "index 02"],
    ["a negative index", "index 2", "index -2"],
    ["an index over 2^63 - 2", "index 2", "index 9223372036854775807"],
    ["CRLF", "\nindex", "\r\nindex"],
    ["a hash of another length", /(index 2\n)[^\n]*/, "$1AAAA"],
    ["base64 with nonzero trailing bits", /=\n\n/, "E\n\n"],
    ["64 hashes", /(index 2\n)/, `$1${`${"A".repeat(43)}=\n`.repeat(64)}`],
    ["another inside", /extra TFZS/, "extra TFZT"],
    ["no checkpoint", /\n\n[\s\S]*$/, "\n"],
  ])("is not read with %s", (_, part, by) => {
    const changed = text.replace(part, by);
    expect(changed).not.toBe(text);
    expect(reason(() => parseReceipt(changed))).toBe("receipt");
  });

  test("longer than a state proof can be is not read", () => {
    expect(reason(() => parseReceipt(text + "x".repeat(23 * 1024 * 1024)))).toBe("receipt");
  });

  test("with bytes left over inside is not read", () => {
    const padded = (line: string) => toBase64(Uint8Array.of(...(fromBase64(line) ?? []), 0));
    const extra = /extra (.*)/.exec(text)![1]!;
    const changed = text.replace(extra, padded(extra));
    expect(reason(() => parseReceipt(changed))).toBe("receipt");
    const inside = Uint8Array.of(...vault.transactionProof(2, 1), 0);
    expect(reason(() => verify({ ...stateReceipt, inside }))).toBe("transaction");
  });

  test("of a transaction must name the block's number of transactions", () => {
    const proof = decodeTransactionProof(vault.transactionProof(2, 1));
    for (const count of [proof.count - 1, proof.count + 1]) {
      const inside = encodeTransactionProof({ ...proof, count });
      expect(reason(() => verify({ ...stateReceipt, inside }))).toBe("inclusion");
    }
  });

  test("comes back from its text", () => {
    expect(parseReceipt(text)).toEqual(stateReceipt);
    expect(decodeHeader(parseReceipt(text).header).height).toBe(2);
  });
});
