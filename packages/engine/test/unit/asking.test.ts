/** How calls reach the engine: at once where the answer is there, and never after it has stopped. */
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy, thrownBy } from "../../../../test/support.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  tupleOf,
  writeOne,
} from "../engine-support.js";

describe("ask", () => {
  test("answers a plain check at once and what has to wait with a promise; call always promises", async () => {
    const { engine } = await openNode();
    const vault = await newVault(engine);
    applied(await writeOne(engine, vault, [createTuple("doc:1")]));
    const asked = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
    const answer = engine.ask("check", asked);
    expect(answer).toMatchObject({ allowed: [true] });
    expect(await engine.call("check", asked)).toEqual(answer);
    const prove = { trustedSize: 0, configHash: new Uint8Array(0) };
    expect(engine.ask("check", { ...asked, prove })).toBeInstanceOf(Promise);
  });

  test("throws at once what call rejects with", async () => {
    const { engine } = await openNode();
    const asked = { vault: 99, consistency: LINEARIZABLE, tuples: [] };
    expect(thrownBy(() => engine.ask("check", asked)).code).toBe("VAULT_NOT_FOUND");
    expect((await rejectedBy(engine.call("check", asked))).code).toBe("VAULT_NOT_FOUND");
    await engine.close();
    expect(thrownBy(() => engine.ask("get_node_info", {})).code).toBe("SHUTTING_DOWN");
  });
});

describe("fail", () => {
  test("stops the node for what the front found, once, with the first reason", async () => {
    const { engine, fatal } = await openNode();
    const error = new LedgerError("INTERNAL", "a broken invariant of the front");
    engine.fail(error);
    engine.fail(new LedgerError("INTERNAL", "another one"));
    expect(fatal).toEqual([error]);
    const { code, cause } = await rejectedBy(engine.call("get_node_info", {}));
    expect([code, cause]).toEqual(["NODE_STOPPED", error]);
    await engine.close();
  });
});

describe("statistics", () => {
  test("say what waits, what is applied and what is flushed", async () => {
    const { engine } = await openNode();
    const vault = await newVault(engine);
    const writing = writeOne(engine, vault, [createTuple("doc:1")]);
    expect(engine.stats()).toMatchObject({ writesWaiting: 1, entriesInFlight: 0 });
    applied(await writing);
    const { appliedIndex, flushedIndex, ...stats } = engine.stats();
    expect(stats).toMatchObject({ writesWaiting: 0, entriesInFlight: 0 });
    expect(appliedIndex).toBeGreaterThan(flushedIndex);
    const info = await engine.call("get_node_info", {});
    expect(info).toMatchObject({ appliedIndex, flushedIndex, lastIndex: appliedIndex });
    expect([info.organizations, info.vaults]).toEqual([1, 1]);
    await engine.close();
    expect(engine.stats().flushedIndex).toBe(appliedIndex);
  });
});
