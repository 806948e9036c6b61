/**
 * Public keys of an issuer of tokens (a JWK set, RFC 7517): from a file that is read again when it changes, or over https.
 *
 *   INV-AUTHN-9  Only keys for EdDSA and ES256 are taken, whatever else a set holds: a token is never checked with a secret
 *                that both sides know, nor with a public key taken for one.
 */
import { LedgerError } from "@authledger/types";
import { createLocalJWKSet, type JWK, type JWTVerifyGetKey } from "jose";
import { ReloadedFiles } from "../tls/reloaded-files.js";

/** Between two questions to an issuer: tokens with keys that nobody knows must not make us ask for each. */
const COOLDOWN_MS = 30_000;
/** A key that was taken out is forgotten after so long at most. */
const REFRESH_MS = 10 * 60_000;
const FETCH_MS_MAX = 5_000;
const BYTES_MAX = 256 * 1024;
const KEYS_MAX = 100;

export interface KeySet {
  /** Larger after each change. */
  readonly generation: number;
  readonly keys: JWTVerifyGetKey | undefined;
  /** Asks again, where that is possible and not too often; resolves when it has been tried. */
  refresh(): Promise<void>;
  close(): void;
}

export interface KeySetOptions {
  readonly onProblem: (error: LedgerError) => void;
  readonly pollMs?: number;
  /** For tests: instead of the network. */
  readonly fetch?: typeof fetch;
  readonly nowMs?: () => number;
}

/** @throws LedgerError TLS_CONFIG for a file that cannot be used; an address that does not answer is asked again later */
export function openKeySet(from: string, options: KeySetOptions): KeySet {
  return from.startsWith("https://")
    ? new RemoteKeySet(from, options)
    : new FileKeySet(from, options);
}

class FileKeySet implements KeySet {
  readonly #files: ReloadedFiles<JWTVerifyGetKey>;

  constructor(path: string, { onProblem, pollMs }: KeySetOptions) {
    this.#files = new ReloadedFiles(
      { jwt: path },
      {
        what: `the key set ${path}`,
        make: ({ jwt }) => keysOf(jwt!),
        onProblem,
        ...(pollMs !== undefined && { pollMs }),
      },
    );
  }

  get generation(): number {
    return this.#files.generation;
  }

  get keys(): JWTVerifyGetKey {
    return this.#files.current;
  }

  /** The file is looked at anyway. */
  async refresh(): Promise<void> {}

  close(): void {
    this.#files.close();
  }
}

class RemoteKeySet implements KeySet {
  readonly #url: string;
  readonly #options: KeySetOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #closed = new AbortController();
  #text = "";
  #keys: JWTVerifyGetKey | undefined;
  #generation = 1;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(url: string, options: KeySetOptions) {
    this.#url = url;
    this.#options = options;
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS).unref();
    void this.refresh();
  }

  get generation(): number {
    return this.#generation;
  }

  get keys(): JWTVerifyGetKey | undefined {
    return this.#keys;
  }

  refresh(): Promise<void> {
    const nowMs = (this.#options.nowMs ?? performance.now.bind(performance))();
    if (this.#asking === undefined && nowMs - this.#askedAtMs >= COOLDOWN_MS) {
      this.#askedAtMs = nowMs;
      this.#asking = this.#ask().finally(() => {
        this.#asking = undefined;
      });
    }
    return this.#asking ?? Promise.resolve();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closed.abort();
  }

  /** What does not answer leaves the keys as they are. */
  async #ask(): Promise<void> {
    try {
      const bytes = await this.#fetch();
      const text = bytes.toString("latin1");
      if (text === this.#text) return;
      this.#keys = keysOf(bytes);
      this.#text = text;
      this.#generation++;
    } catch (cause) {
      if (this.#closed.signal.aborted) return;
      const why = cause instanceof Error ? cause.message : String(cause);
      const message = `the key set ${this.#url} cannot be had: ${why}`;
      this.#options.onProblem(new LedgerError("UNAVAILABLE", message, { cause }));
    }
  }

  async #fetch(): Promise<Buffer> {
    const signal = AbortSignal.any([AbortSignal.timeout(FETCH_MS_MAX), this.#closed.signal]);
    const answer = await (this.#options.fetch ?? fetch)(this.#url, { signal, redirect: "error" });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of answer.body ?? []) {
      bytes += part.length;
      if (bytes > BYTES_MAX) throw new Error(`it is larger than ${BYTES_MAX} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}

/** @throws Error for what is no key set, or holds no usable key */
function keysOf(bytes: Buffer): JWTVerifyGetKey {
  const set: unknown = JSON.parse(bytes.toString());
  const all = (set as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(all)) throw new Error('it is no JWK set: {"keys": [...]}');
  if (all.length > KEYS_MAX) throw new Error(`it holds ${all.length} keys; at most ${KEYS_MAX}`);
  const keys = (all as JWK[]).filter(isUsable);
  if (keys.length === 0) throw new Error("it holds no key for EdDSA (Ed25519) or ES256 (P-256)");
  return createLocalJWKSet({ keys });
}

function isUsable(key: JWK | null): boolean {
  if (typeof key !== "object" || key === null || key.d !== undefined) return false;
  if (key.use !== undefined && key.use !== "sig") return false;
  return (key.kty === "OKP" && key.crv === "Ed25519") || (key.kty === "EC" && key.crv === "P-256");
}
