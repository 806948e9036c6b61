/**
 * Hunts the mutants of log, page store and engine: seed after seed, until one breaks a rule that the healthy build keeps.
 */
import * as healthyStore from "@authledger/store";
import * as healthyWal from "@authledger/wal";
import { drawSettings } from "../cluster/cluster-settings.js";
import { type RunReport, runCluster } from "../cluster/run-cluster.js";
import { asViolation, type Violation } from "../core/violation.js";
import { type CopiedPackage, type ImportCopy, patchedFiles, withCopies } from "./built-packages.js";
import { type DigestModule, disagree } from "./digest-driver.js";
import { failSync, flipBit, losePower, type WalModule } from "./log-driver.js";
import type { NodeExhibit, NodeHunter } from "./node-exhibits.js";
import { failStoreSync, loseStorePower, type StoreModule } from "./store-driver.js";
import { type SwitchModule, switchStates } from "./switch-driver.js";

export interface NodeCatch {
  readonly isFound: boolean;
  readonly seeds: number;
  /** The rule that was broken. */
  readonly rule: string | undefined;
}

/** One seed; the rule that it broke. */
type Hunt = (seed: number) => Promise<string | undefined>;

type ClusterModule = { readonly runCluster: typeof runCluster };

const ENGINE_PACKAGES: readonly CopiedPackage[] = ["wal", "store", "raft", "state", "engine"];

/** Throws where a patch does not fit the package as it is built now. */
export function checkNodePatches({ of, patches }: NodeExhibit): void {
  patchedFiles(of, patches);
}

export function huntNode({ of, patches, hunter }: NodeExhibit): Promise<NodeCatch> {
  return withCopies(packagesFor(of, hunter), new Map([[of, patches]]), async (importCopy) => {
    const mutant = await huntOn(hunter, importCopy);
    const from = hunter.by === "nodes" ? hunter.from : 1;
    for (let seed = from; seed < from + hunter.seeds; seed++) {
      const rule = await mutant(seed);
      if (rule === undefined || (await healthyRule(hunter, seed)) !== undefined) continue;
      return { isFound: true, seeds: seed - from + 1, rule };
    }
    return { isFound: false, seeds: hunter.seeds, rule: undefined };
  });
}

function packagesFor(of: CopiedPackage, { by }: NodeHunter): readonly CopiedPackage[] {
  if (by === "nodes") return [...ENGINE_PACKAGES, "simulator"];
  return of === "engine" ? ENGINE_PACKAGES : [of];
}

/** The rule that the healthy build breaks in the hands of a hunter; there is none. */
export async function healthyRule(hunter: NodeHunter, seed: number): Promise<string | undefined> {
  switch (hunter.by) {
    case "nodes":
      return huntNodes({ runCluster }, hunter)(seed);
    case "switch of states":
    case "digests":
      return withCopies(ENGINE_PACKAGES, new Map(), async (importCopy) =>
        (await huntOn(hunter, importCopy))(seed),
      );
    case "store power loss":
    case "store sync failure":
      return huntStore(healthyStore, hunter.by)(seed);
    default:
      return huntLog(healthyWal, hunter.by)(seed);
  }
}

async function huntOn(hunter: NodeHunter, importCopy: ImportCopy): Promise<Hunt> {
  switch (hunter.by) {
    case "nodes": {
      const copy = await importCopy("simulator", "cluster/run-cluster.js");
      return huntNodes(copy as ClusterModule, hunter);
    }
    case "switch of states": {
      const copy = await importCopy("engine", "cluster/state-switch.js");
      return (seed) => ruleOf(switchStates(copy as SwitchModule, seed));
    }
    case "digests": {
      const copy = await importCopy("engine", "cluster/digest-watch.js");
      return (seed) => ruleOf(disagree(copy as DigestModule, seed));
    }
    case "store power loss":
    case "store sync failure":
      return huntStore((await importCopy("store")) as StoreModule, hunter.by);
    default:
      return huntLog((await importCopy("wal")) as WalModule, hunter.by);
  }
}

function huntLog(
  module: WalModule,
  by: "log power loss" | "log sync failure" | "log bit flip",
): Hunt {
  const drive = {
    "log power loss": losePower,
    "log sync failure": failSync,
    "log bit flip": flipBit,
  };
  return (seed) => ruleOf(drive[by](module, seed));
}

function huntStore(module: StoreModule, by: "store power loss" | "store sync failure"): Hunt {
  const drive = { "store power loss": loseStorePower, "store sync failure": failStoreSync };
  return (seed) => ruleOf(drive[by](module, seed));
}

function huntNodes(module: ClusterModule, hunter: Extract<NodeHunter, { by: "nodes" }>): Hunt {
  return async (seed) => {
    const report: RunReport = await module.runCluster(drawSettings(seed, hunter));
    return report.failure?.what.split("\n", 1)[0]?.slice(0, 160);
  };
}

async function ruleOf(driven: Promise<void>): Promise<string | undefined> {
  try {
    await driven;
    return undefined;
  } catch (error) {
    const { rule }: Violation = asViolation(error);
    return rule;
  }
}
