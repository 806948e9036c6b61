/** The role calls of IamService. The gate has let pass whoever administers what the role is about, and nobody else. */
import type { StoredTuple } from "@authledger/engine";
import { iam } from "@authledger/proto";
import { type Consistency, height, LedgerError, type Tuple } from "@authledger/types";
import { reasonOf } from "../authorization/convert-model.js";
import { type CallContext, type Decoders, strict } from "../call-frame.js";
import { consistencyOf, numberOf, pageSizeOf } from "../convert-request.js";
import type { Forwarding } from "../forwarding.js";
import type { Service } from "../framed-service.js";
import type { ServiceDeps } from "../read-service.js";
import { SYSTEM_VAULT, SystemVault } from "../system/system-vault.js";
import type { Handler } from "../unary.js";
import { bindingOfTuple, scopeOf, subjectOf, tupleOfBinding } from "./role-bindings.js";
import { roleModelBody } from "./role-model.js";
import type { Roles } from "./roles.js";

/** Who writes what nobody asked for. */
const SYSTEM_ACTOR = "system";
const MODEL_REASON =
  "the roles of the cluster, its organizations and vaults are decided by this model";
const SYSTEM_NAME = { organization: 0n, vault: 0n };

type RoleMethods = Pick<iam.IamServiceService, "grantRole" | "revokeRole" | "listRoles">;

const ROLE_REQUESTS: Decoders<RoleMethods> = {
  grantRole: strict(iam.GrantRoleRequest),
  revokeRole: strict(iam.RevokeRoleRequest),
  listRoles: strict(iam.ListRolesRequest),
};

interface RoleHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly grantRole: Handler<iam.GrantRoleRequest, iam.GrantRoleResponse>;
  readonly revokeRole: Handler<iam.RevokeRoleRequest, iam.RevokeRoleResponse>;
  readonly listRoles: Handler<iam.ListRolesRequest, iam.ListRolesResponse>;
}

export interface RoleServiceDeps extends ServiceDeps {
  readonly roles: Roles;
}

/** IamService: its role calls, all of which the leader answers or any node passes on to it. */
export function iamService(deps: RoleServiceDeps, forwarding: Forwarding): Service<RoleMethods> {
  const { handlers } = new RoleService(deps);
  const { grantRole, revokeRole, listRoles } = iam.IamServiceService;
  return {
    name: "IamService",
    definition: { grantRole, revokeRole, listRoles },
    requests: ROLE_REQUESTS,
    handlers,
    forwarding,
  };
}

class RoleService {
  readonly #deps: RoleServiceDeps;
  readonly #system: SystemVault;
  readonly #model: () => Uint8Array = once(roleModelBody);

  constructor(deps: RoleServiceDeps) {
    this.#deps = deps;
    // Not passed on by itself: the whole call goes to the leader.
    this.#system = new SystemVault(deps.engine);
  }

  readonly handlers: RoleHandlers = {
    grantRole: async (request, call) => {
      const tuple = tupleOfBinding(request.binding);
      const expiresAtMs = numberOf(request.binding!.expiresAtMs, "binding.expires_at_ms");
      const reason = reasonOf(request);
      await this.#requirePlace(request.binding!);
      await this.#requireModel(call);
      const operation = { op: "create_tuple", tuple, expiresAtMs } as const;
      const written = await this.#write(operation, reason, call);
      const stored = await this.#stored(tuple, written.height);
      return {
        binding: stored && bindingOfTuple(stored),
        existed: written.status !== "created",
        height: BigInt(written.height),
      };
    },
    revokeRole: async (request, call) => {
      const tuple = tupleOfBinding(request.binding);
      const operation = { op: "delete_tuple", tuple } as const;
      const written = await this.#write(operation, reasonOf(request), call);
      return { existed: written.status === "deleted", height: BigInt(written.height) };
    },
    listRoles: async (request) => {
      const { engine, pageTokens } = this.#deps;
      const filter = filterOf(request);
      const query = JSON.stringify(["roles", filter.resource ?? "", filter.subject ?? ""]);
      const after = pageTokens.decode(query, request.pageToken);
      const { tuples, next, at } = await engine.call("list_tuples", {
        vault: SYSTEM_VAULT,
        consistency: consistencyOf(request.consistency, SYSTEM_NAME, SYSTEM_VAULT),
        ...filter,
        limit: pageSizeOf(request.pageSize),
        ...(after !== undefined && { after }),
      });
      return {
        bindings: tuples.map(bindingOfTuple).filter((binding) => binding !== undefined),
        nextPageToken: next === undefined ? new Uint8Array(0) : pageTokens.encode(query, next),
        height: BigInt(at.height),
      };
    },
  };

  /** @throws LedgerError ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND */
  async #requirePlace({ organization, vault }: iam.RoleBinding): Promise<void> {
    if (organization === 0n) return;
    const { engine, vaults } = this.#deps;
    if (vault === 0n) await engine.call("get_organization", { organization });
    else await vaults.resolve({ organization, vault });
  }

  /** The first role that is given brings the model along; a model that is there is left as it is. */
  async #requireModel({ deadlineAtMs }: CallContext): Promise<void> {
    const about = { vault: SYSTEM_VAULT, actor: SYSTEM_ACTOR, reason: MODEL_REASON };
    const request = { ...about, body: this.#model(), activate: true };
    await this.#deps.engine.call("deploy_model", request, deadlineAtMs);
  }

  async #write(
    operation: Parameters<SystemVault["write"]>[0][number],
    reason: string,
    { principal, deadlineAtMs }: CallContext,
  ): Promise<{ readonly height: number; readonly status: string }> {
    const about = { actor: principal.name, reason, deadlineAtMs };
    const { height: written, statuses } = await this.#system.write([operation], about);
    this.#deps.roles.forget();
    return { height: written, status: statuses[0]! };
  }

  /** As of the write, whatever came after it. @throws LedgerError COMMIT_UNKNOWN for a refusal by which the call would count as not executed */
  async #stored(tuple: Tuple, written: number): Promise<StoredTuple | undefined> {
    const consistency: Consistency = { kind: "at_height", height: height(written) };
    const question = { vault: SYSTEM_VAULT, consistency, ...tuple, limit: 1 };
    try {
      return (await this.#deps.engine.call("list_tuples", question)).tuples[0];
    } catch (thrown) {
      const cause = LedgerError.from(thrown);
      if (cause.row.retry !== "safe") throw cause;
      const message = `the role was written at height ${written}, and could not be read again: ${cause.message}`;
      throw new LedgerError("COMMIT_UNKNOWN", message, { cause });
    }
  }
}

/** @throws LedgerError ROLE_INVALID */
function filterOf({ organization, vault, group, principal }: iam.ListRolesRequest): {
  readonly resource?: string;
  readonly subject?: string;
} {
  const isAnywhere = organization === 0n && vault === 0n && group === "" && principal !== "";
  return {
    ...(!isAnywhere && { resource: scopeOf({ organization, vault, group }).resource }),
    ...(principal !== "" && { subject: subjectOf(principal) }),
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
