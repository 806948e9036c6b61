/** A history is followed header by header; whatever does not continue it is refused. */
import { LedgerError, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../test/support.js";
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HistoryFollower,
  nobleHasher,
} from "../src/index.js";
import { golden, hex } from "./vectors/golden.js";

const headers = golden.blocks.map((block) => hex(block.header));
const vaultRef = hex(golden.vault_ref);

/** A follower that has accepted the headers below `height`. */
function upTo(height: number): HistoryFollower {
  const follower = new HistoryFollower(nobleHasher, vaultRef);
  for (const header of headers.slice(0, height)) follower.append(header);
  return follower;
}

function reasonFor(change: (header: BlockHeader) => Partial<BlockHeader>, height = 5): unknown {
  const header = decodeHeader(headers[height]!);
  const error = thrownBy(() =>
    upTo(height).append(encodeHeader({ ...header, ...change(header) })),
  ) as LedgerError;
  expect(error).toBeInstanceOf(LedgerError);
  return error.details["reason"];
}

describe("a followed history (INV-HISTORY-1)", () => {
  test("has at each size the root that the next header names", () => {
    for (let height = 1; height < headers.length; height++) {
      expect(toHex(upTo(height).root())).toBe(toHex(decodeHeader(headers[height]!).historyRoot));
    }
  });

  test("goes on from its position, also without the last header", () => {
    const position = upTo(5).position;
    for (const header of [position.header, undefined]) {
      const follower = new HistoryFollower(nobleHasher, vaultRef, { ...position, header });
      for (const next of headers.slice(5)) follower.append(next);
      expect(follower.root()).toEqual(upTo(headers.length).root());
    }
  });

  test.each([
    ["of another height", () => ({ height: 6 }), "chain"],
    ["of another vault", () => ({ vaultRef: new Uint8Array(32) }), "vault-ref"],
    ["over another history", () => ({ historyRoot: new Uint8Array(32) }), "chain"],
    ["behind another block", () => ({ previousHash: new Uint8Array(32) }), "chain"],
    ["from before the block before it", () => ({ timestampMs: 1 }), "chain"],
    [
      "that commits tuples in another way",
      ({ bothDirections }: BlockHeader) => ({ bothDirections: !bothDirections }),
      "chain",
    ],
  ])("refuses a header %s, and stays where it was", (_, change, reason) => {
    expect(reasonFor(change)).toBe(reason);
  });

  test("refuses the same header twice and one that was left out", () => {
    const follower = upTo(4);
    for (const height of [3, 5]) {
      const error = thrownBy(() => follower.append(headers[height]!)) as LedgerError;
      expect(error.details["reason"]).toBe("chain");
    }
    expect(follower.append(headers[4]!).height).toBe(4);
  });

  test("does not begin with a compact range of another size", () => {
    const { range } = upTo(4).position;
    const position = { size: 5, range, header: undefined };
    const error = thrownBy(() => new HistoryFollower(nobleHasher, vaultRef, position));
    expect(error).toBeInstanceOf(LedgerError);
  });
});
