/** Flags of `authledger start` about what protects a node. */
import type { NodeConfigInput } from "@authledger/server";
import type { Command } from "commander";
import { type Run, textFlag } from "../run/command.js";

export function addProtectionFlags(start: Command): void {
  start
    .option("--rate-node-reads <units>", "of reads that the node answers a second; 0 = no limit")
    .option("--rate-node-writes <units>", "of writes")
    .option("--rate-client-reads <units>", "of one client: who it is, or its address")
    .option("--rate-client-writes <units>", "of its writes")
    .option("--rate-organization-reads <units>", "of an organization without a quota")
    .option("--rate-organization-writes <units>", "of its writes")
    .option("--rate-burst <duration>", "of a rate may be used at once (default 2s)")
    .option("--overload-turn <duration>", "of the thread for calls at a time (default 25ms)")
    .option("--overload-write-wait <duration>", "above it fewer writes are let in (default 500ms)")
    .option("--deadline-writes <duration>", "a write with less left is refused (default 5ms)")
    .option("--deadline-max <duration>", "the longest deadline of a call (default 60s)")
    .option("--hot-key-rate <n>", "calls a second of a key that the log tells of (default 1000)")
    .option("--connections-max <n>", "connections of clients at a time (default 4000)");
}

export function protectionOf(run: Pick<Run, "flags">): NodeConfigInput {
  return {
    rateNodeReads: textFlag(run, "rateNodeReads"),
    rateNodeWrites: textFlag(run, "rateNodeWrites"),
    rateClientReads: textFlag(run, "rateClientReads"),
    rateClientWrites: textFlag(run, "rateClientWrites"),
    rateOrganizationReads: textFlag(run, "rateOrganizationReads"),
    rateOrganizationWrites: textFlag(run, "rateOrganizationWrites"),
    rateBurst: textFlag(run, "rateBurst"),
    overloadTurn: textFlag(run, "overloadTurn"),
    overloadWriteWait: textFlag(run, "overloadWriteWait"),
    deadlineWrites: textFlag(run, "deadlineWrites"),
    deadlineMax: textFlag(run, "deadlineMax"),
    hotKeyRate: textFlag(run, "hotKeyRate"),
    connectionsMax: numberFlag(run, "connectionsMax"),
  };
}

function numberFlag(run: Pick<Run, "flags">, name: string): number | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : Number(text);
}
