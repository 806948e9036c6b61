/** What caches of the system vault are told of its moves. */
import type { EnginePort } from "@authledger/engine";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { SystemChange } from "../../src/system/system-change.js";
import { SystemMoves } from "../../src/system/system-moves.js";

const PEER = {
  change: "created",
  ...{ timeMs: 0, transactionId: new Uint8Array(16), actor: "", reason: "" },
} as const;
const value = undefined;
const audit = { kind: "entity", key: "audit:1", expiresAtMs: 0, value } as const;
const key = { kind: "entity", key: "key:1", expiresAtMs: 0, value } as const;
const model = { kind: "record", partition: "ledger", group: "model", item: "" } as const;
const tuple = {
  ...{ kind: "tuple", expiresAtMs: 0 },
  tuple: { resource: "group:g", relation: "member", subject: "principal:a" },
} as const;

type Block = readonly (typeof audit | typeof key | typeof model | typeof tuple)[];

/** An engine whose system vault gets one block after the other. */
function engineOf({ isComplete = true, scanned = Number.POSITIVE_INFINITY, fails = false } = {}) {
  const blocks: Block[] = [[], []];
  let wake: () => void = () => undefined;
  const call = (name: string, { after }: { readonly after?: number }): Promise<unknown> => {
    expect(name).toBe("wait_blocks");
    const reply = () => ({ index: blocks.length, vaults: [0], isComplete });
    if (after === undefined || after < blocks.length) return Promise.resolve(reply());
    return new Promise((resolve) => {
      wake = () => resolve(reply());
    });
  };
  const ask = (name: string, { from }: { readonly from?: { readonly height: number } }) => {
    expect(name).toBe("list_changes");
    if (fails && from !== undefined) throw new Error("bodies of these blocks are gone");
    const size = blocks.length;
    const height = Math.min(size, (from?.height ?? size) + scanned);
    const changes = blocks
      .slice(from?.height ?? size, height)
      .flatMap((block, i) =>
        block.map((target, operation) => ({ ...PEER, height: i, index: 0, operation, target })),
      );
    return { changes, next: { height, index: 0, operation: 0 }, size };
  };
  const append = (...more: readonly Block[]): void => {
    blocks.push(...more);
    wake();
  };
  return { engine: { call, ask } as unknown as EnginePort, append };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What is told of blocks that come together: about roles, about keys, about the audit. */
async function told(options: Parameters<typeof engineOf>[0], ...more: readonly Block[]) {
  const { engine, append } = engineOf(options);
  const moves = new SystemMoves(engine);
  onTestFinished(() => moves.stop());
  const changes: SystemChange[] = [];
  moves.onMove((change) => changes.push(change));
  moves.start();
  await turn();
  expect(changes.map(({ isAboutRoles }) => isAboutRoles)).toEqual([true]);
  const { keyGeneration } = moves;
  append(...more);
  await turn();
  const [, change] = changes;
  return [
    change?.isAboutRoles,
    change?.isAboutEntities("key:"),
    change?.isAboutEntities("audit:"),
    moves.keyGeneration > keyGeneration,
  ];
}

describe("a move of the system vault", () => {
  test.each([
    ["a record of the audit", [[audit]], [false, false, true, false]],
    ["a key", [[audit], [key]], [false, true, true, true]],
    ["a tuple", [[audit, tuple]], [true, false, true, false]],
    ["a model", [[model]], [true, false, false, false]],
    ["nothing", [[]], [false, false, false, false]],
  ] as const)("is told as what it changed: %s", async (_, blocks, expected) => {
    expect(await told({}, ...blocks)).toEqual(expected);
  });

  test.each([
    ["moves were missed", { isComplete: false }],
    ["more has changed than one look shows", { scanned: 1 }],
    ["its blocks cannot be read", { fails: true }],
  ])("is taken for a change of everything where %s (INV-AUTHN-12)", async (_, options) => {
    expect(await told(options, [audit], [audit])).toEqual([true, true, true, true]);
  });
});

// A node whose state was wrong could read nothing of the vault. Its caches were told of that, failed with it, and heard no more
// until the next change of administration, which may be weeks away: the end of a fence is no block.
test("the end of failures is told as a move of everything, without any block, and they are told once", async () => {
  const { engine } = engineOf();
  let failures = 0;
  const ask = (name: "list_changes", request: never): unknown => {
    if (failures++ < 2) throw new Error("this node's state is wrong");
    return engine.ask(name, request);
  };
  const moves = new SystemMoves({ ...engine, ask } as unknown as EnginePort);
  onTestFinished(() => moves.stop());
  const told: [number, boolean][] = [];
  moves.onMove((change) => told.push([failures, change.isOfEverything]));
  moves.start();
  await vi.waitFor(() => expect(told.length).toBe(2), { timeout: 10_000, interval: 5 });
  expect(told).toEqual([
    [1, true],
    [3, true],
  ]);
});
