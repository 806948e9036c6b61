/**
 * May the caller do this? The method's row says what it needs, the roles in the system vault what the caller has.
 *
 *   INV-ROLE-7  A caller without the role gets one and the same refusal, whether what it names exists or not.
 *   INV-ROLE-8  The system vault is read by administrators of the cluster, and written by none of the calls.
 *
 * Known roles are found without waiting or allocating (INV-ROLE-3).
 */
import type { iam } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { unauthenticated } from "../authn/credential-source.js";
import { RANK, type Rank, rankName } from "../iam/role-ranks.js";
import type { Roles } from "../iam/roles.js";
import { namesSystemVault, requireSlug } from "../vault-directory.js";
import type { GateStep } from "./gate.js";
import type { GatedCall } from "./gated-call.js";
import type { MethodInfo } from "./method.js";
import { type MethodRule, ruleOf } from "./method-rules.js";
import type { Principal } from "./principal.js";

export interface AuthorizeDeps {
  readonly roles: Pick<Roles, "rankOf">;
  /** No credentials are configured: a development node, where everybody may do everything. */
  readonly isOpen: (method: MethodInfo) => boolean;
}

export class AuthorizeStep implements GateStep {
  readonly #deps: AuthorizeDeps;

  constructor(deps: AuthorizeDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError UNAUTHENTICATED, PERMISSION_DENIED, SLUG_REQUIRED, INVALID_ARGUMENT (or rejects with it) */
  enter(call: GatedCall): void | Promise<void> {
    const rule = ruleOf(call.method.path);
    const { principal } = call;
    switch (rule.scope) {
      case "known":
        this.#requireKnown(call);
        return;
      case "node":
        return this.#requireNode(principal);
      case "cluster":
        return this.#require(call, rule, 0n, 0n);
      case "binding":
        return this.#requireOfBinding(call, rule);
      case "organization or cluster": {
        const { organization = 0n } = call.target;
        if (organization === 0n) return this.#require(call, GOVERNS, 0n, 0n);
        return this.#require(call, rule, organization, 0n);
      }
      case "organization": {
        const { organization = 0n } = call.target;
        requireSlug(organization, "organization");
        return this.#require(call, rule, organization, 0n);
      }
      case "vault": {
        const { organization = 0n, vault = 0n } = call.target;
        if (namesSystemVault(call.target) && !rule.isWrite) {
          return this.#require(call, GOVERNS, 0n, 0n);
        }
        requireSlug(organization, "organization");
        requireSlug(vault, "vault");
        return this.#require(call, rule, organization, vault);
      }
    }
  }

  again(call: GatedCall): void | Promise<void> {
    return this.enter(call);
  }

  #requireKnown({ principal, method }: GatedCall): void {
    if (principal.kind === "anonymous" && !this.#deps.isOpen(method)) throw unauthenticated();
  }

  /** Also where everybody may do everything: what a node says of itself is said by nodes. */
  #requireNode({ kind, name }: Principal): void {
    if (kind === "node") return;
    if (kind === "anonymous") throw unauthenticated();
    throw new LedgerError("PERMISSION_DENIED", `${name} is no node of the cluster`, {
      details: { principal: name, scope: "the cluster" },
    });
  }

  #requireOfBinding(call: GatedCall, rule: MethodRule): void | Promise<void> {
    const { principal } = call;
    const about = bindingOf(call.wire.request);
    const asksOwn = !rule.isWrite && isOfEverything(about) && about.principal === principal.name;
    if (asksOwn) return this.#requireKnown(call);
    const { organization, vault } = about;
    return this.#require(call, rule, organization, organization === 0n ? 0n : vault);
  }

  #require(
    call: GatedCall,
    rule: MethodRule,
    organization: bigint,
    vault: bigint,
  ): void | Promise<void> {
    const { principal } = call;
    if (principal.kind === "root") return;
    if (principal.kind === "anonymous") return this.#requireKnown(call);
    const rank = this.#deps.roles.rankOf(principal, organization, vault);
    if (!(rank instanceof Promise)) {
      requireRank(rank, principal, rule, organization, vault);
      return;
    }
    return rank.then((found) => requireRank(found, principal, rule, organization, vault));
  }
}

const GOVERNS: MethodRule = { scope: "cluster", rank: RANK.administrator, isWrite: false };

type Binding = Pick<iam.RoleBinding, "organization" | "vault" | "group" | "principal">;

const NO_BINDING: Binding = { organization: 0n, vault: 0n, group: "", principal: "" };

/** A list is asked for with the fields of a binding. Groups are the cluster's. */
function bindingOf(request: unknown): Binding {
  const about = request as { readonly binding?: Binding } & Binding;
  const binding = "binding" in about ? (about.binding ?? NO_BINDING) : about;
  return binding.group === "" ? binding : { ...binding, organization: 0n };
}

function isOfEverything({ organization, vault, group }: Binding): boolean {
  return organization === 0n && vault === 0n && group === "";
}

function requireRank(
  rank: Rank,
  { name }: Principal,
  rule: MethodRule,
  organization: bigint,
  vault: bigint,
): void {
  if (rank >= rule.rank) return;
  const isCluster = organization === 0n;
  const role = rankName(rule.rank, isCluster);
  const place = isCluster
    ? "the cluster"
    : vault === 0n
      ? `organization ${organization}`
      : `vault ${vault} of organization ${organization}`;
  throw new LedgerError("PERMISSION_DENIED", `${name} is not ${role} of ${place}`, {
    details: { principal: name, role, scope: place },
  });
}
