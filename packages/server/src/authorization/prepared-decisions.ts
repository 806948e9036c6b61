/**
 * Decisions that were asked before, as prepared-checks.ts has it for stored tuples: a plain question that comes again, byte for byte,
 * is not decoded and validated again, and an answer that says the same about the same point of a vault is not encoded again. What
 * is decided is decided each time, or given by the engine for the very same state.
 *
 * Plain: linearizable, without a proof, without a context.
 */
import type { EngineReply, EngineRequest } from "@authledger/engine";
import { authorization, decodeStrictly } from "@authledger/proto";
import { answeredAt } from "../convert-response.js";
import { Generations } from "../generations.js";
import { RecentlySeen } from "../recently-seen.js";
import type { VaultName } from "../vault-directory.js";
import { pointMessage } from "./convert-answer.js";

/** Longer requests are decoded each time. */
const REMEMBERED_BYTES_MAX = 512;
/** Questions in each of two generations: some 25 MB together. */
const GENERATION_MAX = 16_384;
/** Fingerprints of questions that were asked once: 64 KiB. */
const SEEN_SLOTS = 16_384;
/** Vaults whose last answers are kept, and different answers about one point; all are forgotten when there are more. */
const ANSWERED_VAULTS_MAX = 1_024;
const ANSWERS_MAX = 64;

/** A request and, once it was found to be right and plain, what it asks the engine. */
export interface PreparedDecision {
  readonly message: authorization.AuthorizationServiceCheckRequest;
  /** Its bytes, one a character; undefined for what is not remembered. */
  readonly key: string | undefined;
  question: EngineRequest<"authorize"> | undefined;
}

interface PlainAnswers {
  readonly height: number;
  readonly index: number;
  readonly modelVersion: number;
  /** By cost, which is negative for a denial: -1 - cost. */
  readonly answers: Map<number, Buffer>;
}

export class PreparedDecisions {
  readonly #known = new Generations<PreparedDecision>(GENERATION_MAX);
  readonly #seen = new RecentlySeen(SEEN_SLOTS);
  readonly #answers = new Map<number, PlainAnswers>();

  /** @throws Error when the bytes are not a request */
  readonly decode = (bytes: Buffer): PreparedDecision => {
    const key = bytes.length > REMEMBERED_BYTES_MAX ? undefined : bytes.toString("latin1");
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const message = decodeStrictly(authorization.AuthorizationServiceCheckRequest, bytes);
    return { message, key, question: undefined };
  };

  /** Keeps the question for when the same bytes come again, from the second time on. Only what is valid and plain. */
  remember(decision: PreparedDecision, question: EngineRequest<"authorize">): void {
    if (decision.key === undefined) return;
    decision.question = question;
    if (this.#seen.see(decision.key)) this.#known.set(decision.key, decision);
  }

  /** The bytes of a plain answer. @param name the vault's, for the token of an answer that is new */
  answer(vault: number, name: VaultName, reply: EngineReply<"authorize">): Buffer {
    const allowed = reply.allowed[0] === true;
    const { answers } = this.#about(vault, reply);
    const id = allowed ? reply.cost : -1 - reply.cost;
    const known = answers.get(id);
    if (known !== undefined) return known;
    const encoded = encode(name, reply, allowed);
    if (answers.size >= ANSWERS_MAX) answers.clear();
    answers.set(id, encoded);
    return encoded;
  }

  #about(vault: number, { at, modelVersion }: EngineReply<"authorize">): PlainAnswers {
    const { height, index } = at;
    const known = this.#answers.get(vault);
    const isSame =
      known?.height === height && known.index === index && known.modelVersion === modelVersion;
    if (isSame) return known;
    if (this.#answers.size >= ANSWERED_VAULTS_MAX) this.#answers.clear();
    const begun = { height, index, modelVersion, answers: new Map<number, Buffer>() };
    this.#answers.set(vault, begun);
    return begun;
  }
}

function encode(name: VaultName, reply: EngineReply<"authorize">, allowed: boolean): Buffer {
  return authorization.AuthorizationServiceService.check.responseSerialize({
    allowed,
    ...answeredAt(name, reply.at),
    ...pointMessage(reply),
  });
}

/** Has the request no wish for another consistency, no proof to give, and does it bring nothing along? */
export function isPlainDecision({
  consistency,
  prove,
  context,
}: authorization.AuthorizationServiceCheckRequest): boolean {
  if (prove !== undefined || context !== undefined) return false;
  const wish = consistency?.requirement?.$case;
  return wish === undefined || wish === "linearizable";
}
