/** `authledger status`: is the node well, how far is it, what does it use? */
import type { NodeInfo } from "@authledger/sdk";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import { durationText, sizeText } from "../output/quantity.js";
import type { CommandFrame, Run } from "../run/command.js";
import { type NodeHttp, readNodeHttp } from "../run/node-http.js";
import { watchable } from "../run/watch.js";

export function addStatusCommand(program: Command, frame: CommandFrame): void {
  const status = program
    .command("status")
    .description("health, progress, disk and memory of the node that answers")
    .addHelpText("after", "\nExits with 6 when no node answers, or it is not ready.");
  frame.handle(watchable(status), showStatus);
}

async function showStatus(run: Run): Promise<number> {
  const client = await run.client();
  const startMs = performance.now();
  const info = await client.admin.getNodeInfo(run.call);
  const answerMs = performance.now() - startMs;
  const endpoint = run.settings.endpoints[0] ?? "";
  const http = await readNodeHttp(info.httpAddress, endpoint, run.io.signal);
  const health = healthOf(info, http);
  const fields = {
    health,
    endpoint: run.settings.endpoints.join(","),
    ...progressFields(info),
    ...(http !== undefined && usageFields(http)),
    http: http?.address ?? null,
    answer_ms: Math.round(answerMs * 10) / 10,
  };
  if (http === undefined) {
    run.say(`disk and memory are not known: nothing answers on ${info.httpAddress} (HTTP)`);
  }
  await run.print.one({ name: health, fields, columns: columnsOf(fields) });
  return health === "serving" ? 0 : 6;
}

function healthOf({ role }: NodeInfo, http: NodeHttp | undefined): string {
  if (http !== undefined && !http.isReady) return "not_ready";
  return role === "starting" ? "starting" : "serving";
}

function progressFields(info: NodeInfo): Readonly<Record<string, Printable>> {
  const uptimeMs = BigInt(Date.now()) - info.startedAtMs;
  return {
    role: info.role,
    version: info.version,
    node_id: info.nodeId,
    cluster_origin: info.clusterOrigin,
    cluster_id: info.clusterId,
    format_version: info.formatVersion,
    uptime: durationText(Number(uptimeMs)),
    uptime_ms: uptimeMs,
    started_at: timeText(info.startedAtMs),
    started_at_ms: info.startedAtMs,
    organizations: info.organizations,
    vaults: info.vaults,
    term: info.term,
    last_index: info.lastIndex,
    applied_index: info.appliedIndex,
    flushed_index: info.flushedIndex,
    unflushed: info.appliedIndex - info.flushedIndex,
  };
}

/** Sizes for people, and in bytes for programs. */
function usageFields({ metric }: NodeHttp): Readonly<Record<string, Printable>> {
  const fields: Record<string, Printable> = {};
  const size = (name: string, bytes: number | undefined): void => {
    if (bytes === undefined) return;
    fields[name] = sizeText(bytes);
    fields[`${name}_bytes`] = BigInt(Math.round(bytes));
  };
  size("store", metric("store_file_bytes"));
  size("store_free", metric("store_free_bytes"));
  size("log", metric("wal_bytes"));
  size("cache", metric("store_cache_bytes"));
  size("dirty", metric("store_dirty_bytes"));
  size("memory", metric("process_resident_memory_bytes"));
  const plain = { writes_waiting: "writes_waiting", sync_p99_ms: "wal_sync_p99_ms" };
  for (const [name, gauge] of Object.entries(plain)) {
    const value = metric(gauge);
    if (value !== undefined) fields[name] = Math.round(value * 100) / 100;
  }
  return fields;
}

/** What people read: sizes and times once. */
function columnsOf(fields: Readonly<Record<string, Printable>>): readonly string[] {
  const hidden = new Set(["cluster_id", "started_at_ms", "uptime_ms", "format_version"]);
  return Object.keys(fields).filter(
    (name) => !hidden.has(name) && (!name.endsWith("_bytes") || !(name.slice(0, -6) in fields)),
  );
}
