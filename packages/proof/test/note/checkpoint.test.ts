/** Notes: written, read, and judged under a policy. INV-NOTE-1. */
import { createPublicKey, verify } from "node:crypto";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import {
  checkpointBody,
  formatCheckpoint,
  nobleHasher as hasher,
  parseCheckpoint,
  SignatureType,
  signatureLine,
  verifyCheckpoint,
} from "../../src/index.js";
import { nodeVerifier } from "../support/node-ed25519.js";
import { policyOf, replica, START_S, TestVault, testKey } from "../support/test-vault.js";

const deps = { hasher, verifier: nodeVerifier };
const vault = new TestVault();
const note = vault.checkpoint();
const judge = (text: string, policy = vault.policy) =>
  verifyCheckpoint(text, vault.origin, policy, deps);
const reasonOf = (text: string, policy = vault.policy) =>
  thrownBy(() => judge(text, policy)).details["reason"];

describe("a note", () => {
  test("comes back as it was written, for any size, root and time", () => {
    const random = testRandom("notes");
    for (let i = 0; i < testRounds(200); i++) {
      const root = Uint8Array.from({ length: 32 }, () => random.int(256));
      const size = 1 + random.int(2 ** random.between(1, 53));
      const timeS = random.int(2 ** 40);
      const text = vault.checkpoint({ size, root, timeS, cosigners: [replica(1), replica(3)] });
      const checkpoint = judge(text);
      expect(checkpoint).toMatchObject({ origin: vault.origin, size: BigInt(size), root });
      expect(checkpoint.times).toEqual([BigInt(timeS), BigInt(timeS)]);
      expect(checkpointBody(checkpoint)).toBe(checkpoint.body);
    }
  });

  test("has a log signature over exactly its three lines, as any Ed25519 can check", () => {
    const { body, signatures } = parseCheckpoint(note);
    const key = createPublicKey({
      key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), vault.log.publicKey]),
      format: "der",
      type: "spki",
    });
    expect(body).toBe(note.split("\n").slice(0, 3).join("\n").concat("\n"));
    expect(verify(null, Buffer.from(body), key, signatures[0]!.signature)).toBe(true);
  });

  test("is refused at every place where one character is changed, left out or doubled, unless it says the same", () => {
    const honest = judge(note);
    let accepted = 0;
    for (let at = 0; at < note.length; at++) {
      const [before, after] = [note.slice(0, at), note.slice(at + 1)];
      const other = note[at] === "A" ? "B" : "A";
      for (const text of [
        before + other + after,
        before + after,
        before + note[at] + note.slice(at),
      ]) {
        try {
          expect(judge(text).body).toBe(honest.body);
          accepted++;
        } catch (error) {
          if (!(error instanceof LedgerError)) throw error;
          expect(error.code).toBe("PROOF_INVALID");
        }
      }
    }
    // A changed name or key id makes the line one of an unknown key, and two cosigners are left.
    expect(accepted).toBeGreaterThan(0);
  });

  test.each([
    ["a control character in the origin", note.replace("ledger", "ledg\u0001er")],
    ["a next-line character in a name", note.replace("replica-3", "replica\u0085-3")],
    ["a lone surrogate in a name", note.replace("replica-3", "replica\ud800-3")],
    ["a plus in a name", note.replace("replica-3", "replica+3")],
    ["an en dash", note.replaceAll("\u2014", "\u2013")],
    ["no name", note.replace(/ replica-3\S*/, " ")],
  ])("is refused with %s", (_, text) => {
    expect(reasonOf(text)).toBe("note");
    expect(thrownBy(() => parseCheckpoint(text)).details["reason"]).toBe("note");
  });
});

describe("under a policy", () => {
  test("a note behind a byte order mark is of another origin: that is an ordinary character", () => {
    expect(parseCheckpoint(`\ufeff${note}`).origin).toBe(`\ufeff${vault.origin}`);
    expect(reasonOf(`\ufeff${note}`)).toBe("note");
  });

  test("the log key must have the name of the origin", () => {
    const other = testKey("ledger.test/other", SignatureType.log, 200);
    const body = checkpointBody({ origin: vault.origin, size: 1n, root: vault.root() });
    const cosigned = vault.checkpoint().split("\n").slice(5).join("\n");
    const text = formatCheckpoint(body, [signatureLine(other.key, body, other.sign), cosigned]);
    expect(reasonOf(text, { ...vault.policy, logKeys: [other.key] })).toBe("signature");
  });

  test("a size before its first one is not its to judge", () => {
    const policy = policyOf(vault.log, { epoch: 2, fromSize: 2 });
    expect(reasonOf(note, policy)).toBe("policy");
    expect(judge(vault.checkpoint({ size: 2, root: new Uint8Array(32) }), policy).size).toBe(2n);
  });

  test("two keys of one replica count once, with the newer time", () => {
    const cosigners = [...vault.policy.cosigners, { id: 1, key: replica(1, 1).key }];
    const policy = { ...vault.policy, cosigners };
    const both = { cosigners: [replica(1), replica(1, 1)], timeS: START_S };
    expect(reasonOf(vault.checkpoint(both), policy)).toBe("quorum");
    const newer = vault.checkpoint({ cosigners: [replica(1, 1)], timeS: START_S + 9 });
    const line = newer.split("\n")[5]!;
    const three = vault.checkpoint({ cosigners: [replica(1), replica(2)], timeS: START_S });
    expect(judge(`${three}${line}\n`, policy).times).toEqual([
      BigInt(START_S + 9),
      BigInt(START_S),
    ]);
  });

  test("a cosigning key does not stand in for the log's, nor the log's for a cosigner", () => {
    const body = checkpointBody({ origin: vault.origin, size: 1n, root: vault.root() });
    const asLog = testKey(vault.origin, SignatureType.cosignature, 200);
    const rest = note.split("\n").slice(5).join("\n");
    const text = formatCheckpoint(body, [signatureLine(asLog.key, body, asLog.sign), rest]);
    expect(reasonOf(text)).toBe("signature");
    const mixed = { ...vault.policy, logKeys: [asLog.key] };
    expect(reasonOf(text, mixed)).toBe("signature");
  });

  test("a note is judged in bounded time, however its lines repeat", () => {
    const line = note.split("\n")[5]!;
    const many = `${note}${`${line}\n`.repeat(60)}`;
    expect(judge(many).times).toHaveLength(3);
    expect(reasonOf(`${many}${line}\n`)).toBe("note");
    expect(reasonOf(`${"a".repeat(64 * 1024)}\n1\n\n`)).toBe("note");
  });
});
