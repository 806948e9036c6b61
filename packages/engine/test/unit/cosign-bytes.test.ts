/** What replicas sign and send each other, byte for byte. */
import { readFileSync } from "node:fs";
import { parseCheckpoint } from "@authledger/proof";
import { fromHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import {
  CosignRefusal,
  decodeCosignReply,
  decodeCosignRequest,
  encodeCosignReply,
  encodeCosignRequest,
} from "../../src/cluster/cosign-frames.js";
import { CosignedHead } from "../../src/cluster/cosigned-head.js";
import { firstPolicy } from "../../src/cluster/voters-policy.js";
import { HeadKeys } from "../../src/head-keys.js";
import { clientDeps } from "../engine-support.js";

describe("golden values", () => {
  /** Derived by a second implementation, in another language (packages/proof/test/vectors/golden.json). */
  const golden = JSON.parse(
    readFileSync(new URL("../../../proof/test/vectors/golden.json", import.meta.url), "utf8"),
  ) as {
    readonly keys: {
      readonly log_master_seed: string;
      readonly replicas: readonly {
        readonly id: number;
        readonly name: string;
        readonly seed: string;
      }[];
    };
    readonly notes: readonly {
      readonly what: string;
      readonly note_runs?: readonly (readonly [string, number])[];
    }[];
  };

  test("a note put together from several replicas is theirs, byte for byte", async () => {
    const { keys, notes } = golden;
    // The log's line and two replicas' of one second; a line that makes it too long follows in the vector.
    const { note_runs } = notes.find(({ what }) => what === "more than 64 KiB")!;
    const note = note_runs![0]![0].replace(/\u2014 $/, "");
    const { origin, size, root, signatures } = parseCheckpoint(note);
    const timeS = new DataView(signatures[1]!.signature.slice().buffer).getBigUint64(0);
    const logSeed = fromHex(keys.log_master_seed);
    const replicas = keys.replicas.map(({ name, seed }) => {
      const secrets = { logSeed, replicaSeed: fromHex(seed), pageTokenKey: logSeed };
      return new HeadKeys(clientDeps.hasher, name, secrets);
    });
    const [leader, other] = replicas as [HeadKeys, HeadKeys];
    const policy = firstPolicy(
      leader.log(origin),
      replicas.map(({ replica }) => replica),
    );
    expect(policy.quorum).toBe(2);
    const content = { vault: 1, origin, size: Number(size), root, timeMs: Number(timeS) * 1_000 };
    const head = new CosignedHead(content, [policy]);
    const signed = head.wait(0);
    // In whatever order they come.
    head.cosigned(other.replica, other.cosign(head.body, head.timeMs));
    head.signedByLog(leader.logLine(origin, head.body));
    expect(head.isServable).toBe(false);
    head.cosigned(leader.replica, leader.cosign(head.body, head.timeMs));
    expect((await signed).note).toBe(note);
  });
});

describe("frames", () => {
  test("come back as they were written", () => {
    const root = new Uint8Array(32).fill(1);
    for (const request of [
      { type: "sign", heads: [{ vault: 7, size: 2 ** 40, root, timeMs: 2 ** 41 }] },
      { type: "ask", questions: [{ id: 1, vault: 2, minSize: 3, cosignatures: 4 }] },
      { type: "contradiction", vault: 1, note: "a\n— b\n" },
    ] as const) {
      expect(decodeCosignRequest(encodeCosignRequest(request))).toEqual(request);
    }
    const about = { vault: 1, size: 2, timeMs: 3 };
    const refused = {
      kind: "refused",
      why: CosignRefusal.passed,
      markSize: 4,
      markTimeMs: 5,
    } as const;
    const signed = { kind: "signed", signature: new Uint8Array(64).fill(2) } as const;
    for (const reply of [
      {
        type: "answers",
        answers: [
          { ...about, result: refused },
          { ...about, result: signed },
        ],
      },
      {
        type: "heads",
        heads: [
          { id: 1, result: { kind: "head", size: 1, timeMs: 2, note: "n" } },
          { id: 2, result: { kind: "failed", code: "OVERLOADED", message: "m" } },
        ],
      },
    ] as const) {
      expect(decodeCosignReply(encodeCosignReply(reply))).toEqual(reply);
    }
  });
});
