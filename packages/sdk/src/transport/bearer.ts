/**
 * The token of a client's calls.
 *
 *   INV-SDK-13  Calls that need a token at the same time ask the program for one once; a token that was refused is asked
 *               for again, once for each call, and the call is sent again only with another. A stream that a node
 *               ended so begins again, once for each answer, only with another.
 */
import { LedgerError } from "@authledger/types";
import type { ClientOptions, Token } from "../options.js";
import type { Ports } from "./ports.js";
import { Question } from "./question.js";
import { checkToken } from "./security.js";

/** A token that is about to expire would be refused on its way. */
const EARLY_MS = 30_000;

/** Errors of streams in whose token's place there is another by now. */
const RENEWED = new WeakSet<LedgerError>();

/** A stream ended with this error since its token was refused, and the next attempt has another. */
export function hasRenewedToken(error: LedgerError): boolean {
  return RENEWED.has(error);
}

export function noteRenewedToken(error: LedgerError): LedgerError {
  RENEWED.add(error);
  return error;
}

export class Bearer {
  readonly #fixed: string | undefined;
  readonly #ask: ClientOptions["credentials"];
  readonly #wallMs: () => number;
  #known: { readonly header: string; readonly untilMs: number } | undefined;
  readonly #question: Question<string>;

  constructor(
    { token, credentials }: ClientOptions,
    { nowMs, wallMs }: Pick<Ports, "nowMs" | "wallMs">,
  ) {
    this.#fixed = token === undefined ? undefined : headerOf(token);
    this.#ask = credentials;
    this.#wallMs = wallMs;
    this.#question = new Question(nowMs);
  }

  /** The value of `authorization`; undefined without a token. A promise only where one has to be asked for. */
  header(): string | undefined | Promise<string> {
    if (this.#fixed !== undefined) return this.#fixed;
    const ask = this.#ask;
    if (ask === undefined) return undefined;
    if (this.#known !== undefined && this.#wallMs() < this.#known.untilMs)
      return this.#known.header;
    return this.#question.ask((isNewest) => this.#renew(ask, isNewest));
  }

  /** `header` was refused: the next call asks for another. */
  forget(header: string | undefined): void {
    if (this.#known?.header === header) this.#known = undefined;
  }

  /** `header` was refused. Asks for another: true where there is one. @throws LedgerError UNAUTHENTICATED as `header` */
  async renewed(header: string | undefined): Promise<boolean> {
    if (this.#ask === undefined) return false;
    this.forget(header);
    return (await this.header()) !== header;
  }

  /** @throws LedgerError UNAUTHENTICATED with what the program's function threw */
  async #renew(ask: () => Token | Promise<Token>, isNewest: () => boolean): Promise<string> {
    let token: Token;
    try {
      token = await ask();
    } catch (cause) {
      if (cause instanceof LedgerError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new LedgerError("UNAUTHENTICATED", `credentials() gave no token: ${why}`, { cause });
    }
    const { token: text, expiresAtMs } =
      typeof token === "string" ? { token, expiresAtMs: undefined } : token;
    checkToken(text);
    const header = headerOf(text);
    const untilMs = expiresAtMs === undefined ? Number.POSITIVE_INFINITY : expiresAtMs - EARLY_MS;
    if (isNewest()) this.#known = { header, untilMs };
    return header;
  }
}

function headerOf(token: string): string {
  return `Bearer ${token}`;
}
