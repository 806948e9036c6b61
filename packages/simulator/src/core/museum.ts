/** Hunts the mutants of the museum: each with its hunters in turn, until one breaks a rule or all budgets are spent. */
import { readFileSync } from "node:fs";
import * as healthy from "@authledger/raft";
import type { CoreModule } from "./core-module.js";
import { explore } from "./explorer.js";
import type { Exhibit, Hunter } from "./museum-table.js";
import { loadCore } from "./mutant.js";
import { tell } from "./scenario.js";
import { type CoreSettings, drawFocused } from "./settings.js";
import { shapes } from "./shapes.js";
import { simulate } from "./simulation.js";

export interface Catch {
  readonly hunter: Hunter;
  readonly isFound: boolean;
  /** Seeds or states that it took. */
  readonly effort: number;
  /** The rule that was broken. */
  readonly rule: string | undefined;
}

/** What each hunter of an exhibit found, up to the first that did; `all` lets every one hunt. */
export async function hunt(exhibit: Exhibit, all = false): Promise<Catch[]> {
  const module = await loadCore(exhibit.patches);
  const catches: Catch[] = [];
  for (const hunter of exhibit.hunters) {
    const caught = huntWith(module, hunter);
    catches.push(caught);
    if (caught.isFound && !all) break;
  }
  return catches;
}

function huntWith(module: CoreModule, hunter: Hunter): Catch {
  switch (hunter.by) {
    case "scenario":
      return huntByScenario(module, hunter);
    case "swarm":
      return huntInSwarm(module, hunter);
    default:
      return huntByExploring(module, hunter);
  }
}

function huntByScenario(module: CoreModule, hunter: Extract<Hunter, { by: "scenario" }>): Catch {
  const path = new URL(`../../test/core/scenarios/${hunter.file}`, import.meta.url);
  const text = readFileSync(path, "utf8");
  const { transcript, violation } = tell(text, module);
  const isFound = transcript !== text;
  return { hunter, isFound, effort: 1, rule: violation?.rule ?? "another transcript" };
}

function huntInSwarm(module: CoreModule, hunter: Extract<Hunter, { by: "swarm" }>): Catch {
  for (let seed = 1; seed <= hunter.seeds; seed++) {
    const settings = drawFocused(seed, hunter.focus ?? {});
    const { violation } = simulate({ module, settings });
    if (violation !== undefined && isHealthy(settings)) {
      return { hunter, isFound: true, effort: seed, rule: violation.rule };
    }
  }
  return { hunter, isFound: false, effort: hunter.seeds, rule: undefined };
}

/** What the healthy core does too was not found because of the mutant. */
function isHealthy(settings: CoreSettings): boolean {
  return simulate({ module: healthy, settings }).violation === undefined;
}

function huntByExploring(module: CoreModule, hunter: Extract<Hunter, { by: "explorer" }>): Catch {
  const shape = shapes.find(({ name }) => name.startsWith(hunter.shape));
  if (shape === undefined) throw new Error(`no start of the explorer is named ${hunter.shape}`);
  const { violation, states } = explore({ module, shape, statesMax: hunter.states });
  return { hunter, isFound: violation !== undefined, effort: states, rule: violation?.rule };
}
