/** How the chunks of an import are sent: which of them together, how many, and what is told when one fails. */
import type { LedgerClient, WriteAnswer } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy, testRandom, testRounds } from "../../../../test/support.js";
import type {
  ImportOperation,
  ImportSource,
  SourceItem,
} from "../../src/importers/import-source.js";
import { ImportRun, type ImportSummary } from "../../src/run/import-run.js";

type Random = ReturnType<typeof testRandom>;
type Write = LedgerClient["write"];

function create(n: number, expiresAtMs = 0): ImportOperation {
  const tuple = { resource: `document:d${n}`, relation: "viewer", subject: "user:ann" };
  return { op: "create_tuple", tuple, expiresAtMs };
}

function remove(n: number): ImportOperation {
  const { tuple } = create(n) as ImportOperation & { op: "create_tuple" };
  return { op: "delete_tuple", tuple };
}

/** A source with a batch for each item, which counts how far it was read. */
class CountedSource implements ImportSource {
  readonly name = "test";
  readonly identity = "test";
  readonly #items: readonly SourceItem[];
  read = 0;

  constructor(operations: readonly (ImportOperation | "rejected")[]) {
    this.#items = operations.map((operation, i) => {
      const position = `line ${i + 1}`;
      return operation === "rejected"
        ? { kind: "rejected", position, reason: "bad" }
        : { kind: "operation", position, operation };
    });
  }

  async *items(): AsyncGenerator<readonly SourceItem[]> {
    for (const item of this.#items) {
      this.read++;
      yield [item];
    }
  }
}

interface Sent {
  readonly operations: readonly ImportOperation[];
  readonly idempotencyKey: string;
  readonly answer: () => void;
  readonly fail: (error: unknown) => void;
}

/** A node that answers when it is told to. */
class HeldNode {
  readonly waiting: Sent[] = [];
  readonly done: Sent[] = [];
  onChange: () => void = () => undefined;
  #height = 0n;

  readonly write = ((request: { operations: readonly ImportOperation[]; idempotencyKey: string }) =>
    new Promise<WriteAnswer>((resolve, reject) => {
      const { operations, idempotencyKey } = request;
      const finish = (run: () => void): void => {
        this.waiting.splice(this.waiting.indexOf(sent), 1);
        this.done.push(sent);
        run();
      };
      const answer = (): WriteAnswer =>
        ({
          transactionId: new Uint8Array(16),
          sequence: 1n,
          height: ++this.#height,
          statuses: operations.map(({ op }) => (op === "create_tuple" ? "created" : "deleted")),
          replayed: operations.length > 1,
          idempotencyKey,
        }) as unknown as WriteAnswer;
      const sent: Sent = {
        operations,
        idempotencyKey,
        answer: () => finish(() => resolve(answer())),
        fail: (error) => finish(() => reject(error)),
      };
      this.waiting.push(sent);
      this.onChange();
    })) as unknown as Write;
}

const OBSERVER = { rejected: () => undefined, progressed: () => undefined };
const options = (inFlight: number, operationsMax = 1) => {
  return { inFlight, operationsMax, signal: new AbortController().signal };
};

