/** One root for a cluster, kept in a file that was written before the ledger knew it. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { LedgerError } from "@authledger/types";
import { describe, expect, it, vi } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { ApiKeys } from "../../src/authn/api-keys.js";
import { RootCredential } from "../../src/authn/root-credential.js";
import { SystemChange } from "../../src/system/system-change.js";
import { SystemVault } from "../../src/system/system-vault.js";
import { FakeEngine } from "../support/fake-engine.js";

function rootOf(
  engine: FakeEngine,
  { directory = temporaryDirectory(), isWanted = true, leads = true } = {},
) {
  const vault = new SystemVault(engine);
  const made: string[] = [];
  const problems: LedgerError[] = [];
  const listeners: ((change: SystemChange) => void)[] = [];
  const root = new RootCredential({
    ...{ vault, directory, isWanted, leads: async () => leads },
    moves: { onMove: (listener) => listeners.push(listener) },
    onMade: (file) => made.push(file),
    onProblem: (error) => problems.push(error),
  });
  const keys = new ApiKeys(vault, { keyGeneration: 1 });
  const move = (): void => {
    for (const listener of listeners) listener(SystemChange.anything);
  };
  return { root, keys, made, problems, directory, move };
}

describe("the root credential", () => {
  it("is made once for a node alone, in a file that only its owner reads, and opens the ledger", async () => {
    const engine = new FakeEngine();
    const { root, keys, made, directory } = rootOf(engine);
    await root.start();
    const file = join(directory, "root.key");
    expect([root.exists, made]).toEqual([true, [file]]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const text = readFileSync(file, "utf8").trim();
    expect((await keys.verify(text)).principal).toEqual({ kind: "root", name: "root" });
    const again = rootOf(engine, { directory });
    await again.root.start();
    expect([again.root.exists, again.made]).toEqual([true, []]);
    expect(readFileSync(file, "utf8").trim()).toBe(text);
  });

  it("INV-AUTHN-6: comes with the call that begins the cluster; a second one makes none", async () => {
    const engine = new FakeEngine();
    const { root, keys, move } = rootOf(engine, { leads: false });
    await root.start();
    expect(root.exists).toBe(false);
    const begin = async (): Promise<string> => {
      move();
      return "begun";
    };
    const [result, made] = await root.begin(begin);
    expect(result).toBe("begun");
    expect((await keys.verify(made!.text)).principal.kind).toBe("root");
    expect(await root.begin(begin)).toEqual(["begun", undefined]);
    expect(await rootOf(engine).root.begin(begin)).toEqual(["begun", undefined]);
    expect(engine.requests("write")).toHaveLength(1);
  });

  it("is not made where credentials are not configured, but one that is there counts", async () => {
    const engine = new FakeEngine();
    const open = rootOf(engine, { isWanted: false });
    await open.root.start();
    expect([open.root.exists, (await open.root.begin(async () => 1))[1]]).toEqual([
      false,
      undefined,
    ]);
    await rootOf(engine).root.start();
    open.move();
    await new Promise((resolve) => setImmediate(resolve));
    expect(open.root.exists).toBe(true);
  });

  it("that is revoked leaves the cluster closed to who has no credential", async () => {
    const engine = new FakeEngine();
    const { root, keys, directory } = rootOf(engine);
    await root.start();
    const text = readFileSync(join(directory, "root.key"), "utf8").trim();
    await keys.revoke("root", { actor: "root" });
    expect((await rejectedBy(keys.verify(text))).code).toBe("UNAUTHENTICATED");
    const next = rootOf(engine);
    await next.root.start();
    expect([next.root.exists, next.made]).toEqual([true, []]);
  });

  it("that cannot be made is told, and made later", async () => {
    const engine = new FakeEngine();
    const { root, problems, move } = rootOf(engine);
    engine.failure = { call: "write", error: new LedgerError("DISK_FULL", "full") };
    await root.start();
    expect([root.exists, problems.map(({ code }) => code)]).toEqual([false, ["DISK_FULL"]]);
    engine.failure = undefined;
    move();
    await vi.waitFor(() => expect(root.exists).toBe(true), { timeout: 10_000, interval: 5 });
  });

  it("is not missed when the engine has ended", async () => {
    for (const code of ["NODE_STOPPED", "SHUTTING_DOWN"] as const) {
      const engine = new FakeEngine();
      const { root, problems } = rootOf(engine);
      engine.failure = { call: "read_entities", error: new LedgerError(code, "the end") };
      await root.start();
      expect([root.exists, problems]).toEqual([false, []]);
    }
  });

  it("is not missed while a node is being taken into a cluster, or another one leads", async () => {
    const engine = new FakeEngine();
    const { root, problems } = rootOf(engine);
    engine.failure = { call: "read_entities", error: new LedgerError("NOT_READY", "no data yet") };
    await root.start();
    expect([root.problem?.code, problems]).toEqual(["NOT_READY", []]);
  });

  // A node without credentials of its own started with a wrong state in a cluster that has a root. It could not read that there
  // is one, took that for an answer, and served everybody as soon as its state could be read again.
  it.each(["REPLICA_DIVERGED", "NOT_READY"] as const)(
    "counts as there while the node cannot read whether it is (%s)",
    async (code) => {
      const engine = new FakeEngine();
      const { root, move } = rootOf(engine, { isWanted: false });
      engine.failure = { call: "read_entities", error: new LedgerError(code, "not now") };
      await root.start();
      expect([root.exists, root.problem?.code]).toEqual([true, code]);
      engine.failure = undefined;
      move();
      await vi.waitFor(() => expect([root.exists, root.problem]).toEqual([false, undefined]));
      await rootOf(engine).root.start();
      move();
      await vi.waitFor(() => expect(root.exists).toBe(true));
    },
  );

  it("does not count as there while there is no cluster", async () => {
    for (const code of ["NODE_WAITING", "VAULT_NOT_FOUND"] as const) {
      const engine = new FakeEngine();
      const { root } = rootOf(engine);
      engine.failure = { call: "read_entities", error: new LedgerError(code, "none yet") };
      await root.start();
      expect([root.exists, root.problem]).toEqual([false, undefined]);
    }
  });
});
