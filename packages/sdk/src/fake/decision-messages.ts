/** Trees of decisions as messages. */
import type { ExplainedTuple, Explanation, UsersetLeaf, UsersetTree } from "@authledger/authz";
import type { authorization } from "@authledger/proto";
import { tupleConditionMessage } from "../calls/convert.js";
import { tupleMessage } from "./model-messages.js";

/** Nodes of an explanation that one answer gives; the rest is left out, and the answer says so. */
const EXPLAINED_MAX = 2_000;

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
  const condition = tuple.condition && tupleConditionMessage(tuple.condition);
  return { tuple: tupleMessage(tuple), condition, version, outcome };
}
