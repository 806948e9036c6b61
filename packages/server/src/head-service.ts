/** The methods of ReadService about who signs heads: bundles of policies, and heads that clients report. */
import type { EngineReply } from "@authledger/engine";
import { read } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { type Decoders, strict } from "./call-frame.js";
import { numberOf } from "./convert-request.js";
import { proofMessage } from "./convert-response.js";
import type { HeadMethod, ServiceDeps } from "./read-service.js";
import type { Handler } from "./unary.js";
import type { VaultName } from "./vault-directory.js";

/** A note has at most 64 KiB. */
const NOTE_CHARACTERS_MAX = 64 * 1024;
const EMPTY = new Uint8Array(0);

interface HeadHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly listPolicyBundles: Handler<
    read.ListPolicyBundlesRequest,
    read.ListPolicyBundlesResponse
  >;
  readonly reportCheckpoint: Handler<read.ReportCheckpointRequest, read.ReportCheckpointResponse>;
}

const JUDGEMENTS = {
  consistent: read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONSISTENT,
  larger: read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_LARGER,
  contradiction: read.CheckpointJudgement.CHECKPOINT_JUDGEMENT_CONTRADICTION,
} as const;

export class HeadService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly requests: Pick<Decoders<read.ReadServiceService>, HeadMethod> = {
    listPolicyBundles: strict(read.ListPolicyBundlesRequest),
    reportCheckpoint: strict(read.ReportCheckpointRequest),
  };

  readonly handlers: HeadHandlers = {
    listPolicyBundles: async (request) => {
      const vault = await this.#vault(request);
      const { bundles, newestEpoch } = await this.#deps.engine.call("get_policy_bundles", {
        vault,
        epoch: numberOf(request.epoch, "epoch"),
        trustedSize: numberOf(request.trustedSize, "trusted_size"),
      });
      return { bundles: bundles.map(bundleMessage), newestEpoch: BigInt(newestEpoch) };
    },
    reportCheckpoint: async (request) => {
      const { checkpoint } = request;
      if (checkpoint.length > NOTE_CHARACTERS_MAX) {
        throw new LedgerError("INVALID_ARGUMENT", "a checkpoint has at most 64 KiB", {
          details: { field: "checkpoint" },
        });
      }
      const vault = await this.#vault(request);
      const asked = this.#deps.engine.call("report_checkpoint", { vault, checkpoint });
      const reply = await asked.catch(refuseHead);
      return { judgement: JUDGEMENTS[reply.judgement] };
    },
  };

  async #vault(name: VaultName): Promise<number> {
    const { vaults } = this.#deps;
    return vaults.known(name) ?? vaults.resolve(name);
  }
}

/** A head that nobody signed is the fault of whoever shows it, and no damage here. @throws LedgerError */
function refuseHead(cause: unknown): never {
  if (!(cause instanceof LedgerError) || cause.code !== "PROOF_INVALID") throw cause;
  const message = `the checkpoint is no signed head of this vault: ${cause.message}`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "checkpoint" }, cause });
}

function bundleMessage({
  epoch,
  policyValue,
  ...proof
}: EngineReply<"get_policy_bundles">["bundles"][number]): read.PolicyBundle {
  const whole = { ...proof, pageFrom: EMPTY, pageTo: EMPTY };
  return { epoch: BigInt(epoch), policyValue, proof: proofMessage(whole) };
}
