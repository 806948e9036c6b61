/** Roles that were given, from messages to tuples of the system vault and back. */
import type { StoredTuple } from "@authledger/engine";
import { iam } from "@authledger/proto";
import { LedgerError, type Tuple } from "@authledger/types";
import { missing } from "../convert-request.js";
import { objectOf } from "./role-model.js";
import { CLUSTER_OBJECT, decodeName, encodeName, principalSubject } from "./role-names.js";

type Scope = Pick<iam.RoleBinding, "organization" | "vault" | "group">;

/** Relation, role, and what it may be given on. */
const ROLES: readonly (readonly [string, iam.Role, readonly ScopeKind[]])[] = [
  ["reader", iam.Role.ROLE_READER, ["organization", "vault"]],
  ["writer", iam.Role.ROLE_WRITER, ["organization", "vault"]],
  ["manager", iam.Role.ROLE_MANAGER, ["organization", "vault"]],
  ["administrator", iam.Role.ROLE_ADMINISTRATOR, ["cluster", "organization", "vault"]],
  ["operator", iam.Role.ROLE_OPERATOR, ["cluster"]],
  ["member", iam.Role.ROLE_MEMBER, ["group"]],
];

type ScopeKind = "cluster" | "organization" | "vault" | "group";

/** Of root and of who shows no credential nobody says what they may. */
const GRANTED = /^(key|user|cert|group):./;
const GROUP = "group:";

/** As people write it; undefined for what is none. */
export function roleName(role: iam.Role): string | undefined {
  return ROLES.find((row) => row[1] === role)?.[0];
}

/** @throws LedgerError ROLE_INVALID, INVALID_ARGUMENT */
export function tupleOfBinding(binding: iam.RoleBinding | undefined): Tuple {
  if (binding === undefined) throw missing("binding");
  const { kind, resource } = scopeOf(binding);
  const found = ROLES.find(([, role]) => role === binding.role);
  if (found === undefined) throw missing("binding.role");
  const [relation, , kinds] = found;
  if (!kinds.includes(kind)) {
    const possible = ROLES.filter((row) => row[2].includes(kind)).map(([name]) => name);
    const message = `${relation} is no role of ${article(kind)}; its roles: ${possible.join(", ")}`;
    throw invalid(message, "binding.role");
  }
  return { resource, relation, subject: subjectOf(binding.principal) };
}

/** @throws LedgerError ROLE_INVALID */
export function subjectOf(name: string): string {
  if (!GRANTED.test(name)) {
    const shown = JSON.stringify(name.slice(0, 80));
    const message = `${shown} is no principal; write key:<id>, user:<subject>, cert:<name> or group:<name>`;
    throw invalid(message, "principal");
  }
  if (!name.startsWith(GROUP)) return principalSubject({ name });
  return `${GROUP}${encodeName(name.slice(GROUP.length))}#member`;
}

/** @throws LedgerError ROLE_INVALID */
export function scopeOf({ organization, vault, group }: Scope): {
  readonly kind: ScopeKind;
  readonly resource: string;
} {
  if (group !== "") {
    if (organization !== 0n || vault !== 0n) {
      throw invalid("a group is of no organization or vault", "group");
    }
    return { kind: "group", resource: `${GROUP}${encodeName(group)}` };
  }
  if (organization === 0n && vault !== 0n) {
    throw invalid("a vault is named with its organization", "organization");
  }
  const kind = organization === 0n ? "cluster" : vault === 0n ? "organization" : "vault";
  return { kind, resource: objectOf(organization, vault) };
}

/** Undefined for a tuple that is no role. */
export function bindingOfTuple({
  tuple,
  version,
  expiresAtMs,
}: StoredTuple): iam.RoleBinding | undefined {
  const role = ROLES.find(([relation]) => relation === tuple.relation)?.[1];
  const scope = scopeOfResource(tuple.resource);
  const principal = nameOfSubject(tuple.subject);
  if (role === undefined || scope === undefined || principal === undefined) return undefined;
  return { ...scope, principal, role, version: BigInt(version), expiresAtMs: BigInt(expiresAtMs) };
}

function scopeOfResource(resource: string): Scope | undefined {
  if (resource === CLUSTER_OBJECT) return { organization: 0n, vault: 0n, group: "" };
  if (resource.startsWith(GROUP)) {
    return { organization: 0n, vault: 0n, group: decodeName(resource.slice(GROUP.length)) };
  }
  const ids = /^(?:organization:(\d+)|vault:(\d+)\/(\d+))$/.exec(resource);
  if (ids === null) return undefined;
  const [, alone, organization, vault = "0"] = ids;
  return { organization: BigInt(alone ?? organization!), vault: BigInt(vault), group: "" };
}

function nameOfSubject(subject: string): string | undefined {
  const [, type, id] = /^(principal|group):([^#]+)(?:#member)?$/.exec(subject) ?? [];
  if (id === undefined) return undefined;
  return type === "group" ? `${GROUP}${decodeName(id)}` : decodeName(id);
}

function article(kind: ScopeKind): string {
  return kind === "organization" ? "an organization" : `a ${kind}`;
}

function invalid(message: string, field: string): LedgerError {
  return new LedgerError("ROLE_INVALID", message, { details: { field } });
}
