/** The mutants of log, page store and engine, as far as they fit into a test run. */
import { describe, expect, it } from "vitest";
import { withCopies } from "../../src/museum/built-packages.js";
import { nodeExhibits } from "../../src/museum/node-exhibits.js";
import { checkNodePatches, healthyRule, huntNode } from "../../src/museum/node-museum.js";

const all = nodeExhibits.map((exhibit) => [exhibit.number, exhibit.name, exhibit] as const);

describe("the museum of log, page store and engine", () => {
  it.each(all)("INV-SIM-5: the patch of %s fits: %s", (_number, _name, exhibit) => {
    expect(() => checkNodePatches(exhibit)).not.toThrow();
  });

  it("INV-SIM-5: the copies are of the built packages, and gone afterwards", async () => {
    const door = await withCopies(["wal"], new Map(), (importCopy) => importCopy("wal"));
    expect(door).toHaveProperty("Wal");
  });

  it.each(all.filter(([, , { isQuick }]) => isQuick))(
    "finds %s: %s",
    async (_n, _name, exhibit) => {
      expect(await huntNode(exhibit)).toMatchObject({ isFound: true });
    },
  );

  const drivers = nodeExhibits.map(({ hunter }) => hunter).filter(({ by }) => by !== "nodes");
  const distinct = [...new Map(drivers.map((hunter) => [hunter.by, hunter])).entries()];
  it.each(distinct)("the healthy packages pass: %s", async (_by, hunter) => {
    for (let seed = 1; seed <= 3; seed++) expect(await healthyRule(hunter, seed)).toBeUndefined();
  });
});
