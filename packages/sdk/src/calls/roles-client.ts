/** Roles: who may do what in vaults, organizations and the cluster. For administrators of the place. */
import { iam } from "@authledger/proto";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { AdminList, type AdminListOptions } from "./admin-list.js";
import { malformed } from "./convert.js";

const SERVICE = iam.IamServiceService;

/** `operator` is of the cluster only, `member` of a group only. */
export type Role = "reader" | "writer" | "manager" | "administrator" | "operator" | "member";

const ROLES: Readonly<Record<Role, iam.Role>> = {
  reader: iam.Role.ROLE_READER,
  writer: iam.Role.ROLE_WRITER,
  manager: iam.Role.ROLE_MANAGER,
  administrator: iam.Role.ROLE_ADMINISTRATOR,
  operator: iam.Role.ROLE_OPERATOR,
  member: iam.Role.ROLE_MEMBER,
};

/** All roles, for who reads them from a text. */
export const ROLE_NAMES: readonly Role[] = Object.keys(ROLES) as Role[];

/** What a role is of: a vault, an organization with all its vaults, a group; with none of them the cluster. */
export interface RolePlace {
  readonly organization?: bigint;
  readonly vault?: bigint;
  readonly group?: string;
}

export interface RoleBinding extends RolePlace {
  /** key:<id>, user:<subject>, cert:<name>; group:<name> for all members of a group. */
  readonly principal: string;
  readonly role: Role;
  /** Milliseconds since 1970; 0 = never. */
  readonly expiresAtMs: bigint;
  /** Height of the system vault's block that last changed it. */
  readonly version: bigint;
}

export type RoleChangeOptions = CallOptions & RolePlace & { readonly reason?: string };

export type RoleListOptions = AdminListOptions & RolePlace & { readonly principal?: string };

export class RolesClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Gives a role; one that is there stays, with the expiry that is given now.
   * @throws LedgerError ROLE_INVALID, PERMISSION_DENIED, ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND
   * @example await client.roles.grant("user:ann", "writer", { organization: 7n })
   */
  async grant(
    principal: string,
    role: Role,
    options: RoleChangeOptions & { readonly expiresAtMs?: bigint } = {},
  ): Promise<RoleBinding & { readonly existed: boolean }> {
    const wanted = bindingMessage(principal, role, options, options.expiresAtMs);
    const request = { binding: wanted, reason: options.reason ?? "" };
    const answer = await this.#session.call(SERVICE.grantRole, request, options, "once");
    if (answer.binding === undefined) throw malformed("no role");
    return { ...bindingOf(answer.binding), existed: answer.existed };
  }

  /** Takes a role away; false where it was not there. @throws LedgerError ROLE_INVALID, PERMISSION_DENIED */
  async revoke(principal: string, role: Role, options: RoleChangeOptions = {}): Promise<boolean> {
    const binding = bindingMessage(principal, role, options);
    const request = { binding, reason: options.reason ?? "" };
    const { existed } = await this.#session.call(SERVICE.revokeRole, request, options, "once");
    return existed;
  }

  /** Roles as they were given: of a place, or with a principal and no place, all that it was given. */
  list(options: RoleListOptions = {}): AdminList<RoleBinding> {
    const { principal = "" } = options;
    const about = { ...placeMessage(options), principal };
    return new AdminList(options, async (page) => {
      const request = { ...about, ...page };
      const found = await this.#session.call(SERVICE.listRoles, request, options);
      return { rows: found.bindings.map(bindingOf), next: found.nextPageToken };
    });
  }
}

function placeMessage({ organization = 0n, vault = 0n, group = "" }: RolePlace): {
  readonly organization: bigint;
  readonly vault: bigint;
  readonly group: string;
} {
  return { organization, vault, group };
}

function bindingMessage(
  principal: string,
  role: Role,
  place: RolePlace,
  expiresAtMs = 0n,
): iam.RoleBinding {
  return { ...placeMessage(place), principal, role: ROLES[role], expiresAtMs, version: 0n };
}

function bindingOf(message: iam.RoleBinding): RoleBinding {
  const role = ROLE_NAMES.find((name) => ROLES[name] === message.role);
  if (role === undefined) throw malformed("an unknown role");
  const { principal, organization, vault, group, expiresAtMs, version } = message;
  return {
    ...{ principal, role, expiresAtMs, version },
    ...(organization !== 0n && { organization }),
    ...(vault !== 0n && { vault }),
    ...(group !== "" && { group }),
  };
}
