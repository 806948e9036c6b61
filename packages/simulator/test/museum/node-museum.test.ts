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

  // Rows 13e and 14e of the table could not be hunted any more when the engine had come to need a package of which the
  // museum did not know: the copies could not be imported.
  it("the copies find whatever package they depend on", async () => {
    const copied = ["wal", "store", "raft", "state", "engine"] as const;
    const door = await withCopies(copied, new Map(), (importCopy) => importCopy("engine"));
    expect(door).toHaveProperty("Engine");
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
