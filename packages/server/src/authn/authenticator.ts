/**
 * Finds out whom a bearer credential stands for, and remembers it: keys and tokens are presented with every call.
 *
 *   INV-AUTHN-3  What is remembered of a credential is used only while its source is of the generation that verified it,
 *                and until the credential expires.
 *
 * Remembered under the SHA-256 of what was presented: a dump of the memory holds no credential that was not in use.
 */
import { createHash } from "node:crypto";
import { LedgerError } from "@authledger/types";
import type { Principal } from "../gate/principal.js";
import { Generations } from "../generations.js";
import { API_KEY_PREFIX } from "./api-key.js";
import {
  type CredentialSource,
  expired,
  unauthenticated,
  type Verified,
} from "./credential-source.js";

/** In each of two generations: some 5 MB together. */
const REMEMBERED_MAX = 10_000;
/** Verified at a time: a signature takes 100 us of a thread. */
const VERIFYING_MAX = 256;
const RETRY_MS = 100;
/** The largest token: with its claims, 8 KiB of headers are what most proxies allow. */
const CREDENTIAL_CHARACTERS_MAX = 8_192;

interface Remembered extends Verified {
  readonly source: CredentialSource;
  readonly generation: number;
}

export interface AuthenticatorSources {
  readonly keys: CredentialSource;
  /** Absent where no issuer is configured. */
  readonly tokens?: CredentialSource | undefined;
}

export class Authenticator {
  readonly #sources: AuthenticatorSources;
  readonly #remembered: Generations<Remembered>;
  readonly #verifying = new Map<string, Promise<Principal>>();
  readonly #nowMs: () => number;

  constructor(
    sources: AuthenticatorSources,
    options: { readonly nowMs?: () => number; readonly rememberedMax?: number } = {},
  ) {
    this.#sources = sources;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#remembered = new Generations(options.rememberedMax ?? REMEMBERED_MAX);
  }

  /** Credentials that are remembered. */
  get size(): number {
    return this.#remembered.size;
  }

  /**
   * At once where it is remembered.
   * @throws LedgerError UNAUTHENTICATED, CREDENTIAL_EXPIRED, OVERLOADED; at once or by rejection
   */
  authenticate(presented: string): Principal | Promise<Principal> {
    if (presented.length > CREDENTIAL_CHARACTERS_MAX) throw unauthenticated();
    const hash = createHash("sha256").update(presented).digest("base64");
    const known = this.#remembered.get(hash);
    if (known !== undefined && known.generation === known.source.generation) {
      return this.#current(known).principal;
    }
    return this.#verifying.get(hash) ?? this.#verify(hash, presented);
  }

  /** Those who come with the same credential meanwhile wait for the same answer. */
  #verify(hash: string, presented: string): Promise<Principal> {
    if (this.#verifying.size >= VERIFYING_MAX) {
      const message = `${VERIFYING_MAX} credentials are being verified`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: RETRY_MS });
    }
    const { keys, tokens } = this.#sources;
    const source = presented.startsWith(API_KEY_PREFIX) ? keys : tokens;
    if (source === undefined) throw unauthenticated();
    const { generation } = source;
    const verifying = source
      .verify(presented)
      .then((verified) => {
        const current = this.#current({ ...verified, source, generation });
        this.#remembered.set(hash, current);
        return current.principal;
      })
      .finally(() => this.#verifying.delete(hash));
    this.#verifying.set(hash, verifying);
    return verifying;
  }

  #current<T extends Verified>(verified: T): T {
    if (verified.expiresAtMs > this.#nowMs()) return verified;
    throw expired(verified.expiresAtMs);
  }
}
