/** `audit run` as a function. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LedgerClient } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { Command } from "commander";
import { addAuditCommands } from "../../src/commands/audit.js";
import type { CommandFrame, Handler } from "../../src/run/command.js";
import type { Run } from "../../src/run/run.js";
import { settingsOf } from "../../src/run/settings.js";
import type { Scene } from "./audit-scene.js";

export type Asked = Pick<
  LedgerClient,
  "getCheckpoint" | "getConsistencyProof" | "getBlockProof" | "getPolicyBundles" | "watchBlocks"
>;

export interface Audit {
  readonly state: string;
  readonly abort: AbortController;
  readonly said: string[];
  /** Runs the command to its end. */
  run(change: Partial<Asked>, flags?: Run["flags"]): Promise<number | undefined>;
}

function auditRun(): Handler {
  const handlers = new Map<string, Handler>();
  const handle = (command: Command, handler: Handler): Command => {
    handlers.set(command.name(), handler);
    return command;
  };
  addAuditCommands(new Command(), { handle } as unknown as CommandFrame);
  return handlers.get("run")!;
}

export function auditOf({
  data,
  client,
  anchor,
  tenant,
}: Pick<Scene, "data" | "anchor" | "tenant"> & { readonly client: Asked }): Audit {
  const directory = dirname(data);
  const [state, anchorFile] = [join(directory, "audit.json"), join(directory, "anchor.json")];
  writeFileSync(anchorFile, anchor);
  const abort = new AbortController();
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const honest: Asked = {
    getCheckpoint: (options) => client.getCheckpoint(options),
    getConsistencyProof: (sizes, options) => client.getConsistencyProof(sizes, options),
    getBlockProof: (height, options) => client.getBlockProof(height, options),
    getPolicyBundles: (options) => client.getPolicyBundles(options),
    watchBlocks: (options) => client.watchBlocks(options),
  };
  const flags = { org: String(tenant.organization), vault: String(tenant.vault) };
  return {
    ...{ state, abort, said },
    run: (change, more = {}) =>
      auditRun()({
        io: { signal: abort.signal, err: say },
        settings: settingsOf({ ...flags, anchor: anchorFile }, {}),
        flags: { state, ...more },
        call: { signal: abort.signal },
        client: async () => ({ ...honest, ...change }),
        print: { one: async () => undefined },
        say,
      } as unknown as Run),
  };
}

/** Progress of a watch, each after what is done before it; then the signal, as by Ctrl-C. */
export function watching(
  { abort }: Audit,
  ...before: readonly (() => Promise<void>)[]
): Pick<Asked, "watchBlocks"> {
  const watchBlocks = async function* () {
    for (const step of before) {
      await step();
      const [nextHeight, timeMs] = [0n, 0n];
      yield { kind: "progress", state: "live", nextHeight, tipHeight: 0n, timeMs } as const;
    }
    abort.abort("interrupted");
    throw new LedgerError("CANCELLED", "the caller gave up the watch");
  };
  return { watchBlocks };
}
