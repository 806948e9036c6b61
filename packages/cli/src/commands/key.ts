/** `authledger key create|list|revoke` and `authledger whoami`. */
import type { ApiKey } from "@authledger/sdk";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { isConfirmed, withConfirmation } from "../run/confirm.js";
import { expiryOf } from "../run/expiry.js";

export function addKeyCommands(program: Command, frame: CommandFrame): void {
  const key = program.command("key").description("API keys: who else may call the ledger");
  const create = key
    .command("create")
    .argument("<name>", "for people, such as billing-service")
    .description("make a key; it is shown once")
    .option("--expires <when>", "a time such as 2030-01-01T00:00:00Z; never when absent")
    .option("--reason <text>", "why, for the record");
  frame.handle(create, createKey);
  frame.handle(
    key.command("list").description("the keys that are not revoked; never their secrets"),
    async (run) => {
      const count = await run.print.many(all(run));
      if (count === 0) run.say("no keys yet: authledger key create NAME");
      return undefined;
    },
  );
  const revoke = key
    .command("revoke")
    .argument("<id>")
    .description("take a key back, for ever")
    .option("--reason <text>", "why, for the record");
  frame.handle(withConfirmation(revoke), revokeKey);
}

export function addWhoAmICommand(program: Command, frame: CommandFrame): void {
  const command = program.command("whoami").description("who the ledger takes you for");
  frame.handle(command, async (run) => {
    const { principal, kind } = await (await run.client()).keys.whoAmI(run.call);
    const fields = { principal, kind };
    await run.print.one({ name: principal, fields, columns: ["principal", "kind"] });
    return undefined;
  });
}

async function createKey(run: Run, name = ""): Promise<undefined> {
  const expiresAtMs = BigInt(expiryOf(textFlag(run, "expires")));
  const { keys } = await run.client();
  const { text, ...key } = await keys.create(name, { ...run.call, ...reasonOf(run), expiresAtMs });
  const thing = thingOf(key);
  run.say("the key is shown once; whoever has it is the principal");
  const fields = { ...thing.fields, key: text };
  await run.print.one({ ...thing, fields, columns: ["id", "principal", "expires_at", "key"] });
  return undefined;
}

async function revokeKey(run: Run, id = ""): Promise<undefined> {
  const plan = `whoever uses the key ${id} is refused from now on, and the key does not come back`;
  if (!(await isConfirmed(run, plan))) return undefined;
  await (await run.client()).keys.revoke(id, { ...run.call, ...reasonOf(run) });
  run.say(`the key ${id} is revoked`);
  return undefined;
}

function reasonOf(run: Run): { readonly reason?: string } {
  const reason = textFlag(run, "reason");
  return reason === undefined ? {} : { reason };
}

async function* all(run: Run): AsyncGenerator<Thing, void, undefined> {
  const { keys } = await run.client();
  for await (const key of keys.list(run.call)) yield thingOf(key);
}

function thingOf({ id, name, principal, creator, createdAtMs, expiresAtMs }: ApiKey): Thing {
  return {
    name: id,
    fields: {
      ...{ id, name, principal, creator },
      created_at: timeText(createdAtMs),
      expires_at: expiresAtMs === 0n ? undefined : timeText(expiresAtMs),
    },
    columns: ["id", "name", "principal", "creator", "created_at", "expires_at"],
  };
}
