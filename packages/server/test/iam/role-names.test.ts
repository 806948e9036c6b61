/** How roles are written as tuples. */
import { validateTuple } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { propertyRuns, thrownBy } from "../../../../test/support.js";
import { decodeName, encodeName, principalSubject } from "../../src/iam/role-names.js";

describe("the subject of a principal", () => {
  test("INV-ROLE-1: follows the grammar of tuples for every name, and names it alone", () => {
    const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(names, names, (name, other) => {
        const subject = principalSubject({ name });
        validateTuple({ resource: "vault:1/2", relation: "reader", subject });
        expect(decodeName(encodeName(name))).toBe(name);
        expect(subject === principalSubject({ name: other })).toBe(name === other);
        expect(subject.startsWith("principal:")).toBe(true);
      }),
      propertyRuns("subjects of principals", 300),
    );
    expect(principalSubject({ name: "user:ann#x*" })).toBe("principal:user%3Aann%23x%2A");
  });

  test("is refused for what is no name", () => {
    for (const name of ["", "\ud800", "x".repeat(300)]) {
      expect(thrownBy(() => principalSubject({ name })).code).toBe("ROLE_INVALID");
    }
  });
});
