/** The grammar against a second, obvious statement of it, and the round trip of tuples as text (L-17). */
import {
  formatTuple,
  LedgerError,
  parseTuple,
  type Tuple,
  validateSubject,
  validateTuple,
} from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, thrownBy } from "../../../../test/support.js";

const ID = String.raw`(?!\*)[^\p{White_Space}\p{Cc}\p{Cs}:#]+`;
const TYPE = "[A-Za-z][A-Za-z0-9_-]{0,62}";
const RELATION = "[A-Za-z][A-Za-z0-9_]{0,62}";
const SUBJECT = new RegExp(`^${TYPE}:(${ID}(#${RELATION})?|\\*)$`, "u");

const type = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/);
const relation = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,62}$/);
const id = fc
  .string({ unit: "binary", minLength: 1, maxLength: 30 })
  .filter((text) => new RegExp(`^${ID}$`, "u").test(text));
const resource = fc.tuple(type, id).map(([t, i]) => `${t}:${i}`);
const subject = fc.oneof(
  resource,
  type.map((t) => `${t}:*`),
  fc.tuple(resource, relation).map(([r, rel]) => `${r}#${rel}`),
);
const tuple = fc.record({ resource, relation, subject });

/** Texts near the grammar: pieces that matter in any order. */
const nearly = fc
  .array(
    fc.constantFrom(
      "a",
      "Z",
      "9",
      "_",
      "-",
      ":",
      "#",
      "*",
      "@",
      " ",
      "\u0000",
      "\u00a0",
      "\ud83d",
      "\udd11",
      "\u2603",
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

describe("tuples", () => {
  it("of the grammar are accepted, and come back from their text", () => {
    fc.assert(
      fc.property(tuple, (t) => {
        validateTuple(t);
        expect(parseTuple(formatTuple(t))).toEqual(t);
      }),
      propertyRuns("tuple text", 2_000),
    );
  });

  it("as text have one meaning: what parses is written again as the same text", () => {
    let parsed = 0;
    const text = fc
      .tuple(nearly, nearly, nearly)
      .map(([r, rel, s]) => `a:${r.replaceAll("#", "")}x#a${rel.replaceAll("@", "")}@a:x${s}`);
    fc.assert(
      fc.property(text, (candidate) => {
        const tuple = parseOrUndefined(candidate);
        if (tuple === undefined) return;
        parsed++;
        expect(formatTuple(tuple)).toBe(candidate);
      }),
      propertyRuns("tuple meaning", 5_000),
    );
    expect(parsed).toBeGreaterThan(20);
  });

  it("the subject's scanner and the regular expression of the grammar agree on every text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          nearly,
          nearly.map((text) => `a:${text}`),
          subject,
        ),
        (text) => {
          if (SUBJECT.test(text)) expect(() => validateSubject(text)).not.toThrow();
          else expect(thrownBy(() => validateSubject(text)).code).toBe("INVALID_TUPLE");
        },
      ),
      propertyRuns("subject grammar", 10_000),
    );
  });
});

function parseOrUndefined(text: string): Tuple | undefined {
  try {
    return parseTuple(text);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
