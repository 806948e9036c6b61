/** Messages survive the wire, and hostile bytes meet nothing but CODEC_DECODE (INV-PEER-1). */
import { decodeMessage, type Entry, encodeMessage, type Message } from "@authledger/raft";
import { LedgerError, limits, type NodeId, nodeId } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, testRandom, testRounds, thrownBy } from "../../../../test/support.js";

const node = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(nodeId);
const count = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat().map((n) => Math.floor(n / 2)),
);
const nodes = fc
  .uniqueArray(node, { maxLength: 6 })
  .map((list) => list.sort((a, b) => (a < b ? -1 : 1)));
const membership = fc.record({
  voters: nodes,
  learners: nodes,
  outgoing: nodes,
  learnersNext: nodes,
  autoLeave: fc.boolean(),
});
const grown = fc.array(
  fc.record({ by: fc.oneof(fc.nat(2), fc.nat(1e9)), payload: fc.uint8Array({ maxLength: 300 }) }),
  { maxLength: 8 },
);

function entriesAfter(
  index: number,
  logTerm: number,
  steps: readonly { by: number; payload: Uint8Array }[],
): readonly Entry[] {
  let term = logTerm;
  return steps.map(({ by, payload }, i) => {
    term += by;
    return { index: index + 1 + i, term, payload };
  });
}

const bodies: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc
    .record({ index: count, logTerm: count, commit: count, steps: grown })
    .map(({ steps, ...rest }) => ({
      type: "append",
      ...rest,
      entries: entriesAfter(rest.index, rest.logTerm, steps),
    })),
  fc.record({
    type: fc.constant("append-response"),
    index: count,
    reject: fc.boolean(),
    hint: count,
    logTerm: count,
    isRecovering: fc.boolean(),
  }),
  fc.record({ type: fc.constant("heartbeat"), commit: count, round: count }),
  fc.record({ type: fc.constant("heartbeat-response"), round: count }),
  fc.record({
    type: fc.constantFrom("vote", "pre-vote"),
    index: count,
    logTerm: count,
    isTransfer: fc.boolean(),
  }),
  fc.record({
    type: fc.constantFrom("vote-response", "pre-vote-response"),
    reject: fc.boolean(),
    commit: count,
    commitTerm: count,
  }),
  fc.record({
    type: fc.constant("snapshot"),
    snapshot: fc.record({ index: count, term: count, membership }),
  }),
  fc.record({ type: fc.constant("timeout-now"), index: count, logTerm: count }),
  fc.record({ type: fc.constant("transfer"), target: node }),
  fc.record({ type: fc.constant("read"), context: count, isRecovering: fc.boolean() }),
  fc.record({
    type: fc.constant("read-response"),
    context: count,
    index: count,
    reject: fc.boolean(),
  }),
);
const message = fc
  .tuple(fc.record({ from: node, to: node, term: count }), bodies)
  .map(([header, body]) => ({ ...header, ...body }) as unknown as Message);

/** The error of decoding, or undefined when the bytes are a message; anything but a LedgerError fails. */
function refusal(bytes: Uint8Array): LedgerError | undefined {
  try {
    expect(encodeMessage(decodeMessage(bytes))).toEqual(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof LedgerError) return error;
    throw error;
  }
}

/** By a second encoding: comparing megabytes element by element takes seconds. */
function expectSame(one: Message): void {
  const bytes = encodeMessage(one);
  const again = encodeMessage(decodeMessage(bytes));
  expect(Buffer.compare(bytes, again)).toBe(0);
}

const NODE = 7n as NodeId;
const header = { from: NODE, to: NODE, term: 4 };

function append(entries: readonly Entry[], logTerm = 3): Message {
  return { ...header, type: "append", index: 10, logTerm, entries, commit: 9 };
}

describe("the codec of messages", () => {
  it("INV-PEER-1: gives every message back as it was", () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(decodeMessage(encodeMessage(one))).toEqual(one);
      }),
      propertyRuns("messages round trip", 400),
    );
  });

  it("INV-PEER-1: refuses changed and cut bytes with CODEC_DECODE, or they are the one form of another message", () => {
    const random = testRandom("messages changed");
    const samples = fc.sample(message, { numRuns: testRounds(150), seed: random.u32() | 0 });
    let refused = 0;
    for (const one of samples) {
      const bytes = encodeMessage(one);
      const cut = refusal(bytes.subarray(0, random.int(bytes.length)));
      expect(cut?.code).toBe("CODEC_DECODE");
      for (let i = 0; i < 20; i++) {
        const changed = bytes.slice();
        changed[random.int(changed.length)] = random.int(256);
        const error = refusal(changed);
        if (error === undefined) continue;
        expect(error.code).toBe("CODEC_DECODE");
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(samples.length);
  });

  it("hands out payloads as views of the bytes that arrived", () => {
    const payload = new Uint8Array(1000).fill(5);
    const bytes = encodeMessage(append([{ index: 11, term: 3, payload }]));
    const decoded = decodeMessage(bytes);
    expect(decoded.type === "append" && decoded.entries[0]?.payload.buffer).toBe(bytes.buffer);
    expect(bytes.length).toBeLessThan(payload.length + 40);
  });

  it("writes a heartbeat in fewer than 32 bytes", () => {
    const beat = encodeMessage({ ...header, type: "heartbeat", commit: 1e9, round: 1e6 });
    expect(beat.length).toBeLessThan(32);
  });
});

describe("limits of a message", () => {
  const large = new Uint8Array(limits.ENTRY_BYTES_MAX);

  it("one entry may be as large as any entry, but no larger", () => {
    const one = append([{ index: 11, term: 3, payload: large }]);
    expectSame(one);
    const payload = new Uint8Array(limits.ENTRY_BYTES_MAX + 1);
    expect(thrownBy(() => encodeMessage(append([{ index: 11, term: 3, payload }]))).code).toBe(
      "CODEC_ENCODE",
    );
  });

  it("more entries share 1 MiB", () => {
    const half = large.subarray(0, limits.APPEND_BYTES_MAX / 2);
    const two = [
      { index: 11, term: 3, payload: half },
      { index: 12, term: 3, payload: half },
    ];
    expectSame(append(two));
    const three = [...two, { index: 13, term: 3, payload: new Uint8Array(1) }];
    expect(thrownBy(() => encodeMessage(append(three))).code).toBe("CODEC_ENCODE");
  });

  it("decoding counts entries and bytes itself, whoever encoded them", () => {
    const prefix = encodeMessage(append([])).slice(0, -1);
    const claim = (...tail: number[]): Uint8Array => Uint8Array.from([...prefix, ...tail]);
    expect(thrownBy(() => decodeMessage(claim(0x80, 0x80, 0x80, 0x80, 0x10))).message).toContain(
      "more than the bytes",
    );
    const many = new Uint8Array(prefix.length + 3 + 2 * (limits.APPEND_ENTRIES_MAX + 1));
    many.set(prefix);
    many.set([0x81, 0x80, 0x04], prefix.length);
    expect(thrownBy(() => decodeMessage(many)).message).toContain("over the limit");
  });

  it("entries follow one another without gaps, and their terms never fall (Raft 5.3)", () => {
    const payload = new Uint8Array(3);
    for (const entries of [
      [{ index: 12, term: 3, payload }],
      [{ index: 11, term: 2, payload }],
      [
        { index: 11, term: 4, payload },
        { index: 12, term: 3, payload },
      ],
    ]) {
      expect(thrownBy(() => encodeMessage(append(entries))).code).toBe("CODEC_ENCODE");
    }
  });
});
