/** etcd/raft's scenarios of configuration changes, byte for byte. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  applySimple,
  type Changed,
  enterJoint,
  leaveJoint,
} from "../../src/configuration-change.js";
import { LogView } from "../../src/log-view.js";
import { statusOf } from "../../src/progress.js";
import { reconcileProgress, State, settingsOf } from "../../src/state.js";
import { changeOf, membershipOf, node } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";
import { describeMembership, describeProgress } from "./describe.js";
import { type Directive, parseScript, scenarioFiles, scenarioFolder } from "./script.js";

const folder = scenarioFolder("confchange/testdata");

describe.runIf(folder !== undefined)("the configuration changes of etcd/raft", () => {
  for (const file of folder === undefined ? [] : scenarioFiles(folder)) {
    test(file, () => {
      const state = emptyState();
      for (const directive of parseScript(join(folder!, file))) {
        expect(run(state, directive), `${file}:${directive.line}`).toBe(directive.expected);
        // Each command is one entry later than the one before.
        const index = state.log.lastIndex + 1;
        state.log.append([{ index, term: 1, payload: new Uint8Array(0) }]);
      }
    });
  }
});

function emptyState(): State {
  const options = {
    id: node(1),
    log: new MemoryLog(),
    hardState: { term: 1, vote: undefined, commit: 0 },
    applied: 0,
    membership: membershipOf([]),
    electionTicks: 10,
    heartbeatTicks: 1,
    jitter: () => 0,
  };
  const log = new LogView(options.log, 0, 0);
  return new State(settingsOf(options), log, options.hardState, options.membership);
}

function run(state: State, directive: Directive): string {
  const { membership, refused } = change(state, directive);
  if (membership === undefined) return refused;
  state.membership = membership;
  reconcileProgress(state);
  const progress = [...state.progress.values()].map((one) => describeProgress(statusOf(one)));
  return [describeMembership(membership), ...progress].join("\n");
}

function change({ membership }: State, { command, args, input }: Directive): Changed {
  const { changes } = changeOf(input);
  if (command === "simple") return applySimple(membership, changes);
  if (command === "leave-joint") return leaveJoint(membership);
  return enterJoint(membership, changes, args.get("autoleave")?.[0] === "true");
}
