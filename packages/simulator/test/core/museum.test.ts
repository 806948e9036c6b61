/** The museum, as far as it fits into a test run; `npm run simulate -- --museum` shows all of it. */
import { describe, expect, it } from "vitest";
import { minimize } from "../../src/core/minimize.js";
import { hunt } from "../../src/core/museum.js";
import { exhibits } from "../../src/core/museum-table.js";
import { checkPatches, loadCore } from "../../src/core/mutant.js";
import { drawSettings } from "../../src/core/settings.js";
import { simulate } from "../../src/core/simulation.js";
import { nodeExhibits } from "../../src/museum/node-exhibits.js";

describe("the museum", () => {
  it("has a mutant for every bug of the table", () => {
    const shown = [...exhibits, ...nodeExhibits].map(({ number }) => number);
    const rows = Array.from({ length: 34 }, (_, i) => String(i + 1));
    expect(rows.filter((row) => !shown.includes(row))).toEqual([]);
    expect(new Set(shown).size).toBe(shown.length);
  });

  it.each(exhibits.map((exhibit) => [exhibit.number, exhibit.name, exhibit] as const))(
    "INV-SIM-5: the patch of %s fits: %s",
    (_number, _name, { patches }) => {
      expect(() => checkPatches(patches)).not.toThrow();
    },
  );

  it("INV-SIM-5: a patch that does not fit is refused", () => {
    const patch = { file: "core.js", find: "nothing of the kind", replace: "" };
    expect(() => checkPatches([patch])).toThrow("INV-SIM-5");
  });

  it.each(
    exhibits
      .filter(({ isQuick }) => isQuick)
      .map((exhibit) => [exhibit.number, exhibit.name, exhibit] as const),
  )("finds %s: %s", async (_number, _name, exhibit) => {
    const [first] = await hunt(exhibit);
    expect(first).toMatchObject({ isFound: true });
  });
});

describe("the minimizer", () => {
  it("INV-SIM-7: keeps what it takes to fail, and little else", () => {
    const names = Array.from({ length: 100 }, (_, i) => `step#${i}`);
    const needed = ["step#17", "step#18", "step#83"];
    const kept = minimize(names, (some) => needed.every((name) => some.includes(name)));
    expect(kept).toEqual(needed);
    expect(minimize(["a"], () => true)).toEqual([]);
  });

  it("INV-SIM-7: shrinks a run of a mutant to a few steps that break the same rule", async () => {
    const module = await loadCore(exhibits.find(({ number }) => number === "11")!.patches);
    const settings = drawSettings(2);
    const whole = simulate({ module, settings, isTraced: true });
    const rule = whole.violation?.rule;
    expect(rule).toContain("quorum");
    const breaks = (only: readonly string[]): boolean =>
      simulate({ module, settings, only: new Set(only) }).violation?.rule === rule;
    const names = minimize(whole.names, breaks);
    expect(breaks(names)).toBe(true);
    expect(names.length).toBeLessThan(whole.names.length / 10);
  });
});
