/** What can be decided with a proof, and the answers: plain data, the same in a call, in a replay and in a file. */
import type { ConditionContext } from "../condition/context.js";
import type { RelationTuple } from "../evaluate/tuple-reader.js";

interface WithContext {
  readonly context?: ConditionContext | undefined;
  /** Count as stored, for this question only. */
  readonly contextualTuples?: readonly RelationTuple[] | undefined;
}

/** Checks that share a context and are answered as of one moment. */
export interface ChecksQuestion extends WithContext {
  readonly kind: "check";
  readonly checks: readonly {
    readonly object: string;
    readonly relation: string;
    readonly subject: string;
  }[];
}

interface Page {
  readonly limit: number;
  /** Where the page begins: `next` of the page before. */
  readonly cursor?: Uint8Array | undefined;
}

export interface ObjectsQuestion extends WithContext, Page {
  readonly kind: "list_objects";
  readonly type: string;
  readonly relation: string;
  readonly subject: string;
}

export interface UsersQuestion extends WithContext, Page {
  readonly kind: "list_users";
  readonly object: string;
  readonly relation: string;
  readonly filters: readonly string[];
}

export type DecisionQuestion = ChecksQuestion | ObjectsQuestion | UsersQuestion;

export interface ChecksAnswer {
  readonly kind: "check";
  /** One for each check, in order. */
  readonly allowed: readonly boolean[];
}

interface ListAnswer {
  /** Nothing is missing: the list ends with this page. */
  readonly complete: boolean;
  /** Where the next page begins; absent on the last one. */
  readonly next?: Uint8Array | undefined;
}

export interface ObjectsAnswer extends ListAnswer {
  readonly kind: "list_objects";
  readonly objects: readonly string[];
}

export interface UsersAnswer extends ListAnswer {
  readonly kind: "list_users";
  readonly users: readonly string[];
}

export type AnswerTo<Q extends DecisionQuestion> = Q extends ChecksQuestion
  ? ChecksAnswer
  : Q extends ObjectsQuestion
    ? ObjectsAnswer
    : UsersAnswer;

export type DecisionAnswer = ChecksAnswer | ObjectsAnswer | UsersAnswer;
