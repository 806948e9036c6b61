/**
 * From slugs to internal ids, once at the boundary (L-6). Ids are never used again, so what is known stays
 * true for ever; unknown slugs are asked for each time.
 *
 * Bounded by two generations: what is asked for lives in the young one; when that is full it becomes the old
 * one, and the old one with what nobody asked for since is forgotten. No list of uses is kept.
 */
import type { EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";

/** Pairs kept in each generation: some 10 MB together. */
const GENERATION_MAX = 50_000;

export interface VaultName {
  readonly organization: bigint;
  readonly vault: bigint;
}

export class VaultDirectory {
  readonly #engine: EnginePort;
  readonly #generationMax: number;
  #young = new Generation();
  #old = new Generation();

  constructor(engine: EnginePort, generationMax: number = GENERATION_MAX) {
    this.#engine = engine;
    this.#generationMax = generationMax;
  }

  /** Pairs that are known. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The id where it is known already. @throws LedgerError SLUG_REQUIRED */
  known(name: VaultName): number | undefined {
    const id = this.#young.get(name);
    if (id !== undefined) return id;
    requireSlug(name.organization, "organization");
    requireSlug(name.vault, "vault");
    const old = this.#old.get(name);
    if (old !== undefined) this.#remember(name, old);
    return old;
  }

  /** @throws LedgerError ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND (by rejection) */
  async resolve(name: VaultName): Promise<number> {
    const { vault } = await this.#engine.call("resolve_vault", name);
    this.#remember(name, vault);
    return vault;
  }

  #remember(name: VaultName, id: number): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    this.#young.set(name, id);
  }
}

/** A map with pairs of slugs as keys. */
class Generation {
  readonly #ids = new Map<bigint, Map<bigint, number>>();
  size = 0;

  get({ organization, vault }: VaultName): number | undefined {
    return this.#ids.get(organization)?.get(vault);
  }

  set({ organization, vault }: VaultName, id: number): void {
    let vaults = this.#ids.get(organization);
    if (vaults === undefined) {
      vaults = new Map();
      this.#ids.set(organization, vaults);
    }
    if (!vaults.has(vault)) this.size++;
    vaults.set(vault, id);
  }
}

/** Slug 0 is the system's own (L-4). */
export function requireSlug(slug: bigint, field: string): void {
  if (slug !== 0n) return;
  throw new LedgerError("SLUG_REQUIRED", `${field} is missing`, { details: { field } });
}
