/**
 * Checks that were asked before. What a request means follows from its bytes alone, so a plain check that comes
 * again, byte for byte, is not decoded, validated and hashed again: it is the same question to the engine. And an
 * answer that says the same about the same point of a vault is not encoded again. What is stored is read each time.
 *
 * Plain: linearizable, without a proof. Measured with `node bench/run.mjs check`.
 */
import type { AnswerPoint, EngineReply, EngineRequest } from "@authledger/engine";
import { decodeStrictly, read } from "@authledger/proto";
import { answeredAt } from "./convert-response.js";
import { Generations } from "./generations.js";
import { RecentlySeen } from "./recently-seen.js";
import type { VaultName } from "./vault-directory.js";

/** Longer requests are decoded each time. */
const REMEMBERED_BYTES_MAX = 512;
/** Checks in each of two generations: some 25 MB together. */
const GENERATION_MAX = 16_384;
/** Fingerprints of checks that were asked once: 64 KiB. */
const SEEN_SLOTS = 16_384;
/** Vaults whose last answers are kept; all are forgotten when there are more. */
const ANSWERED_VAULTS_MAX = 1_024;

/** A request and, once it was found to be right and plain, what it asks the engine. */
export interface PreparedCheck {
  readonly message: read.CheckRequest;
  /** Its bytes, one a character; undefined for what is not remembered. */
  readonly key: string | undefined;
  question: EngineRequest<"check"> | undefined;
}

/** The two answers about one point of a vault, as bytes. */
interface PlainAnswers {
  readonly height: number;
  readonly index: number;
  readonly yes: Buffer;
  readonly no: Buffer;
}

export class PreparedChecks {
  readonly #known: Generations<PreparedCheck>;
  readonly #seen = new RecentlySeen(SEEN_SLOTS);
  readonly #answers = new Map<number, PlainAnswers>();

  constructor(generationMax: number = GENERATION_MAX) {
    this.#known = new Generations(generationMax);
  }

  get size(): number {
    return this.#known.size;
  }

  /** @throws Error when the bytes are not a request */
  readonly decode = (bytes: Buffer): PreparedCheck => {
    const key = bytes.length > REMEMBERED_BYTES_MAX ? undefined : bytes.toString("latin1");
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    return { message: decodeStrictly(read.CheckRequest, bytes), key, question: undefined };
  };

  /**
   * Keeps the question for when the same bytes come again, from the second time on: what never comes again would only
   * push out what does. Only what is valid and plain may be kept.
   */
  remember(check: PreparedCheck, question: EngineRequest<"check">): void {
    if (check.key === undefined) return;
    check.question = question;
    if (this.#seen.see(check.key)) this.#known.set(check.key, check);
  }

  /** The bytes of a plain answer. @param name the vault's, for the token of an answer that is new */
  answer(vault: number, name: VaultName, { allowed, at }: EngineReply<"check">): Buffer {
    let answers = this.#answers.get(vault);
    if (answers?.height !== at.height || answers.index !== at.index) {
      if (this.#answers.size >= ANSWERED_VAULTS_MAX) this.#answers.clear();
      answers = answersAt(name, at);
      this.#answers.set(vault, answers);
    }
    return allowed[0] ? answers.yes : answers.no;
  }
}

function answersAt(name: VaultName, at: AnswerPoint): PlainAnswers {
  const { height, index } = at;
  const encode = (allowed: boolean): Buffer =>
    read.ReadServiceService.check.responseSerialize({ allowed, ...answeredAt(name, at) });
  return { height, index, yes: encode(true), no: encode(false) };
}

/** Has the request neither a wish for consistency other than the default nor one for a proof? */
export function isPlain({ consistency, prove }: read.CheckRequest): boolean {
  if (prove !== undefined) return false;
  const wish = consistency?.requirement?.$case;
  return wish === undefined || wish === "linearizable";
}
