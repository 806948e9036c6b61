/**
 * From slugs to internal ids, once at the boundary (L-6). Ids are never used again, so what is known stays
 * true for ever; unknown slugs are asked for each time.
 */
import type { EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";

/** Pairs kept; the oldest go first. */
const KNOWN_MAX = 100_000;

export interface VaultName {
  readonly organization: bigint;
  readonly vault: bigint;
}

export class VaultDirectory {
  readonly #engine: EnginePort;
  readonly #known = new Map<bigint, Map<bigint, number>>();
  #count = 0;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  /** The id where it is known already. @throws LedgerError SLUG_REQUIRED */
  known({ organization, vault }: VaultName): number | undefined {
    requireSlug(organization, "organization");
    requireSlug(vault, "vault");
    return this.#known.get(organization)?.get(vault);
  }

  /** @throws LedgerError ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND (by rejection) */
  async resolve(name: VaultName): Promise<number> {
    const { vault } = await this.#engine.call("resolve_vault", name);
    if (this.#count >= KNOWN_MAX) {
      this.#known.clear();
      this.#count = 0;
    }
    let vaults = this.#known.get(name.organization);
    if (vaults === undefined) {
      vaults = new Map();
      this.#known.set(name.organization, vaults);
    }
    vaults.set(name.vault, vault);
    this.#count++;
    return vault;
  }
}

/** Slug 0 is the system's own (L-4). */
export function requireSlug(slug: bigint, field: string): void {
  if (slug !== 0n) return;
  throw new LedgerError("SLUG_REQUIRED", `${field} is missing`, { details: { field } });
}
