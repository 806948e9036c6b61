/**
 * The list of organizations, as the caller may see it: all of them for who administers the cluster, else those of which it may read
 * everything. Nobody learns the name of another's organization.
 */
import type { EngineReply } from "@authledger/engine";
import type { admin } from "@authledger/proto";
import { ByteReader, ByteWriter, type Consistency, LedgerError } from "@authledger/types";
import { pageSizeOf } from "../convert-request.js";
import { organizationMessage } from "../convert-response.js";
import type { Principal } from "../gate/principal.js";
import type { ServiceDeps } from "../read-service.js";
import { SYSTEM_VAULT } from "../system/system-vault.js";
import { principalSubject } from "./role-names.js";
import { RANK } from "./role-ranks.js";
import type { Roles } from "./roles.js";

const LOCAL: Consistency = { kind: "any", maxStalenessMs: 0 };
const EMPTY = new Uint8Array(0);

export class VisibleOrganizations {
  readonly #deps: ServiceDeps & { readonly roles: Roles };

  constructor(deps: ServiceDeps & { readonly roles: Roles }) {
    this.#deps = deps;
  }

  async page(
    principal: Principal,
    request: admin.ListOrganizationsRequest,
  ): Promise<admin.ListOrganizationsResponse> {
    const isAll = await this.#seesAll(principal);
    return isAll ? this.#all(request) : this.#of(principal, request);
  }

  /** Without credentials the gate lets everybody pass, or nobody. */
  async #seesAll(principal: Principal): Promise<boolean> {
    const { kind } = principal;
    if (kind === "root" || kind === "anonymous") return true;
    return (await this.#deps.roles.rankOf(principal, 0n, 0n)) >= RANK.administrator;
  }

  async #all(request: admin.ListOrganizationsRequest): Promise<admin.ListOrganizationsResponse> {
    const { engine, pageTokens } = this.#deps;
    const query = "organizations";
    const position = pageTokens.decode(query, request.pageToken);
    const after = position && new ByteReader(position, "page token").u64("slug");
    const { organizations, next } = await engine.call("list_organizations", {
      limit: pageSizeOf(request.pageSize),
      ...(after !== undefined && { after }),
    });
    const end = next === undefined ? undefined : new ByteWriter(8).u64(next).finish();
    const nextPageToken = end === undefined ? EMPTY : pageTokens.encode(query, end);
    return { organizations: organizations.map(organizationMessage), nextPageToken };
  }

  /** A page may hold fewer than were asked for: what was deleted is left out. */
  async #of(
    { name }: Principal,
    request: admin.ListOrganizationsRequest,
  ): Promise<admin.ListOrganizationsResponse> {
    const { engine, pageTokens } = this.#deps;
    const query = JSON.stringify(["organizations of", name]);
    const after = pageTokens.decode(query, request.pageToken);
    const { objects, next } = await this.#readable(name, pageSizeOf(request.pageSize), after);
    const slugs = objects.map((object) => BigInt(object.slice("organization:".length)));
    const infos = await Promise.all(
      slugs.map(async (organization) => {
        const found = await engine.call("get_organization", { organization });
        return found.organization;
      }),
    );
    return {
      organizations: infos.filter(({ status }) => status !== "deleted").map(organizationMessage),
      nextPageToken: next === undefined ? EMPTY : pageTokens.encode(query, next),
    };
  }

  async #readable(
    name: string,
    limit: number,
    after: Uint8Array | undefined,
  ): Promise<Pick<EngineReply<"list_objects">, "objects" | "next">> {
    try {
      return await this.#deps.engine.call("list_objects", {
        ...{ vault: SYSTEM_VAULT, consistency: LOCAL, limit },
        ...{ type: "organization", relation: "reader", subject: principalSubject({ name }) },
        ...(after !== undefined && { after }),
      });
    } catch (error) {
      // Before the first role is given there is no model.
      if (error instanceof LedgerError && error.code === "NO_ACTIVE_MODEL") return { objects: [] };
      throw error;
    }
  }
}
