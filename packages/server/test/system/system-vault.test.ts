/** The server's own entities, over a real engine and over one that does not lead. */
import { openNodeEngine } from "@authledger/engine";
import { type Operation, utf8 } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { FakeEngine } from "../support/fake-engine.js";

const NONE = { kind: "none" } as const;

function set(key: string, text: string, condition: object = NONE): Operation {
  return {
    ...{ op: "set_entity", key, value: utf8(text), expiresAtMs: 0 },
    condition: condition as typeof NONE,
  };
}

describe("the system vault", () => {
  it("keeps what the server writes with who wrote it and why, beside what the engine registers", async () => {
    const options = { directory: temporaryDirectory(), cacheBytes: 16 * 1024 * 1024 };
    const engine = await openNodeEngine(options, (error) => {
      throw error;
    });
    onTestFinished(() => engine.close());
    await engine.call("create_organization", { name: "acme", actor: "root" });
    const vault = new SystemVault(engine);
    const before = await vault.height();
    const operations = [set("config:a", "1"), set("config:b", "2")];
    const written = await vault.write(operations, { actor: "root", reason: "because" });
    expect(written).toEqual({ height: before + 1, statuses: ["created", "created"] });
    expect(await vault.height()).toBe(written.height);
    const read = await vault.read("config:a", { consistency: "linearizable" });
    expect([read?.value, read?.version]).toEqual([utf8("1"), written.height]);
    expect(await vault.read("config:c")).toBeUndefined();
    const first = await vault.list("config:", { limit: 1 });
    const second = await vault.list("config:", { limit: 1, after: first.next! });
    expect([...first.entities, ...second.entities].map(({ key }) => key)).toEqual([
      "config:a",
      "config:b",
    ]);
    expect(second.next).toBeUndefined();
    const block = { vault: 0, height: written.height, transactions: true };
    const { transactions } = await engine.call("get_block", {
      ...block,
      consistency: { kind: "linearizable" },
    });
    expect(Buffer.from(transactions[0]!).toString("latin1")).toMatch(/root.*because/s);
  });

  it("tells why a transaction was refused, and changed nothing", async () => {
    const engine = new FakeEngine();
    const vault = new SystemVault(engine);
    await vault.write([set("key:1", "a")], { actor: "root" });
    const twice = [set("key:2", "b"), set("key:1", "b", { kind: "must_not_exist" })];
    const refused = await rejectedBy(vault.write(twice, { actor: "root" }));
    expect([refused.code, refused.details]).toEqual(["PRECONDITION_FAILED", { operation: 1 }]);
    expect(await vault.read("key:2")).toBeUndefined();
  });

  it("INV-AUTHN-1: does not write what registers organizations and vaults", async () => {
    const engine = new FakeEngine();
    const vault = new SystemVault(engine);
    for (const key of ["org:7", "vault:7:8"]) {
      const refused = await rejectedBy(vault.write([set(key, "{}")], { actor: "root" }));
      expect(refused.code).toBe("INVALID_ARGUMENT");
    }
    expect(engine.requests("write")).toEqual([]);
  });
});
