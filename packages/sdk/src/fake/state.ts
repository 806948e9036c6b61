/** What a fake ledger holds: organizations, vaults, and what it remembers of requests. */
import { randomBytes, randomInt } from "node:crypto";
import {
  blockHash,
  encodeDescriptor,
  encodeLimits,
  encodePolicy,
  formatTrustAnchor,
  SALT_BYTES,
} from "@authledger/proof";
import {
  LedgerError,
  limits,
  type OperationStatus,
  SNOWFLAKE_EPOCH_MS,
  SnowflakeGenerator,
  vaultOrigin,
} from "@authledger/types";
import type { VaultName } from "../options.js";
import { nodeCrypto } from "../verify/node-crypto.js";
import type { FakeClock } from "./clock.js";
import { Commitment } from "./commitment.js";
import { sealGenesis } from "./sealing.js";
import { FakeSigner } from "./signer.js";
import { FakeVault } from "./vault.js";

export const CLUSTER_ORIGIN = "fake.authledger.local";

/** A quarter of a second's slugs: their generator runs ahead of its clock by 10 s at most. */
const FIRST_SLUG_MAX = 2 ** 30;

export interface FakeOrganization {
  readonly slug: bigint;
  readonly name: string;
  readonly createdAtMs: number;
}

/** What was answered to a transaction. */
export interface Remembered {
  readonly transactionId: Uint8Array;
  readonly sequence: number;
  readonly height: number;
  readonly index: number;
  readonly statuses: readonly OperationStatus[];
}

export interface OpenVault {
  readonly vault: FakeVault;
  readonly commitment: Commitment;
  /** By client id and key: what was asked, when, and the answer. */
  readonly requests: Map<string, { payload: Uint8Array; timeMs: number; answer: Remembered }>;
  /** What each client did last. */
  readonly clients: Map<string, Remembered>;
}

export class FakeState {
  readonly clock: FakeClock;
  readonly signer: FakeSigner = new FakeSigner();
  readonly startedAtMs: number;
  readonly #slugs: SnowflakeGenerator;
  readonly #organizations = new Map<bigint, FakeOrganization>();
  readonly #vaults = new Map<string, OpenVault>();
  /** Organizations by slug, and vaults, that are deleted: at once, since nothing has to be removed. */
  readonly #deleted = new Set<bigint | OpenVault>();
  #index = 0;
  #timeMs = 0;

  constructor(clock: FakeClock) {
    this.clock = clock;
    this.startedAtMs = clock.nowMs();
    // Slugs do not mind a test that goes to another time, and those of two ledgers differ.
    const first = BigInt(randomInt(FIRST_SLUG_MAX));
    this.#slugs = new SnowflakeGenerator(() => SNOWFLAKE_EPOCH_MS, first);
  }

  /** The place of the newest entry. */
  get index(): number {
    return this.#index;
  }

