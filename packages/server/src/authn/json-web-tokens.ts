/**
 * Tokens of the issuers that this node believes (JWT, RFC 7519; RFC 8725 for what must be checked): EdDSA or ES256 by a key of
 * the issuer, for this audience, not expired, with a subject, who becomes `user:<sub>`.
 */
import { LedgerError, limits, utf8Length } from "@authledger/types";
import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import type { IssuerSettings } from "./auth-settings.js";
import {
  type CredentialSource,
  expired,
  unauthenticated,
  type Verified,
} from "./credential-source.js";
import { type KeySet, type KeySetOptions, openKeySet } from "./key-set.js";

const ALGORITHMS = ["EdDSA", "Ed25519", "ES256"];
/** How far the issuer's clock may be from ours. */
const LEEWAY_S = 30;

interface Issuer extends IssuerSettings {
  readonly set: KeySet;
}

export class JsonWebTokens implements CredentialSource {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #nowMs: () => number;

  /** @throws LedgerError TLS_CONFIG */
  constructor(
    issuers: readonly IssuerSettings[],
    options: KeySetOptions & { readonly clockMs?: () => number },
  ) {
    this.#nowMs = options.clockMs ?? Date.now;
    this.#issuers = new Map(
      issuers.map((issuer) => [
        issuer.issuer,
        { ...issuer, set: openKeySet(issuer.keys, options) },
      ]),
    );
  }

  /** A key that is taken out of a set takes all that was verified with it. */
  get generation(): number {
    let sum = 0;
    for (const { set } of this.#issuers.values()) sum += set.generation;
    return sum;
  }

  async verify(text: string): Promise<Verified> {
    const issuer = this.#issuerOf(text);
    const payload = await this.#payloadOf(text, issuer);
    const name = nameOf(issuer, payload.sub);
    if (name === undefined || payload.exp === undefined) throw unauthenticated();
    const expiresAtMs = (payload.exp + LEEWAY_S) * 1_000;
    return { principal: { kind: "token", name }, expiresAtMs };
  }

  close(): void {
    for (const { set } of this.#issuers.values()) set.close();
  }

  /** Before anything is verified: only to know whose keys to take. */
  #issuerOf(text: string): Issuer {
    try {
      const found = this.#issuers.get(decodeJwt(text).iss ?? "");
      if (found !== undefined) return found;
    } catch {
      // No token at all.
    }
    throw unauthenticated();
  }

  /** A token with a key that is not known has the keys asked for once more. */
  async #payloadOf(text: string, issuer: Issuer): Promise<JWTPayload> {
    try {
      return await this.#verifyWith(text, issuer);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw refusalOf(error);
    }
    await issuer.set.refresh();
    try {
      return await this.#verifyWith(text, issuer);
    } catch (error) {
      throw refusalOf(error);
    }
  }

  async #verifyWith(text: string, { issuer, audience, set }: Issuer): Promise<JWTPayload> {
    if (set.keys === undefined) await set.refresh();
    if (set.keys === undefined) {
      const message = "the keys of the token's issuer cannot be had at the moment";
      throw new LedgerError("UNAVAILABLE", message, { retryAfterMs: 1_000 });
    }
    const { payload } = await jwtVerify(text, set.keys, {
      ...{ issuer, audience, algorithms: ALGORITHMS, clockTolerance: LEEWAY_S },
      requiredClaims: ["iss", "aud", "exp", "sub"],
      currentDate: new Date(this.#nowMs()),
    });
    return payload;
  }
}

/** That a token has expired is found last, so only who has had a good one is told. */
function refusalOf(error: unknown): LedgerError {
  if (error instanceof LedgerError) return error;
  if (error instanceof errors.JWTExpired) return expired(Number(error.payload.exp) * 1_000);
  return unauthenticated(undefined, error);
}

/** Undefined for a subject that cannot be an actor: empty, too long, or with characters that nobody sees. */
function nameOf({ alias }: IssuerSettings, subject: unknown): string | undefined {
  if (typeof subject !== "string" || !/^[^\p{Cc}\p{Cf}\p{Cs}]+$/u.test(subject)) return undefined;
  const name = alias === undefined ? `user:${subject}` : `user:${alias}/${subject}`;
  return utf8Length(name) <= limits.ACTOR_BYTES_MAX ? name : undefined;
}
