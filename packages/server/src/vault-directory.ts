/**
 * From slugs to internal ids, once at the boundary (L-6). Ids are never used again, so what is known stays
 * true for ever; unknown slugs are asked for each time.
 */
import type { EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import { Generations } from "./generations.js";
import { SYSTEM_VAULT } from "./system/system-vault.js";

/** Vaults in each of two generations: some 15 MB together. */
const GENERATION_MAX = 50_000;

export interface VaultName {
  readonly organization: bigint;
  readonly vault: bigint;
}

export class VaultDirectory {
  readonly #engine: EnginePort;
  readonly #ids: Generations<number>;

  constructor(engine: EnginePort, generationMax: number = GENERATION_MAX) {
    this.#engine = engine;
    this.#ids = new Generations(generationMax);
  }

  /** Vaults that are known. */
  get size(): number {
    return this.#ids.size;
  }

  /** The id where it is known already; that of the system vault, which is for reading, where both are 0. @throws LedgerError SLUG_REQUIRED */
  known({ organization, vault }: VaultName): number | undefined {
    if (organization === 0n && vault === 0n) return SYSTEM_VAULT;
    requireSlug(organization, "organization");
    requireSlug(vault, "vault");
    return this.#ids.get(`${organization}/${vault}`);
  }

  /** @throws LedgerError SLUG_REQUIRED, ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND (by rejection) */
  async resolve(name: VaultName): Promise<number> {
    requireOwnVault(name);
    const { vault } = await this.#engine.call("resolve_vault", name);
    this.#ids.set(`${name.organization}/${name.vault}`, vault);
    return vault;
  }
}

/** For what changes a vault: the system's own is written by the server only. @throws LedgerError SLUG_REQUIRED */
export function requireOwnVault({ organization, vault }: VaultName): void {
  requireSlug(organization, "organization");
  requireSlug(vault, "vault");
}

/** Slug 0 is the system's own (L-4). */
export function requireSlug(slug: bigint, field: string): void {
  if (slug !== 0n) return;
  throw new LedgerError("SLUG_REQUIRED", `${field} is missing`, { details: { field } });
}