/** Lets everything run that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

const commutes = ({ operations }: Sent) =>
  operations.every((one) => one.op === "create_tuple" && one.expiresAtMs === 0);

describe("chunks in flight together", () => {
  test("only create tuples without expiry; any other is alone and keeps its place (INV-IMPORTRUN-1)", async () => {
    const random = testRandom("import order");
    for (let round = 0; round < testRounds(30); round++) {
      const operations = Array.from({ length: 40 }, (_, i) =>
        random.chance(0.8) ? create(i) : random.pick([remove(i), create(i, 5)]),
      );
      const node = new HeldNode();
      const sentOrder: Sent[] = [];
      node.onChange = () => {
        const { waiting } = node;
        sentOrder.push(waiting.at(-1)!);
        if (!waiting.every(commutes)) expect(waiting).toHaveLength(1);
      };
      const run = new ImportRun({ write: node.write }, options(4), OBSERVER);
      const finished = run.run(new CountedSource(operations));
      await answerAll(node, random);
      expect((await finished).operations).toBe(40);
      expect(sentOrder.flatMap((sent) => sent.operations)).toEqual(operations);
      expect(new Set(sentOrder.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(40);
    }
  });

  test("are at most as many as asked for, and the source is read no further (INV-IMPORTRUN-2)", async () => {
    for (const inFlight of [1, 3, 8]) {
      const node = new HeldNode();
      const source = new CountedSource(Array.from({ length: 30 }, (_, i) => create(i)));
      const finished = new ImportRun({ write: node.write }, options(inFlight), OBSERVER).run(
        source,
      );
      for (let answered = 0; answered < 30; answered++) {
        await settle();
        expect(node.waiting).toHaveLength(Math.min(inFlight, 30 - answered));
        // One chunk waits to be sent, and the operation that ended it has been read.
        expect(source.read).toBeLessThanOrEqual(answered + inFlight + 2);
        node.waiting[0]!.answer();
      }
      expect((await finished).transactions).toBe(30);
    }
  });
});

async function answerAll(node: HeldNode, random: Random): Promise<void> {
  for (;;) {
    await settle();
    if (node.waiting.length === 0) return;
    random.pick(node.waiting).answer();
  }
}

describe("an import", () => {
  test("tells what was acknowledged: operations by what they did, repetitions, rejected items, newest block", async () => {
    const node = new HeldNode();
    const rejected: string[] = [];
    const progressed: ImportSummary[] = [];
    const observer = {
      rejected: ({ position }: { position: string }) => void rejected.push(position),
      progressed: (summary: ImportSummary) => void progressed.push(summary),
    };
    const run = new ImportRun({ write: node.write }, options(2, 2), observer);
    const source = new CountedSource([create(1), "rejected", create(2), remove(3)]);
    const finished = run.run(source);
    await answerAll(node, testRandom("import summary"));
    expect(await finished).toEqual({
      statuses: { created: 2, deleted: 1 },
      operations: 3,
      transactions: 2,
      replayed: 1,
      rejected: 1,
      height: 2n,
    });
    expect(rejected).toEqual(["line 2"]);
    expect(progressed.map(({ operations, rejected: lost }) => operations + lost)).toEqual([
      1, 3, 4,
    ]);
  });

  test("of nothing sends nothing", async () => {
    const node = new HeldNode();
    const summary = await new ImportRun({ write: node.write }, options(2), OBSERVER).run(
      new CountedSource([]),
    );
    expect(summary).toMatchObject({ operations: 0, height: undefined });
    expect(node.done).toEqual([]);
  });

  test("stops at the first refused chunk, waits for those in flight, and says where it stands", async () => {
    const node = new HeldNode();
    const run = new ImportRun({ write: node.write }, options(3), OBSERVER);
    const failed = rejectedBy(
      run.run(new CountedSource(Array.from({ length: 20 }, (_, i) => create(i)))),
    );
    await settle();
    node.waiting[1]!.fail(
      new LedgerError("RECORD_TOO_LARGE", "too large", { details: { limit: 7 } }),
    );
    await settle();
    expect(node.waiting).toHaveLength(2);
    node.waiting[0]!.answer();
    node.waiting[0]!.fail(new LedgerError("INTERNAL", "a later failure"));
    const error = await failed;
    expect(error).toMatchObject({ code: "RECORD_TOO_LARGE", details: { limit: 7 } });
    expect(error.message).toBe("the operations from line 2 to line 2 were not written: too large");
    expect(run.summary).toMatchObject({ operations: 1, transactions: 1 });
    expect(node.done).toHaveLength(3);
  });

  // A chunk's 60 s passed after the leader had committed it, and it was told as "not written": who believed that, and sent
  // corrected lines by hand, went by something false.
  test.each(["COMMIT_UNKNOWN", "DEADLINE_EXCEEDED", "SHUTTING_DOWN"] as const)(
    "does not say of what may have happened that it was not written: %s",
    async (code) => {
      const node = new HeldNode();
      const run = new ImportRun({ write: node.write }, options(1), OBSERVER);
      const failed = rejectedBy(run.run(new CountedSource([create(1)])));
      await settle();
      const cause = new LedgerError(code, "no answer", { retryAfterMs: 7 });
      node.waiting[0]!.fail(cause);
      const error = await failed;
      expect(error.message).toBe(
        "the operations from line 1 to line 1 may not have been written: no answer",
      );
      expect(error).toMatchObject({ code, retryAfterMs: 7, cause });
    },
  );

  test.each(["UNAVAILABLE", "CANCELLED"] as const)(
    "that cannot go on is told so as it is: %s",
    async (code) => {
      const node = new HeldNode();
      const run = new ImportRun({ write: node.write }, options(1), OBSERVER);
      const failed = rejectedBy(run.run(new CountedSource([create(1)])));
      await settle();
      const error = new LedgerError(code, "nobody there");
      node.waiting[0]!.fail(error);
      expect(await failed).toBe(error);
    },
  );

  test("whose source cannot be read fails with that, after what is in flight", async () => {
    const node = new HeldNode();
    const broken: ImportSource = {
      name: "broken",
      identity: "broken",
      async *items() {
        yield [{ kind: "operation", position: "line 1", operation: create(1) }];
        yield [{ kind: "operation", position: "line 2", operation: create(2) }];
        throw new LedgerError("IO_READ_FAILED", "the disk");
      },
    };
    const run = new ImportRun({ write: node.write }, options(4), OBSERVER);
    const failed = rejectedBy(run.run(broken));
    await settle();
    expect(node.waiting).toHaveLength(1);
    node.waiting[0]!.answer();
    expect((await failed).code).toBe("IO_READ_FAILED");
    expect(run.summary.operations).toBe(1);
  });
});

/** Gives one operation, and then nothing, as standard input whose writer is quiet. */
const quietSource = (): ImportSource => ({
  name: "quiet",
  identity: "quiet",
  async *items() {
    yield [{ kind: "operation", position: "line 1", operation: create(1) }];
    yield [{ kind: "operation", position: "line 2", operation: create(2) }];
    await new Promise(() => undefined);
  },
});

