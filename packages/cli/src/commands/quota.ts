/** `authledger quota set|get|list|delete` and `authledger hot-keys`. */
import type { Quota, QuotaLimits, QuotaOwner } from "@authledger/sdk";
import type { Command } from "commander";
import type { Thing } from "../output/printer.js";
import { type CommandFrame, type Run, requireOrganization, textFlag } from "../run/command.js";
import { usage } from "../run/settings.js";

const LIMITS = {
  vaults: "vaults that an organization may have",
  bytes: "bytes that it may store, history included",
  reads: "units of reads a second, on each node",
  writes: "units of writes a second, on each node",
} as const;
const NAMES = Object.keys(LIMITS) as (keyof typeof LIMITS)[];

export function addQuotaCommands(program: Command, frame: CommandFrame): void {
  const quota = program.command("quota").description("how much organizations may use");
  const set = withOwner(quota.command("set"))
    .description("set all of a quota; a limit that is not given falls through, 0 = no limit")
    .option("--in-tier <name>", "the tier that the organization is put in");
  for (const name of NAMES) set.option(`--${name} <number>`, LIMITS[name]);
  frame.handle(withReason(set), setQuota);
  const get = quota.command("get").description("a quota as it was set, and the limits that hold");
  frame.handle(withOwner(get), getQuota);
  frame.handle(quota.command("list").description("all quotas that are set"), async (run) => {
    const { quotas } = await run.client();
    const count = await run.print.many(all(quotas.list(run.call)));
    if (count === 0) run.say("no quotas: authledger quota set --global --vaults 10");
    return undefined;
  });
  const remove = quota.command("delete").description("take a quota away: its limits fall through");
  frame.handle(withReason(withOwner(remove)), deleteQuota);
  frame.handle(
    program.command("hot-keys").description("keys that this node is asked for very often now"),
    showHotKeys,
  );
}

function withOwner(command: Command): Command {
  return command
    .option("--tier <name>", "of a tier, not of the organization")
    .option("--global", "of all organizations");
}

function withReason(command: Command): Command {
  return command.option("--reason <text>", "why, for the record");
}

/** @throws LedgerError USAGE */
function ownerOf(run: Run): QuotaOwner {
  const tier = textFlag(run, "tier");
  if (run.flags["global"] === true) {
    if (tier !== undefined) throw usage("--global and --tier are two quotas: choose one");
    return {};
  }
  return tier === undefined ? { organization: requireOrganization(run.settings) } : { tier };
}

/** @throws LedgerError USAGE */
function limitOf(run: Run, name: string): bigint | undefined {
  const text = textFlag(run, name);
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,16}$/.test(text)) throw usage(`--${name} "${text}" is no whole number`);
  return BigInt(text);
}

async function setQuota(run: Run): Promise<undefined> {
  const limits: QuotaLimits = Object.fromEntries(NAMES.map((name) => [name, limitOf(run, name)]));
  const about = { reason: textFlag(run, "reason"), assignedTier: textFlag(run, "inTier") };
  const { quotas } = await run.client();
  await run.print.one(thingOf(await quotas.set(ownerOf(run), limits, { ...run.call, ...about })));
  return undefined;
}

async function getQuota(run: Run): Promise<undefined> {
  const owner = ownerOf(run);
  const { quotas } = await run.client();
  const { quota, effective } = await quotas.get(owner, run.call);
  if (quota === undefined) run.say("none is set here");
  const set = quota ?? ownQuota(owner);
  const { name, fields } = thingOf(set);
  const holding = effective.flatMap(({ quota: what, limit, source }) => [
    [`effective_${what}`, limit],
    [`${what}_from`, source],
  ]);
  await run.print.one({ name, fields: { ...fields, ...Object.fromEntries(holding) } });
  return undefined;
}

async function deleteQuota(run: Run): Promise<undefined> {
  const { quotas } = await run.client();
  const reason = textFlag(run, "reason");
  const existed = await quotas.delete(ownerOf(run), { ...run.call, reason });
  run.say(existed ? "the quota is gone: its limits fall through" : "none was set here");
  return undefined;
}

async function showHotKeys(run: Run): Promise<undefined> {
  const { admin } = await run.client();
  const keys = await admin.getHotKeys(run.call);
  await run.print.many(
    keys.map(({ key, perSecond }) => ({
      name: key,
      fields: { key, per_second: perSecond },
      columns: ["key", "per_second"],
    })),
  );
  return undefined;
}

async function* all(quotas: AsyncIterable<Quota>): AsyncGenerator<Thing, void, undefined> {
  for await (const quota of quotas) yield thingOf(quota);
}

/** One that sets nothing. */
function ownQuota({ organization, tier }: QuotaOwner): Quota {
  return {
    ...(organization !== undefined && { organization: BigInt(organization) }),
    ...(tier !== undefined && { tier }),
  };
}

function thingOf(quota: Quota): Thing {
  const { organization, tier, assignedTier, vaults, bytes, reads, writes } = quota;
  const of =
    organization === undefined ? (tier === undefined ? "global" : `tier:${tier}`) : organization;
  return {
    name: String(of),
    fields: {
      ...{ of: String(of), tier: assignedTier ?? null, vaults: vaults ?? null },
      ...{ bytes: bytes ?? null, reads: reads ?? null, writes: writes ?? null },
    },
    columns: ["of", "tier", "vaults", "bytes", "reads", "writes"],
  };
}
