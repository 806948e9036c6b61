/** `authledger org create|get|list|suspend|resume|delete`. */
import type { Organization } from "@authledger/sdk";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import type { CommandFrame, Run } from "../run/command.js";
import { withConfirmation } from "../run/confirm.js";
import { isDeletionConfirmed } from "../run/confirm-deletion.js";
import { stating, withReason } from "../run/reason.js";
import { watchable } from "../run/watch.js";

export function addOrgCommands(program: Command, frame: CommandFrame): void {
  const org = program.command("org").description("organizations: who owns vaults");
  frame.handle(
    withReason(org.command("create").argument("<name>").description("create an organization")),
    async (run, name) => {
      const { admin } = await run.client();
      await run.print.one(thingOf(await admin.createOrganization(name!, stating(run))));
      return undefined;
    },
  );
  frame.handle(
    org.command("get").argument("<slug>").description("show an organization"),
    async (run, slug) => {
      const { admin } = await run.client();
      await run.print.one(thingOf(await admin.getOrganization(slug!, run.call)));
      return undefined;
    },
  );
  frame.handle(
    watchable(org.command("list").description("list all organizations")),
    async (run) => {
      const count = await run.print.many(all(run));
      if (count === 0) run.say("no organizations that you may see: authledger org create NAME");
      return undefined;
    },
  );
  const suspend = org
    .command("suspend")
    .argument("<slug>")
    .description("take an organization out of service: nothing of it is read or written");
  frame.handle(withReason(suspend), (run, slug) => setService(run, "suspendOrganization", slug));
  const resume = org
    .command("resume")
    .argument("<slug>")
    .description("take a suspended organization back into service");
  frame.handle(withReason(resume), (run, slug) => setService(run, "resumeOrganization", slug));
  const remove = org
    .command("delete")
    .argument("<slug>")
    .description("delete an organization without vaults, for ever");
  frame.handle(withConfirmation(withReason(remove)), deleteOrganization);
}

async function setService(
  run: Run,
  call: "suspendOrganization" | "resumeOrganization",
  slug = "",
): Promise<undefined> {
  const { admin } = await run.client();
  await run.print.one(thingOf(await admin[call](slug, stating(run))));
  return undefined;
}

async function deleteOrganization(run: Run, slug = ""): Promise<undefined> {
  const { admin } = await run.client();
  const found = await admin.getOrganization(slug, run.call);
  const isGone = found.status === "deleting" || found.status === "deleted";
  const plan = {
    what: `organization ${slug} "${found.name}"`,
    name: found.name,
    lines: ["it must have no vaults", "its slug is never used again"],
  };
  const deleted =
    isGone || !(await isDeletionConfirmed(run, plan))
      ? found
      : await admin.deleteOrganization(slug, stating(run));
  await run.print.one(thingOf(deleted));
  return undefined;
}

async function* all(run: Run): AsyncGenerator<Thing, void, undefined> {
  const { admin } = await run.client();
  for await (const organization of admin.listOrganizations(run.call)) yield thingOf(organization);
}

function thingOf({ slug, name, status, createdAtMs }: Organization): Thing {
  return {
    name: String(slug),
    fields: {
      slug,
      name,
      status,
      created_at: timeText(createdAtMs),
      created_at_ms: createdAtMs,
    },
    columns: ["slug", "name", "status", "created_at"],
  };
}
