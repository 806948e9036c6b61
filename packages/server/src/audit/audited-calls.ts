/** What puts calls into the audit log: around the handlers of administration, and behind the gate for who was not let in. */
import { GrpcStatus, LedgerError } from "@authledger/types";
import { isAudited } from "../gate/call-class.js";
import type { CallObserver } from "../gate/gate.js";
import type { CallContext, GatedCall } from "../gate/gated-call.js";
import type { MethodInfo } from "../gate/method.js";
import { toServiceError } from "../grpc-error.js";
import { isForAnotherNode } from "../not-leader.js";
import type { AnyStreamMethod } from "../streaming.js";
import type { AnyHandler } from "../unary.js";
import type { AuditLog } from "./audit-log.js";
import { type AuditOutcome, type AuditRecord, resourceOf } from "./audit-record.js";

export class AuditedCalls implements CallObserver {
  readonly #log: AuditLog;
  readonly #node: string;

  /** @param node how records name this node */
  constructor(log: AuditLog, node: string) {
    this.#log = log;
    this.#node = node;
  }

  /** A handler of administration answers after its call is in the log; what another node must do, that node writes. */
  unary(method: MethodInfo, handler: AnyHandler): AnyHandler {
    if (!isAudited(method)) return handler;
    return async (request, call) => {
      try {
        const answer = await handler(request, call);
        await this.#log.add(this.#record(method, request, call, "success"));
        return answer;
      } catch (error) {
        await this.#failed(method, request, call, error);
        throw error;
      }
    };
  }

  /** The same for one that streams its answer: it is in the log when it has ended. */
  stream(method: MethodInfo, streaming: AnyStreamMethod): AnyStreamMethod {
    if (!isAudited(method)) return streaming;
    const audited = this;
    return {
      ...streaming,
      handler: async function* (request, call) {
        let error: unknown = new LedgerError("CANCELLED", "the client ended the stream");
        try {
          yield* streaming.handler(request, call);
          error = undefined;
        } catch (thrown) {
          error = thrown;
          throw thrown;
        } finally {
          if (error !== undefined) await audited.#failed(method, request, call, error);
          else await audited.#log.add(audited.#record(method, request, call, "success"));
        }
      },
    };
  }

  /** Who is not let in is told of in summaries. */
  ended(call: GatedCall): void {
    if (!isRefusal(call.status)) return;
    const { method, wire } = call;
    const isDecoded = typeof wire.request === "object" && wire.request !== null;
    const request = isDecoded ? call.target : undefined;
    this.#log.refuse(this.#record(method, request, call, "refused", call.error));
  }

  async #failed(
    method: MethodInfo,
    request: unknown,
    call: CallContext,
    error: unknown,
  ): Promise<void> {
    // It is told of where another node answers it.
    if (error instanceof LedgerError && isForAnotherNode(error)) return;
    if (isRefusal(toServiceError(error).code)) return;
    await this.#log.add(this.#record(method, request, call, "failure", error));
  }

  #record(
    method: MethodInfo,
    request: unknown,
    call: CallContext,
    outcome: AuditOutcome,
    error?: unknown,
  ): AuditRecord {
    const { principal, requestId, client } = call;
    return {
      ...{ timeMs: Date.now(), actor: principal.name },
      ...{ action: `${method.service}/${method.name}`, resource: resourceOf(request), outcome },
      ...(error !== undefined && about(error)),
      ...{ requestId, client, node: this.#node },
    };
  }
}

function about(error: unknown): Pick<AuditRecord, "code" | "message"> {
  const { details = "" } = toServiceError(error);
  const colon = details.indexOf(":");
  return { code: details.slice(0, colon), message: details.slice(colon + 2) };
}

function isRefusal(status: number | undefined): boolean {
  return status === GrpcStatus.PERMISSION_DENIED || status === GrpcStatus.UNAUTHENTICATED;
}
