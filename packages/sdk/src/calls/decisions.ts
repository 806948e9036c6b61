/**
 * Decisions by the vault's active model: checks, lists, and why. A vault without one answers checks by the stored tuple
 * alone, with model version 0.
 */
import {
  type ChecksQuestion,
  type ConditionContext,
  canonicalJson,
  type TupleCondition,
  type UsersetLeaf,
  type UsersetTree,
} from "@authledger/authz";
import { authorization, type common } from "@authledger/proto";
import type { Tuple } from "@authledger/types";
import { consistencyMessage, tokenOf } from "../consistency.js";
import type { VaultName } from "../options.js";
import type { Session } from "../session.js";
import { malformed, tupleConditionMessage, tupleConditionOf, tupleOf } from "./convert.js";
import { broughtAlong, type DecisionEvidence, DecisionProving } from "./decision-proving.js";
import { requireUnproven, type UnprovenOptions } from "./paged-list.js";
import type { Answer, ReadOptions, TupleInput } from "./values.js";

const SERVICE = authorization.AuthorizationServiceService;

/** A tuple that counts as stored for one question, with the condition that it carries. */
export type ContextualTuple =
  | TupleInput
  | { readonly tuple: TupleInput; readonly condition?: TupleCondition | undefined };

/** What a question may bring along. */
export interface DecisionOptions extends UnprovenOptions {
  /** Values of parameters of conditions. */
  readonly context?: ConditionContext | undefined;
  /** Count as stored for this question only, in place of stored ones of the same keys; at most 100. */
  readonly contextualTuples?: readonly ContextualTuple[] | undefined;
}

/** Of decisions that can be proven: a verifying client decides again unless it takes the server's word. */
export interface ProvableDecisionOptions extends DecisionOptions {
  /** Return the proof as bytes, and with it all that a receipt holds. */
  readonly prove?: ReadOptions["prove"];
}

/** Of what every decision returns. */
export interface DecidedAnswer extends Answer {
  /** What a receipt holds beside the proof; present where there is a proof. */
  readonly evidence?: DecisionEvidence;
  /** The version of the model that decided; 0 = no model is active. */
  readonly modelVersion: bigint;
  /** Tuples read and points looked up. */
  readonly cost: bigint;
}

export interface Decision extends DecidedAnswer {
  readonly allowed: boolean;
}

export interface Decisions extends DecidedAnswer {
  /** One for each tuple, in order. */
  readonly allowed: readonly boolean[];
}

export interface RelationsAnswer extends DecidedAnswer {
  readonly relations: readonly string[];
}

export interface ExpandAnswer extends Answer {
  readonly modelVersion: bigint;
  readonly tree: UsersetTree;
}

/** Which relations a subject has to a resource. */
export interface RelationsQuestion {
  readonly resource: string;
  readonly subject: string;
  /** At most 100. Default: all of the resource's type. */
  readonly relations?: readonly string[] | undefined;
}

/** One step of a decision, and the steps that it follows from. */
export interface ExplainedStep {
  /** `cycle`: false in the end, since it rests on itself. `undecided`: a condition that cannot be evaluated, or too deep. */
  readonly outcome: string;
  /** What this step asks: `type:id#relation`, or `type:id` where its operands say the relation. */
  readonly question: string;
  /** How it was decided: `direct`, `computed`, `tuple_to_userset`, `union`, `cycle`, ... */
  readonly kind: string;
  /** Met in this very step. */
  readonly tuples: readonly DecidingTuple[];
  /** In words; empty where the rest says it. */
  readonly reason: string;
  readonly children: readonly ExplainedStep[];
  readonly cost: bigint;
}

export interface DecidingTuple {
  readonly tuple: Tuple;
  readonly condition?: TupleCondition;
  /** Height of the block that last changed it; 0 = it came with the question. */
  readonly version: bigint;
  /** Does it count? `false`: its condition does not hold, or the model does not allow it. */
  readonly outcome: string;
}

export interface ExplainAnswer extends Answer {
  readonly allowed: boolean;
  readonly explanation: ExplainedStep;
  readonly modelVersion: bigint;
  /** As of when expiry was judged: now, or the time of the older block that was asked for. */
  readonly timeMs: bigint;
  /** The tree was larger than an answer holds: parts of it are left out. */
  readonly truncated: boolean;
}

export async function decide(
  session: Session,
  input: TupleInput,
  options: ProvableDecisionOptions,
): Promise<Decision> {
  const proving = await DecisionProving.begin(session, options);
  const { prove, consistency } = proving;
  const [tuple, context] = [tupleOf(input), broughtBy(options)];
  const request = { ...session.vault(), tuple, context, consistency, prove };
  const response = await session.call(SERVICE.check, request, proving.call);
  const about = decided(response);
  if (prove === undefined) return { allowed: response.allowed, ...about };
  const claimed = { kind: "check", allowed: [response.allowed] } as const;
  const judged = await proving.judge(response, checksOf([tuple], context), claimed);
  return { ...about, ...judged.about, ...judged.model, allowed: judged.answer.allowed[0] === true };
}

export async function decideMany(
  session: Session,
  inputs: readonly TupleInput[],
  options: ProvableDecisionOptions,
): Promise<Decisions> {
  const proving = await DecisionProving.begin(session, options);
  const { prove, consistency } = proving;
  const [tuples, context] = [inputs.map(tupleOf), broughtBy(options)];
  const request = { ...session.vault(), tuples, context, consistency, prove };
  const response = await session.call(SERVICE.batchCheck, request, proving.call);
  const { allowed } = response;
  if (allowed.length !== inputs.length) {
    throw malformed(`${allowed.length} answers to ${inputs.length} questions`);
  }
  if (prove === undefined) return { allowed, ...decided(response) };
  const claimed = { kind: "check", allowed } as const;
  const judged = await proving.judge(response, checksOf(tuples, context), claimed);
  const { answer, about, model } = judged;
  return { ...decided(response), ...about, ...model, allowed: answer.allowed };
}

