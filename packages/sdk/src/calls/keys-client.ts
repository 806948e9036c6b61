/** API keys of the ledger, for administrators of the cluster, and who the caller is, for everybody. */
import { iam } from "@authledger/proto";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { AdminList, type AdminListOptions } from "./admin-list.js";
import { malformed } from "./convert.js";

const SERVICE = iam.IamServiceService;

/** An API key without its secret. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** Whom it stands for: the actor of what it writes. */
  readonly principal: string;
  /** The principal that made it. */
  readonly creator: string;
  readonly createdAtMs: bigint;
  /** 0 = never. */
  readonly expiresAtMs: bigint;
}

export interface NewApiKey extends ApiKey {
  /** The key itself: this is the only time that it is shown. */
  readonly text: string;
}

export interface NewApiKeyOptions extends CallOptions {
  /** Milliseconds since 1970; never when absent. */
  readonly expiresAtMs?: bigint;
  readonly reason?: string;
}

export class KeysClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Sent once: a key whose answer was lost is in the list, and should be revoked. */
  async create(name: string, options: NewApiKeyOptions = {}): Promise<NewApiKey> {
    const { expiresAtMs = 0n, reason = "" } = options;
    const request = { name, expiresAtMs, reason };
    const { key, text } = await this.#session.call(SERVICE.createApiKey, request, options, "once");
    if (key === undefined) throw malformed("no key");
    return { ...key, text };
  }

  /** In the order of their ids; never their secrets. */
  list(options: AdminListOptions = {}): AdminList<ApiKey> {
    return new AdminList(options, async (page) => {
      const { keys, nextPageToken } = await this.#session.call(SERVICE.listApiKeys, page, options);
      return { rows: keys, next: nextPageToken };
    });
  }

  /** @throws LedgerError KEY_NOT_FOUND */
  async revoke(
    id: string,
    options: CallOptions & { readonly reason?: string } = {},
  ): Promise<void> {
    const request = { id, reason: options.reason ?? "" };
    await this.#session.call(SERVICE.revokeApiKey, request, options, "once");
  }

  /** Who the caller is to the ledger, and how it showed that. */
  async whoAmI(
    options?: CallOptions,
  ): Promise<{ readonly principal: string; readonly kind: string }> {
    return this.#session.call(SERVICE.whoAmI, {}, options);
  }
}
