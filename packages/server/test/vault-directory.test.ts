/** What is remembered of vaults: bounded, and what is in use stays. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { VaultDirectory } from "../src/vault-directory.js";
import { FakeEngine } from "./support/fake-engine.js";

const GENERATION = 10;

async function directoryOf(vaults: number) {
  const engine = new FakeEngine();
  const { organization } = await engine.call("create_organization", { name: "o", actor: "" });
  const names = [];
  for (let i = 0; i < vaults; i++) {
    const request = { organization: organization.slug, name: `v${i}`, actor: "" };
    const { vault } = await engine.call("create_vault", request);
    names.push({ organization: organization.slug, vault: vault.slug });
  }
  return { directory: new VaultDirectory(engine, GENERATION), names };
}

describe("the directory of vaults", () => {
  it("remembers at most two generations, and keeps what is asked for", async () => {
    const { directory, names } = await directoryOf(100);
    const [used, unused] = [names[0]!, names[1]!];
    for (const name of names) {
      await directory.resolve(name);
      expect(directory.size).toBeLessThanOrEqual(2 * GENERATION);
      expect(directory.known(used)).toBe(1);
    }
    expect(directory.known(unused)).toBeUndefined();
    expect(directory.known(names.at(-1)!)).toBe(100);
  });

  it("counts a vault once, however often it is resolved", async () => {
    const { directory, names } = await directoryOf(1);
    for (let i = 0; i < 3 * GENERATION; i++) await directory.resolve(names[0]!);
    expect(directory.size).toBe(1);
  });

  it("refuses names that are missing", async () => {
    const { directory } = await directoryOf(0);
    for (const [name, field] of [
      [{ organization: 0n, vault: 1n }, "organization"],
      [{ organization: 1n, vault: 0n }, "vault"],
      [{ organization: 0n, vault: 0n }, "organization"],
      [{ organization: 0n, vault: 0n, system: false }, "organization"],
    ] as const) {
      const error = thrownBy(() => directory.known(name));
      expect([error.code, error.details["field"]]).toEqual(["SLUG_REQUIRED", field]);
    }
  });

  it("knows the system vault by its word alone, not where another vault is named, too", async () => {
    const { directory } = await directoryOf(0);
    expect(directory.known({ organization: 0n, vault: 0n, system: true })).toBe(0);
    for (const name of [
      { organization: 7n, vault: 0n },
      { organization: 0n, vault: 7n },
    ]) {
      const error = thrownBy(() => directory.known({ ...name, system: true }));
      expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "system"]);
    }
  });
});
