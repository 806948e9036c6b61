/** The calls of IamService about API keys and who the caller is. The gate has let pass whoever administers the cluster. */
import type { EnginePort } from "@authledger/engine";
import { iam } from "@authledger/proto";
import { LedgerError, validateName } from "@authledger/types";
import { ApiKeys, type KeyInfo } from "../authn/api-keys.js";
import { reasonOf } from "../authorization/convert-model.js";
import { type Decoders, strict } from "../call-frame.js";
import { numberOf, pageSizeOf } from "../convert-request.js";
import type { Forwarding } from "../forwarding.js";
import type { Service } from "../framed-service.js";
import { SystemVault } from "../system/system-vault.js";
import type { PageTokens } from "../tokens.js";
import type { Handler } from "../unary.js";

type KeyMethods = Pick<
  iam.IamServiceService,
  "createApiKey" | "listApiKeys" | "revokeApiKey" | "whoAmI"
>;

const KEY_REQUESTS: Decoders<KeyMethods> = {
  createApiKey: strict(iam.CreateApiKeyRequest),
  listApiKeys: strict(iam.ListApiKeysRequest),
  revokeApiKey: strict(iam.RevokeApiKeyRequest),
  whoAmI: strict(iam.WhoAmIRequest),
};

interface KeyHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly createApiKey: Handler<iam.CreateApiKeyRequest, iam.CreateApiKeyResponse>;
  readonly listApiKeys: Handler<iam.ListApiKeysRequest, iam.ListApiKeysResponse>;
  readonly revokeApiKey: Handler<iam.RevokeApiKeyRequest, iam.RevokeApiKeyResponse>;
  readonly whoAmI: Handler<iam.WhoAmIRequest, iam.WhoAmIResponse>;
}

/** @param engine whose refusal to write passes the whole call on to the leader */
export function keyService(
  engine: EnginePort,
  pageTokens: PageTokens,
  forwarding: Forwarding,
): Service<KeyMethods> {
  const { createApiKey, listApiKeys, revokeApiKey, whoAmI } = iam.IamServiceService;
  // It recognizes nobody, so it never needs to hear of a move.
  const keys = new ApiKeys(new SystemVault(engine), { keyGeneration: 0 });
  return {
    name: "IamService",
    definition: { createApiKey, listApiKeys, revokeApiKey, whoAmI },
    requests: KEY_REQUESTS,
    handlers: keyHandlers(keys, pageTokens),
    forwarding,
    ownMethods: ["whoAmI"],
  };
}

function keyHandlers(keys: ApiKeys, pageTokens: PageTokens): KeyHandlers {
  return {
    createApiKey: async (request, { principal, deadlineAtMs }) => {
      const { name } = request;
      validateName(name, "name");
      const expiresAtMs = numberOf(request.expiresAtMs, "expires_at_ms");
      if (expiresAtMs !== 0 && expiresAtMs <= Date.now()) {
        throw invalid("expires_at_ms", `expires_at_ms ${expiresAtMs} is in the past`);
      }
      const write = { actor: principal.name, reason: reasonOf(request), deadlineAtMs };
      const made = await keys.create({ name, expiresAtMs }, write);
      return { key: keyMessage(made), text: made.text };
    },
    listApiKeys: async (request, { deadlineAtMs }) => {
      const after = pageTokens.decode("keys", request.pageToken);
      const page = await keys.list({
        ...{ limit: pageSizeOf(request.pageSize), deadlineAtMs },
        ...(after !== undefined && { after }),
      });
      const { next } = page;
      return {
        keys: page.keys.map(keyMessage),
        nextPageToken: next === undefined ? new Uint8Array(0) : pageTokens.encode("keys", next),
      };
    },
    revokeApiKey: async (request, { principal, deadlineAtMs }) => {
      if (!/^[0-9A-Za-z]{1,20}$/.test(request.id)) {
        throw invalid("id", "id is not that of a key: up to 20 letters and digits");
      }
      const write = { actor: principal.name, reason: reasonOf(request), deadlineAtMs };
      await keys.revoke(request.id, write);
      return {};
    },
    whoAmI: (_request, { principal }) => ({ principal: principal.name, kind: principal.kind }),
  };
}

function keyMessage({ id, record }: KeyInfo): iam.ApiKey {
  const { name, principal, creator } = record;
  return {
    ...{ id, name, principal, creator },
    createdAtMs: BigInt(record.created_ms),
    expiresAtMs: BigInt(record.expires_ms),
  };
}

function invalid(field: string, message: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
}
