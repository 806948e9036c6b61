/** From replies about decisions to messages. */
import type {
  ExplainedTuple,
  Explanation,
  RelationTuple,
  UsersetLeaf,
  UsersetTree,
} from "@authledger/authz";
import type { DecisionPoint, DecisionProof } from "@authledger/engine";
import type { authorization, common } from "@authledger/proto";
import { proofMessage } from "../convert-response.js";
import { conditionMessage } from "./convert-condition.js";

/** Nodes of an explanation that one answer gives; the rest of the tree is left out, and the answer says so. */
const EXPLAINED_MAX = 2_000;

export function pointMessage({ modelVersion, cost }: DecisionPoint): {
  readonly modelVersion: bigint;
  readonly cost: bigint;
} {
  return { modelVersion: BigInt(modelVersion), cost: BigInt(cost) };
}

export function decisionProofMessage(
  shown: DecisionProof | undefined,
): authorization.DecisionProof | undefined {
  if (shown === undefined) return undefined;
  const { proof, activeModel, modelBody, tupleValues } = shown;
  return { proof: proofMessage(proof), activeModel, modelBody, tupleValues: [...tupleValues] };
}

export function contextualTupleMessage(tuple: RelationTuple): common.ContextualTuple {
  return { tuple: tupleMessage(tuple), condition: conditionMessage(tuple.condition) };
}

export function tupleMessage({
  object: resource,
  relation,
  subject,
}: Pick<RelationTuple, "object" | "relation" | "subject">): common.Tuple {
  return { resource, relation, subject };
}

export function treeMessage(tree: UsersetTree): authorization.UsersetTree {
  const relation = "relation" in tree ? tree.relation : "";
  return { resource: tree.object, relation, node: nodeOf(tree) };
}

function nodeOf(tree: UsersetTree): authorization.UsersetTree["node"] {
  switch (tree.kind) {
    case "leaf":
      return { $case: "leaf", value: leafOf(tree.subjects) };
    case "computed":
      return { $case: "computed", value: { userset: tree.userset } };
    case "tuple_to_userset": {
      const { tupleset, usersets } = tree;
      return { $case: "tupleToUserset", value: { tupleset, usersets: [...usersets] } };
    }
    case "union":
    case "intersection":
      return { $case: tree.kind, value: { children: tree.children.map(treeMessage) } };
    case "exclusion": {
      const [base, subtract] = [treeMessage(tree.base), treeMessage(tree.subtract)];
      return { $case: "exclusion", value: { base, subtract } };
    }
  }
}

function leafOf(leaves: readonly UsersetLeaf[]): authorization.UsersetTree_Leaf {
  const conditions: Record<string, string> = {};
  for (const { subject, condition } of leaves) {
    if (condition !== undefined) conditions[subject] = condition;
  }
  return { subjects: leaves.map(({ subject }) => subject), conditions };
}

/** The tree as far as one answer holds it. */
export function explanationMessage(explanation: Explanation): {
  readonly explanation: authorization.Explanation;
  readonly truncated: boolean;
} {
  let left = EXPLAINED_MAX;
  let truncated = false;
  const convert = (node: Explanation): authorization.Explanation => {
    left--;
    const { object, relation, outcome, kind, reason, cost } = node;
    const question = relation === "" ? object : `${object}#${relation}`;
    const children: authorization.Explanation[] = [];
    for (const child of node.children) {
      if (left > 0) children.push(convert(child));
      else truncated = true;
    }
    const tuples = node.tuples.map(decidingTuple);
    const about = { allowed: outcome === "true", question, kind, outcome, reason };
    return { ...about, tuples, children, cost: BigInt(cost) };
  };
  return { explanation: convert(explanation), truncated };
}

function decidingTuple({
  tuple,
  outcome,
}: ExplainedTuple): authorization.Explanation_DecidingTuple {
  const version = BigInt(tuple.height ?? 0);
  const condition = conditionMessage(tuple.condition);
  return { tuple: tupleMessage(tuple), condition, version, outcome };
}
