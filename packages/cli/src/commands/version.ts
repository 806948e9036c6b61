/** `authledger version`: of this command, and of the node where one answers. */
import { readFileSync } from "node:fs";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import type { CommandFrame, Run } from "../run/command.js";

const NODE_ANSWER_MS = 1_000;

/** The version of this package. */
export function cliVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

export function addVersionCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("version")
    .description("show the versions of this command and of the node")
    .option("--client", "do not ask the node");
  frame.handle(command, async (run) => {
    const version = cliVersion();
    const node = run.flags["client"] === true ? {} : await nodeFields(run);
    const fields = { version, node_js: process.versions.node, ...node };
    await run.print.one({ name: version, fields });
    return undefined;
  });
}

/** A node that does not answer is no error here: the version of the command is known. */
async function nodeFields(run: Run): Promise<Record<string, Printable>> {
  try {
    const client = await run.client({ deadlineMs: NODE_ANSWER_MS, attemptsMax: 1 });
    const info = await client.admin.getNodeInfo(run.call);
    return {
      node: info.version,
      node_id: info.nodeId,
      cluster_id: info.clusterId,
      cluster_origin: info.clusterOrigin,
      format_version: info.formatVersion,
      role: info.role,
      term: info.term,
      last_index: info.lastIndex,
      applied_index: info.appliedIndex,
      flushed_index: info.flushedIndex,
      organizations: info.organizations,
      vaults: info.vaults,
      http_address: info.httpAddress,
      started_at: timeText(info.startedAtMs),
      started_at_ms: info.startedAtMs,
    };
  } catch (error) {
    run.say(`no node answered: ${LedgerError.from(error).message}`);
    return { node: null };
  }
}