describe("an import whose source is quiet (INV-IMPORTRUN-3)", () => {
  // `producer | authledger import -`: only the next write looked at the signal, so that SIGTERM did nothing until the
  // producer wrote again or ended, and then the command ended with exit 0.
  test("ends with CANCELLED by the signal, and keeps what was acknowledged", async () => {
    const node = new HeldNode();
    const abort = new AbortController();
    const held = { ...options(2), signal: abort.signal };
    const run = new ImportRun({ write: node.write }, held, OBSERVER);
    const failed = rejectedBy(run.run(quietSource()));
    await settle();
    node.waiting[0]!.answer();
    abort.abort("terminated");
    expect(await failed).toMatchObject({ code: "CANCELLED", cause: "terminated" });
    expect(run.summary).toMatchObject({ operations: 1, transactions: 1 });
    const late = new ImportRun({ write: node.write }, held, OBSERVER);
    expect((await rejectedBy(late.run(quietSource()))).code).toBe("CANCELLED");
    expect(node.waiting).toEqual([]);
  });

  // The same with a chunk that was refused: the command held the failure in its hand, and waited for the next line.
  test("ends with the failure of a chunk, which is told at once", async () => {
    const node = new HeldNode();
    const run = new ImportRun({ write: node.write }, options(2), OBSERVER);
    const failed = rejectedBy(run.run(quietSource()));
    await settle();
    node.waiting[0]!.fail(new LedgerError("PERMISSION_DENIED", "no"));
    expect((await failed).code).toBe("PERMISSION_DENIED");
  });
});