  /** The next entry's place and time; the ledger's time never goes back. */
  next(): { readonly index: number; readonly timeMs: number } {
    this.#timeMs = Math.max(this.#timeMs, this.clock.nowMs());
    this.#index++;
    return { index: this.#index, timeMs: this.#timeMs };
  }

  createOrganization(name: string): FakeOrganization {
    const { timeMs: createdAtMs } = this.next();
    const organization = { slug: this.#slugs.next(), name, createdAtMs };
    this.#organizations.set(organization.slug, organization);
    return organization;
  }

  /** @throws LedgerError ORGANIZATION_NOT_FOUND */
  organization(slug: bigint): FakeOrganization {
    const found = this.#organizations.get(slug);
    if (found !== undefined) return found;
    throw new LedgerError("ORGANIZATION_NOT_FOUND", `there is no organization ${slug}`, {
      details: { organization: String(slug) },
    });
  }

  /** Those that are not deleted, in the order of their slugs. */
  organizations(): FakeOrganization[] {
    return [...this.#organizations.values()].filter(({ slug }) => !this.#deleted.has(slug));
  }

  isDeleted(what: bigint | OpenVault): boolean {
    return this.#deleted.has(what);
  }

  deleteVault(open: OpenVault): void {
    this.#deleted.add(open);
  }

  /** @throws LedgerError ORGANIZATION_NOT_EMPTY */
  deleteOrganization({ slug }: FakeOrganization): void {
    const vaults = this.vaults(slug).length;
    if (vaults > 0) {
      const message = `organization ${slug} has ${vaults} vaults`;
      throw new LedgerError("ORGANIZATION_NOT_EMPTY", message, {
        details: { organization: String(slug), vaults },
      });
    }
    this.#deleted.add(slug);
  }

  createVault(organization: bigint, name: string): OpenVault {
    this.organization(organization);
    if (this.#deleted.has(organization)) {
      const message = `organization ${organization} is deleted`;
      throw new LedgerError("ORGANIZATION_NOT_ACTIVE", message);
    }
    const { index, timeMs: createdAtMs } = this.next();
    const slug = this.#slugs.next();
    const origin = vaultOrigin(CLUSTER_ORIGIN, organization, slug);
    const salt = new Uint8Array(randomBytes(SALT_BYTES));
    const vault = new FakeVault({ organization, slug, name, origin, salt, createdAtMs });
    const genesis = vault.begin(createdAtMs, index);
    const { transaction, values } = sealGenesis(
      [
        { group: "genesis", value: encodeDescriptor(origin) },
        { group: "policy", value: encodePolicy(this.signer.policy(origin)) },
        { group: "limits", value: encodeLimits(limits.TRANSACTION_OPERATIONS_MAX) },
      ],
      createdAtMs,
    );
    genesis.run(transaction, values);
    genesis.finish();
    const commitment = new Commitment(vault, this.signer);
    const open = { vault, commitment, requests: new Map(), clients: new Map() };
    this.#vaults.set(`${organization}/${slug}`, open);
    return open;
  }

  /** @throws LedgerError SLUG_REQUIRED, ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND, VAULT_DELETED */
  vault(name: VaultName): OpenVault {
    const found = this.anyVault(name);
    if (!this.#deleted.has(found)) return found;
    const { organization, vault } = name;
    const message = `vault ${vault} of organization ${organization} is deleted`;
    throw new LedgerError("VAULT_DELETED", message, {
      details: { organization: String(organization), vault: String(vault), status: "deleted" },
    });
  }

  /** Also one that is deleted. @throws LedgerError SLUG_REQUIRED, ORGANIZATION_NOT_FOUND, VAULT_NOT_FOUND */
  anyVault({ organization, vault: slug }: VaultName): OpenVault {
    requireSlug(organization, "organization");
    requireSlug(slug, "vault");
    const found = this.#vaults.get(`${organization}/${slug}`);
    if (found !== undefined) return found;
    this.organization(organization);
    const message = `organization ${organization} has no vault ${slug}`;
    throw new LedgerError("VAULT_NOT_FOUND", message, {
      details: { organization: String(organization), vault: String(slug) },
    });
  }

  /** Those of an organization, or all, that are not deleted, in the order of their slugs. */
  vaults(organization?: bigint): OpenVault[] {
    const all = [...this.#vaults.values()].filter((open) => !this.#deleted.has(open));
    return all.filter(
      ({ vault }) => organization === undefined || vault.identity.organization === organization,
    );
  }

  /** What a client must hold to verify the vault. */
  anchor(name: VaultName): string {
    const { vault, commitment } = this.vault(name);
    const { origin, salt } = vault.identity;
    const genesis = blockHash(nodeCrypto.hasher, commitment.header(0));
    return formatTrustAnchor({ origin, salt, genesis, policy: this.signer.policy(origin) });
  }
}

/** @throws LedgerError SLUG_REQUIRED */
export function requireSlug(slug: bigint, field: string): void {
  if (slug !== 0n) return;
  throw new LedgerError("SLUG_REQUIRED", `${field} is missing`, { details: { field } });
}
