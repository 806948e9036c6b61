/** WriteService over the engine's port. */
import type { EngineReply } from "@authledger/engine";
import { write } from "@authledger/proto";
import { limits, type TransactionRequest } from "@authledger/types";
import { checkCount, itemsOf, transactionOf } from "./convert-request.js";
import { batchResultMessage, refusalError, resultMessage } from "./convert-response.js";
import type { ServiceDeps } from "./read-service.js";
import { encodeConsistencyToken } from "./tokens.js";
import type { CallContext, Handler, RequestCodecs } from "./unary.js";
import type { VaultName } from "./vault-directory.js";

/** Who writes, until callers are authenticated. */
const ANONYMOUS = "anonymous";

export const WRITE_REQUESTS: RequestCodecs<write.WriteServiceService> = {
  write: write.WriteRequest,
  batchWrite: write.BatchWriteRequest,
};

interface WriteHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly write: Handler<write.WriteRequest, write.WriteResponse>;
  readonly batchWrite: Handler<write.BatchWriteRequest, write.BatchWriteResponse>;
}

export class WriteService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly handlers: WriteHandlers = {
    write: async (request, call) => {
      const transactions = [transactionOf(request.transaction)];
      const { outcomes, at } = await this.#write(request, transactions, call);
      const outcome = outcomes[0]!;
      if (outcome.kind === "refused") throw refusalError(outcome);
      return { result: resultMessage(outcome), token: tokenOf(request, at) };
    },
    batchWrite: async (request, call) => {
      checkCount(request.transactions.length, limits.BATCH_TRANSACTIONS_MAX, "transactions");
      const transactions = itemsOf(request.transactions, "transactions", transactionOf);
      const { outcomes, at } = await this.#write(request, transactions, call);
      return { results: outcomes.map(batchResultMessage), token: tokenOf(request, at) };
    },
  };

  async #write(
    request: VaultName & { readonly prove: boolean },
    transactions: readonly TransactionRequest[],
    { deadlineAtMs }: CallContext,
  ): Promise<EngineReply<"write">> {
    const { vaults, engine } = this.#deps;
    const vault = vaults.known(request) ?? (await vaults.resolve(request));
    const { prove } = request;
    return engine.call("write", { vault, transactions, actor: ANONYMOUS, prove }, deadlineAtMs);
  }
}

function tokenOf({ organization, vault }: VaultName, at: EngineReply<"write">["at"]): Uint8Array {
  return encodeConsistencyToken({ organization, vault, height: at.height, index: at.index });
}
