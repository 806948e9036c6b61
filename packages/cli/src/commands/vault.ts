/** `authledger vault create|get|update|list|client|delete|anchor`. */
import type { Vault } from "@authledger/sdk";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireOrganization, requireTenant } from "../run/command.js";
import { withConfirmation } from "../run/confirm.js";
import { isDeletionConfirmed } from "../run/confirm-deletion.js";
import { consistencyOf, withConsistency } from "../run/consistency.js";
import { stating, withReason } from "../run/reason.js";
import { withoutProof } from "../run/rows.js";
import { watchable } from "../run/watch.js";
import { addVaultUpdateCommand, retentionText } from "./vault-update.js";

export function addVaultCommands(program: Command, frame: CommandFrame): void {
  const vault = program.command("vault").description("vaults: each a ledger of its own");
  frame.handle(
    withReason(vault.command("create").argument("<name>").description("create a vault in --org")),
    async (run, name) => {
      const { admin } = await run.client();
      const organization = requireOrganization(run.settings);
      const created = await admin.createVault({ organization, name: name! }, stating(run));
      await run.print.one(thingOf(created));
      return undefined;
    },
  );
  frame.handle(
    watchable(vault.command("get").alias("show").description("show --vault")),
    async (run) => {
      const { admin } = await run.client();
      const vault = await admin.getVault(requireTenant(run), run.call);
      const { fields, columns = [], name } = thingOf(vault);
      const withHealth = { ...fields, health: vault.health };
      await run.print.one({ name, fields: withHealth, columns: [...columns, "health"] });
      return undefined;
    },
  );
  addVaultUpdateCommand(vault, frame, thingOf);
  const list = vault.command("list").description("list the vaults of --org");
  frame.handle(watchable(list), async (run) => {
    const count = await run.print.many(all(run));
    if (count === 0) run.say("no vaults yet: authledger vault create NAME");
    return undefined;
  });
  const remove = vault
    .command("delete")
    .argument("<slug>")
    .description("delete a vault of --org and everything in it, for ever");
  frame.handle(withConfirmation(withReason(remove)), deleteVault);
  const client = vault
    .command("client")
    .argument("<id>")
    .description("show what a client did last in --vault: sequence, block and transaction");
  frame.handle(watchable(withConsistency(withoutProof(client))), showClient);
  const anchor = vault
    .command("anchor")
    .description("print the trust anchor of --vault, which --anchor FILE takes")
    .addHelpText("after", "\nIt holds the vault's salt. Take it over a channel that you trust.");
  frame.handle(anchor, async (run) => {
    const { admin } = await run.client();
    const text = (await admin.getTrustAnchor(requireTenant(run), run.call)).trim();
    await printAnchor(run, text);
    return undefined;
  });
}

async function deleteVault(run: Run, slug = ""): Promise<undefined> {
  const { admin } = await run.client();
  const tenant = { organization: requireOrganization(run.settings), vault: slug };
  const found = await admin.getVault(tenant, run.call);
  const isGone = found.status === "deleting" || found.status === "deleted";
  const plan = {
    what: `vault ${slug} "${found.name}" of organization ${tenant.organization}`,
    name: found.name,
    lines: [
      `its ${found.height + 1n} blocks with all tuples, entities and their history`,
      "its signed heads stay valid, but no node can prove anything of it any more",
      "its slug is never used again",
    ],
  };
  const deleted =
    isGone || !(await isDeletionConfirmed(run, plan))
      ? found
      : await admin.deleteVault(tenant, stating(run));
  await run.print.one(thingOf(deleted));
  return undefined;
}

async function showClient(run: Run, id = ""): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const unproven = run.flags["unproven"] === true;
  const options = { ...run.call, consistency: consistencyOf(run), unproven };
  const { lastSequence, lastHeight, lastTransactionId, height, token } = await client.clientState(
    id,
    options,
  );
  await run.print.one({
    name: id,
    fields: {
      client: id,
      last_sequence: lastSequence,
      last_height: lastTransactionId === undefined ? null : lastHeight,
      last_transaction: lastTransactionId ?? null,
      height,
      token,
    },
  });
  return undefined;
}

/** The text itself, unless another output is wanted: it is what a file must hold. */
async function printAnchor(run: Run, text: string): Promise<void> {
  const { format, field } = run.settings;
  if (format === "table" && field === undefined) return run.io.out(`${text}\n`);
  const { origin, salt, genesis } = JSON.parse(text) as Record<string, string>;
  return run.print.one({ name: origin ?? "", fields: { origin, salt, genesis, anchor: text } });
}

async function* all(run: Run): AsyncGenerator<Thing, void, undefined> {
  const organization = requireOrganization(run.settings);
  const { admin } = await run.client();
  for await (const vault of admin.listVaults(organization, run.call)) yield thingOf(vault);
}

function thingOf(vault: Vault): Thing {
  const { organization, slug, name, status, createdAtMs, origin, height } = vault;
  const { retentionBlocks, oldestHeight } = vault;
  return {
    name: String(slug),
    fields: {
      organization,
      slug,
      name,
      status,
      height,
      retention: retentionText(retentionBlocks),
      retention_blocks: retentionBlocks,
      oldest_height: oldestHeight,
      origin,
      created_at: timeText(createdAtMs),
      created_at_ms: createdAtMs,
    },
    columns: ["slug", "name", "status", "height", "retention", "origin", "created_at"],
  };
}
