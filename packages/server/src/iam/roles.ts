/**
 * What a principal may do: the highest role that it has in a vault, an organization or the cluster, decided by the engine in the
 * system vault as this node has applied it, and kept until tuples or models there change.
 *
 *   INV-ROLE-3  A role that was taken away counts on no node any more that has applied this: what is kept is forgotten when
 *               tuples or records of the system vault change, and nothing is kept that was found before.
 *   INV-ROLE-4  Refusals are not kept, so nobody pushes the roles of others out by asking for what it may not see.
 *
 * Each call asks, so what is known is answered at once and without allocating.
 */
import type { EnginePort, EngineReply } from "@authledger/engine";
import type { Consistency } from "@authledger/types";
import type { Principal } from "../gate/principal.js";
import type { SystemMoves } from "../system/system-moves.js";
import { SYSTEM_VAULT } from "../system/system-vault.js";
import { objectOf, structureOf } from "./role-model.js";
import { principalSubject } from "./role-names.js";
import { RANK, RANKS_BY_OBJECT, type Rank } from "./role-ranks.js";

/** Ranks of all principals together: some 10 MB. */
const KNOWN_MAX = 100_000;
/** As this node has applied it. */
const LOCAL: Consistency = { kind: "any", maxStalenessMs: 0 };

/** Ranks of a principal by organization and vault. */
type KnownRanks = Map<bigint, Map<bigint, Rank>>;

export class Roles {
  readonly #engine: EnginePort;
  readonly #known = new Map<string, KnownRanks>();
  #size = 0;
  /** Counts what was forgotten. */
  #generation = 0;

  constructor(engine: EnginePort, moves: Pick<SystemMoves, "onMove">) {
    this.#engine = engine;
    moves.onMove((change) => {
      if (change.isAboutRoles) this.forget();
    });
  }

  /** Ranks that are kept. */
  get size(): number {
    return this.#size;
  }

  /** What roles follow from has changed. */
  forget(): void {
    this.#generation++;
    this.#known.clear();
    this.#size = 0;
  }

  /**
   * The rank of the highest role. Organization 0 is the cluster, vault 0 the organization itself.
   * @throws LedgerError where the engine cannot decide, at once or as the promise's rejection
   */
  rankOf(principal: Principal, organization: bigint, vault: bigint): Rank | Promise<Rank> {
    const known = this.#known.get(principal.name)?.get(organization)?.get(vault);
    return known ?? this.#decide(principal, organization, vault);
  }

  #decide({ name }: Principal, organization: bigint, vault: bigint): Rank | Promise<Rank> {
    const generation = this.#generation;
    const resource = objectOf(organization, vault);
    const ranks = RANKS_BY_OBJECT[organization === 0n ? "cluster" : "tenant"];
    const subject = principalSubject({ name });
    const reply = this.#engine.ask("authorize", {
      vault: SYSTEM_VAULT,
      consistency: LOCAL,
      tuples: ranks.map(([relation]) => ({ resource, relation, subject })),
      contextualTuples: structureOf(organization, vault),
    });
    const decided = ({ allowed }: EngineReply<"authorize">): Rank => {
      const rank = ranks[allowed.indexOf(true)]?.[1] ?? RANK.none;
      const isCurrent = generation === this.#generation;
      if (isCurrent && rank !== RANK.none) this.#keep(name, organization, vault, rank);
      return rank;
    };
    return reply instanceof Promise ? reply.then(decided) : decided(reply);
  }

  #keep(name: string, organization: bigint, vault: bigint, rank: Rank): void {
    if (this.#size >= KNOWN_MAX) this.forget();
    const ofPrincipal = this.#known.get(name) ?? new Map<bigint, Map<bigint, Rank>>();
    const ofOrganization = ofPrincipal.get(organization) ?? new Map<bigint, Rank>();
    this.#known.set(name, ofPrincipal);
    ofPrincipal.set(organization, ofOrganization);
    if (!ofOrganization.has(vault)) this.#size++;
    ofOrganization.set(vault, rank);
  }
}
