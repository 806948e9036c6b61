/** `authledger role grant|revoke|list`. */
import { ROLE_NAMES, type Role, type RoleBinding, type RolePlace } from "@authledger/sdk";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import {
  type CommandFrame,
  type Run,
  requireOrganization,
  requireTenant,
  textFlag,
} from "../run/command.js";
import { expiryOf } from "../run/expiry.js";
import { usage } from "../run/settings.js";

const GROUP = "group:";

export function addRoleCommands(program: Command, frame: CommandFrame): void {
  const role = program
    .command("role")
    .description("roles: who may do what in vaults, organizations and the cluster");
  const grant = role
    .command("grant")
    .argument("<principal>", "key:<id>, user:<subject>, cert:<name> or group:<name>")
    .argument("<role>", ROLE_NAMES.join(", "))
    .description("give a role")
    .option("--expires <when>", "a time such as 2030-01-01T00:00:00Z; never when absent");
  frame.handle(withReason(withPlace(grant)), grantRole);
  const revoke = role
    .command("revoke")
    .argument("<principal>")
    .argument("<role>")
    .description("take a role away");
  frame.handle(withReason(withPlace(revoke)), revokeRole);
  const list = role
    .command("list")
    .argument("[principal]", "only its roles; without --on all of them, wherever they are")
    .description("roles as they were given");
  frame.handle(withPlace(list), async (run, principal) => {
    const count = await run.print.many(all(run, principal));
    if (count === 0) run.say("no roles here: authledger role grant PRINCIPAL ROLE");
    return undefined;
  });
}

function withPlace(command: Command): Command {
  return command.option("--on <place>", "vault (default), organization, cluster or group:<name>");
}

function withReason(command: Command): Command {
  return command.option("--reason <text>", "why, for the record");
}

async function grantRole(run: Run, principal = "", role = ""): Promise<undefined> {
  const expiresAtMs = BigInt(expiryOf(textFlag(run, "expires")));
  const options = { ...run.call, ...placeOf(run), ...reasonOf(run), expiresAtMs };
  const { roles } = await run.client();
  const { existed, ...binding } = await roles.grant(principal, roleOf(role), options);
  if (existed) run.say("it was there before");
  await run.print.one(thingOf(binding));
  return undefined;
}

async function revokeRole(run: Run, principal = "", role = ""): Promise<undefined> {
  const options = { ...run.call, ...placeOf(run), ...reasonOf(run) };
  const { roles } = await run.client();
  const existed = await roles.revoke(principal, roleOf(role), options);
  run.say(existed ? `${principal} is ${role} no more` : `${principal} was not ${role}`);
  return undefined;
}

async function* all(
  run: Run,
  principal: string | undefined,
): AsyncGenerator<Thing, void, undefined> {
  const { roles } = await run.client();
  const isAnywhere = principal !== undefined && textFlag(run, "on") === undefined;
  const place = isAnywhere ? {} : placeOf(run);
  const filter = principal === undefined ? {} : { principal };
  for await (const binding of roles.list({ ...run.call, ...place, ...filter })) {
    yield thingOf(binding);
  }
}

/** @throws LedgerError USAGE */
function placeOf(run: Run): RolePlace {
  const place = textFlag(run, "on") ?? "vault";
  if (place === "cluster") return {};
  if (place.startsWith(GROUP)) return { group: place.slice(GROUP.length) };
  if (place === "organization" || place === "org")
    return { organization: BigInt(requireOrganization(run.settings)) };
  if (place !== "vault") {
    throw usage(`--on "${place}" is none of vault, organization, cluster and group:<name>`);
  }
  const { organization, vault } = requireTenant(run);
  return { organization: BigInt(organization), vault: BigInt(vault) };
}

/** @throws LedgerError USAGE */
function roleOf(text: string): Role {
  const role = ROLE_NAMES.find((name) => name === text);
  if (role === undefined) throw usage(`"${text}" is no role; roles: ${ROLE_NAMES.join(", ")}`);
  return role;
}

function reasonOf(run: Run): { readonly reason?: string } {
  const reason = textFlag(run, "reason");
  return reason === undefined ? {} : { reason };
}

function thingOf(binding: RoleBinding): Thing {
  const { principal, role, organization, vault, group, expiresAtMs, version } = binding;
  return {
    name: principal,
    fields: {
      ...{ principal, role, organization, vault, group },
      expires_at: expiresAtMs === 0n ? undefined : timeText(expiresAtMs),
      version,
    },
    columns: ["principal", "role", "organization", "vault", "group", "expires_at"],
  };
}