function checksOf(
  tuples: readonly Tuple[],
  context: authorization.EvaluationContext | undefined,
): ChecksQuestion {
  const checks = tuples.map(({ resource: object, relation, subject }) => ({
    object,
    relation,
    subject,
  }));
  return { kind: "check", checks, ...broughtAlong(context) };
}

export async function listRelations(
  session: Session,
  question: RelationsQuestion,
  options: DecisionOptions,
): Promise<RelationsAnswer> {
  const { resource, subject, relations = [] } = question;
  const about = { resource, subject, relations: [...relations] };
  const request = { ...asked(session, options), ...about };
  const response = await session.call(SERVICE.listRelations, request, options);
  return { relations: response.relations, ...decided(response) };
}

export async function expand(
  session: Session,
  question: { readonly resource: string; readonly relation: string },
  options: DecisionOptions,
): Promise<ExpandAnswer> {
  const { resource, relation } = question;
  const { context, ...vault } = asked(session, options);
  const contextualTuples = context?.contextualTuples ?? [];
  const request = { ...vault, resource, relation, contextualTuples };
  const { tree, modelVersion, ...at } = await session.call(SERVICE.expand, request, options);
  return { tree: treeOf(tree), modelVersion, ...answeredAt(at) };
}

export async function explain(
  session: Session,
  input: TupleInput,
  options: DecisionOptions,
): Promise<ExplainAnswer> {
  const request = { ...asked(session, options), tuple: tupleOf(input) };
  const response = await session.call(SERVICE.explain, request, options);
  const { allowed, modelVersion, timeMs, truncated } = response;
  const explanation = stepOf(response.explanation);
  return { allowed, explanation, modelVersion, timeMs, truncated, ...answeredAt(response) };
}

/** What every question says. */
export interface Asked extends VaultName {
  readonly consistency: common.Consistency;
  readonly context: authorization.EvaluationContext | undefined;
}

/** @throws LedgerError where a verifying client did not ask for the server's word */
function asked(session: Session, options: DecisionOptions): Asked {
  requireUnproven(session, options);
  const consistency = consistencyMessage(options.consistency);
  return { ...session.vault(), consistency, context: broughtBy(options) };
}

/** What a question brings along, as a message. */
export function broughtBy(options: DecisionOptions): authorization.EvaluationContext | undefined {
  const { context, contextualTuples = [] } = options;
  if (context === undefined && contextualTuples.length === 0) return undefined;
  const contextJson = context === undefined ? "" : canonicalJson(context);
  return { contextJson, contextualTuples: contextualTuples.map(contextualTupleMessage) };
}

export function contextualTupleMessage(given: ContextualTuple): common.ContextualTuple {
  if (typeof given === "string" || !("tuple" in given)) {
    return { tuple: tupleOf(given) };
  }
  const condition = given.condition && tupleConditionMessage(given.condition);
  return { tuple: tupleOf(given.tuple), ...(condition && { condition }) };
}

export function answeredAt({ height, token }: { height: bigint; token: Uint8Array }): Answer {
  return { height, token: tokenOf(token) };
}

export function decided(response: {
  readonly height: bigint;
  readonly token: Uint8Array;
  readonly modelVersion: bigint;
  readonly cost: bigint;
}): DecidedAnswer {
  const { modelVersion, cost } = response;
  return { modelVersion, cost, ...answeredAt(response) };
}

function treeOf(message: authorization.UsersetTree | undefined): UsersetTree {
  const node = message?.node;
  if (message === undefined || node === undefined) throw malformed("a tree without a node");
  const about = { object: message.resource, relation: message.relation };
  switch (node.$case) {
    case "leaf":
      return { kind: "leaf", ...about, subjects: leavesOf(node.value) };
    case "computed":
      return { kind: "computed", ...about, userset: node.value.userset };
    case "tupleToUserset": {
      const { tupleset, usersets } = node.value;
      return { kind: "tuple_to_userset", ...about, tupleset, usersets };
    }
    case "union":
    case "intersection":
      return { kind: node.$case, ...about, children: node.value.children.map(treeOf) };
    case "exclusion": {
      const { base, subtract } = node.value;
      return { kind: "exclusion", ...about, base: treeOf(base), subtract: treeOf(subtract) };
    }
  }
}

function leavesOf({ subjects, conditions }: authorization.UsersetTree_Leaf): UsersetLeaf[] {
  return subjects.map((subject) => {
    const condition = conditions[subject];
    return { subject, ...(condition !== undefined && { condition }) };
  });
}

function stepOf(message: authorization.Explanation | undefined): ExplainedStep {
  if (message === undefined) throw malformed("an explanation without its tree");
  const { outcome, question, kind, reason, cost } = message;
  const tuples = message.tuples.map(({ tuple, condition, version, outcome: counts }) => {
    if (tuple === undefined) throw malformed("an explanation without its tuple");
    return {
      tuple,
      version,
      outcome: counts,
      ...(condition && { condition: tupleConditionOf(condition) }),
    };
  });
  const children = message.children.map(stepOf);
  return { outcome, question, kind, tuples, reason, children, cost };
}
