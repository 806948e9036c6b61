/** The name of the system vault. */
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { vaultNameOf } from "../src/options.js";

describe("the vault of a client", () => {
  test("is the system vault where both slugs are given as 0, and must be named otherwise", () => {
    const system = { organization: 0n, vault: 0n, system: true };
    expect(vaultNameOf({ organization: "0", vault: "0" })).toEqual(system);
    expect(vaultNameOf({ organization: 0n, vault: 0n })).toEqual(system);
    expect(vaultNameOf({ organization: 7n, vault: 9n })).toEqual({ organization: 7n, vault: 9n });
    const codes = [
      undefined,
      { organization: "0", vault: "7" },
      { organization: "7", vault: "0" },
    ].map((tenant) => (thrownBy(() => vaultNameOf(tenant)) as { code: string }).code);
    expect(codes).toEqual(["SLUG_REQUIRED", "SLUG_REQUIRED", "SLUG_REQUIRED"]);
  });
});
