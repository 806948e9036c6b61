/** What the tests of models and decisions share: models in OpenFGA's language, deployed into a vault of a test node. */
import {
  encodeModelBody,
  encodeTupleCondition,
  type ModelAssertion,
  type TupleCondition,
} from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import type { Operation, Tuple } from "@authledger/types";
import { parseTuple } from "@authledger/types";
import type { Engine, EngineReply } from "../src/index.js";
import { LINEARIZABLE, newVault, openNode, type TestNode } from "./engine-support.js";

/** Who may view: a user, everybody, the members of a group; an editor views too; early birds view early. */
export const DOCUMENTS = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type document
  relations
    define editor: [user]
    define viewer: [user, user:*, group#member, user with early] or editor
condition early(hour: int) {
  hour < 9
}
`;

/** Editors view no more. */
export const STRICTER = DOCUMENTS.replace(" or editor", "");

/** The same with another type that nothing is of. */
export function withType(type: string): string {
  return DOCUMENTS.replace("type user\n", `type user\ntype ${type}\n`);
}

function bodyOf(text: string): Uint8Array {
  const files = [{ name: "", text }];
  return encodeModelBody({ language: "openfga", files, model: parseOpenFga(text) });
}

export interface ModelNode extends TestNode {
  readonly vault: number;
}

/** A node with a vault in which the model is active. */
export async function nodeWith(text: string): Promise<ModelNode> {
  const node = await openNode();
  const vault = await newVault(node.engine);
  await deploy({ ...node, vault }, text, { activate: true });
  return { ...node, vault };
}

export function deploy(
  { engine, vault }: { readonly engine: Engine; readonly vault: number },
  text: string,
  about: { readonly activate?: boolean; readonly assertions?: readonly ModelAssertion[] } = {},
): Promise<EngineReply<"deploy_model">> {
  const { activate = false, assertions } = about;
  return engine.call("deploy_model", {
    ...{ vault, actor: "user:ada", reason: "a test", body: bodyOf(text), activate },
    ...(assertions && { assertions }),
  });
}

export function create(text: string, condition?: TupleCondition): Operation {
  const tuple: Tuple = parseTuple(text);
  const value = condition && encodeTupleCondition(condition);
  return { op: "create_tuple", tuple, expiresAtMs: 0, ...(value && { value }) };
}

export function assertion(text: string, expected: boolean): ModelAssertion {
  const { resource: object, relation, subject } = parseTuple(text);
  return { object, relation, subject, expected, context: {}, contextualTuples: [] };
}

/** Is it allowed, now or at a height? */
export async function decide(
  { engine, vault }: { readonly engine: Engine; readonly vault: number },
  text: string,
  consistency: Parameters<typeof engine.call<"authorize">>[1]["consistency"] = LINEARIZABLE,
): Promise<boolean> {
  const tuples = [parseTuple(text)];
  const { allowed } = await engine.call("authorize", { vault, consistency, tuples });
  return allowed[0]!;
}
