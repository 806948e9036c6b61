/** What ends a target of the fuzzer is told, with the input that did it. */
import { describe, expect, it, onTestFinished } from "vitest";

interface Shared {
  readonly buffer: SharedArrayBuffer;
  readonly read: () => Uint8Array;
}

interface FuzzWorker {
  readonly fuzz: (shared: Shared, job: object) => Promise<{ kind: string; why?: string }>;
  readonly end: () => Promise<number>;
}

const lib = (name: string): Promise<object> =>
  import(new URL(`../fuzz/lib/${name}`, import.meta.url).href);

const INPUT = Uint8Array.of(7, 8, 9);

/** A thread that begins a run of the input for each target, and then does what its name says. */
const PROGRAM = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from "node:worker_threads";
    const doing = {
      fine: () => parentPort.postMessage({ kind: "done" }),
      throws: () => { throw new Error("thrown past the target"); },
      rejects: () => { Promise.reject(new Error("rejected by nobody's hand")); },
      exits: () => process.exit(3),
      hangs: () => { for (;;); },
      grows: () => { const all = []; for (;;) all.push(new Array(10_000).fill({})); },
    };
    parentPort.on("message", ({ target, shared, input }) => {
      new Uint8Array(shared, 8).set(input);
      const numbers = new Int32Array(shared, 0, 2);
      Atomics.store(numbers, 1, input.length);
      Atomics.add(numbers, 0, 1);
      doing[target]();
    });
  `)}`,
);

async function start(): Promise<{ worker: FuzzWorker; shared: () => Shared }> {
  const { FuzzWorker } = (await lib("fuzz-worker.mjs")) as {
    FuzzWorker: new (heapMib: number, runMs: number, program: URL) => FuzzWorker;
  };
  const { SharedInput } = (await lib("shared-input.mjs")) as {
    SharedInput: { create: (bytes: number) => Shared };
  };
  const worker = new FuzzWorker(32, 1_500, PROGRAM);
  onTestFinished(async () => void (await worker.end()));
  return { worker, shared: () => SharedInput.create(16) };
}

describe("a worker that fuzzes one target after another", () => {
  it.each([
    ["throws", /thrown past the target/],
    ["rejects", /rejected by nobody/],
    ["exits", /ended with 3/],
    ["hangs", /more than 1.5 s/],
    ["grows", /memory/],
  ])(
    "tells of the one that %s, not of the one before it, and knows its input",
    async (target, why) => {
      const { worker, shared } = await start();
      const fine = await worker.fuzz(shared(), { target: "fine", input: Uint8Array.of(1) });
      expect(fine).toEqual({ kind: "done" });
      const place = shared();
      const found = await worker.fuzz(place, { target, input: INPUT });
      expect(found).toMatchObject({ kind: "finding", why: expect.stringMatching(why) });
      expect([...place.read()]).toEqual([...INPUT]);
    },
  );
});
