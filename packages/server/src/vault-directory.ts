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
  /** The system vault is meant, whose slugs are 0. Only requests that read a vault can say so. */
  readonly system?: boolean | undefined;
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

  /** The id where it is known already, as that of the system vault is. @throws LedgerError SLUG_REQUIRED, INVALID_ARGUMENT */
  known(name: VaultName): number | undefined {
    if (namesSystemVault(name)) return SYSTEM_VAULT;
    const { organization, vault } = name;
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

/**
 * 0 is also what a slug is that was forgotten, so who means the system vault says so.
 * @throws LedgerError INVALID_ARGUMENT where another vault is named, too
 * @example namesSystemVault({ organization: 0n, vault: 0n, system: true }) // true
 */
export function namesSystemVault({ organization, vault, system }: Partial<VaultName>): boolean {
  if (system !== true) return false;
  if (!organization && !vault) return true;
  const message =
    "the system vault has neither organization nor vault: leave them out, or `system`";
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "system" } });
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
