/** What a dry run finds in a vault that is much larger than its sample, and what it may cost. */
import { DRY_RUN_CHECKS_MAX, encodeModelBody } from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import { formatTuple } from "@authledger/types";
import { expect, test } from "vitest";
import type { EngineReply } from "../../src/index.js";
import { applied, LINEARIZABLE, writeOne } from "../engine-support.js";
import { create, type ModelNode, nodeWith } from "../models-support.js";

const FOLDERS = `model
  schema 1.1
type user
type group
  relations
    define member: [user]
type folder
  relations
    define owner: [group#member]
    define viewer: owner
type doc
  relations
    define parent: [folder]
    define owner: [user]
    define can_read: owner or viewer from parent
`;
/** What is above a document gives nothing any more. */
const OWN = FOLDERS.replace("owner or viewer from parent", "owner");
const FOLDERS_MADE = 400;

/** Each document in a folder of its own, each folder owned by a group of its own with one member. */
async function largeVault(): Promise<ModelNode> {
  const node = await nodeWith(FOLDERS);
  const { engine, vault } = node;
  for (let from = 0; from < FOLDERS_MADE; from += 200) {
    const operations = Array.from({ length: 200 }, (_, i) => from + i).flatMap((i) => [
      create(`group:${i}#member@user:${i}`),
      create(`folder:${i}#owner@group:${i}#member`),
      create(`doc:${i}#parent@folder:${i}`),
    ]);
    applied(await writeOne(engine, vault, operations));
  }
  return node;
}

function tryModel({ engine, vault }: ModelNode, text: string): Promise<EngineReply<"try_model">> {
  const files = [{ name: "", text }];
  const body = encodeModelBody({ language: "openfga", files, model: parseOpenFga(text) });
  return engine.call("try_model", { vault, consistency: LINEARIZABLE, body });
}

test("what is inherited is found by following tuples from the sample, always the same, within bounds", async () => {
  const node = await largeVault();
  const found = await tryModel(node, OWN);
  expect(found.compared).toBeLessThanOrEqual(DRY_RUN_CHECKS_MAX);
  const changed = found.changed.map(({ tuple }) => formatTuple(tuple));
  // A third of the sampled tuples are of documents, and each has a reader of its own.
  expect(changed.length).toBeGreaterThan(20);
  for (const { tuple, before, after } of found.changed) {
    const [, number] = /^doc:(\d+)$/.exec(tuple.resource)!;
    expect(tuple).toEqual({
      resource: `doc:${number}`,
      relation: "can_read",
      subject: `user:${number}`,
    });
    expect([before, after]).toEqual([true, false]);
  }
  expect(changed).toEqual([...changed].sort());
  const again = await tryModel(node, OWN);
  expect([again.changed, again.compared]).toEqual([found.changed, found.compared]);
  expect((await tryModel(node, FOLDERS)).changed).toEqual([]);
});
