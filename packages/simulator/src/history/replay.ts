/**
 * Judges a history by its log: the log is replayed as the model and every answer compared with what the model says at
 * the answer's index. One pass over a sorted history; it sees what the checker without indexes cannot, as answers
 * that are right for the wrong index, or writes that nobody asked for twice and that happened twice.
 *
 *   INV-JUDGE-2  Every answer is what the replayed log gives at the answer's index.
 *   INV-JUDGE-3  What was answered before something was asked has the lower index; a read may share it.
 *   INV-JUDGE-4  Every acknowledged write is in the log exactly once, no write is in it twice, and what was refused
 *                  is not in it.
 *   INV-JUDGE-5  The root that came with an answer is the root of that height in the log, and its proof verified.
 */
import { type History, type LoggedWrite, type Operation, registerOf } from "./record.js";
import { isRead, type RegisterValue, run } from "./register.js";

/** Problems that are told; a broken history has millions. */
const PROBLEMS_MAX = 20;

export interface ReplayProblem {
  readonly invariant: `INV-JUDGE-${2 | 3 | 4 | 5}`;
  readonly what: string;
  readonly operation?: Operation;
}

export interface ReplayVerdict {
  readonly answers: number;
  readonly writes: number;
  readonly problems: readonly ReplayProblem[];
}

/** What a register held from an index on. */
interface Version {
  readonly index: number;
  readonly held: RegisterValue;
}

/** A write as the replay saw it. */
interface Replayed {
  readonly write: LoggedWrite;
  readonly out: Operation["out"];
}

export function checkReplay(history: History): ReplayVerdict {
  return new Replay(history).run();
}

class Replay {
  readonly #history: History;
  readonly #problems: ReplayProblem[] = [];
  readonly #versions = new Map<string, Version[]>();
  readonly #byId = new Map<string, Replayed[]>();
  readonly #roots = new Map<string, { readonly root: string; readonly index: number }>();
  #answers = 0;

  constructor(history: History) {
    this.#history = history;
  }

  run(): ReplayVerdict {
    this.#replayWrites();
    this.#collectRoots();
    for (const operation of this.#history.operations) this.#judge(operation);
    this.#judgeRealTime();
    const { writes } = this.#history;
    return { answers: this.#answers, writes: writes.length, problems: this.#problems };
  }

  #problem(invariant: ReplayProblem["invariant"], what: string, operation?: Operation): void {
    if (this.#problems.length >= PROBLEMS_MAX) return;
    this.#problems.push({ invariant, what, ...(operation && { operation }) });
  }

  #replayWrites(): void {
    let last: LoggedWrite | undefined;
    for (const write of this.#history.writes) {
      if (last !== undefined && write.log < last.log) {
        this.#problem("INV-JUDGE-2", `the log goes back from ${last.log} to ${write.log}`);
      }
      const name = registerOf(write);
      const versions = this.#versions.get(name) ?? [];
      this.#versions.set(name, versions);
      const { out, after } = run(write, versions.at(-1)?.held ?? null);
      if (write.op === "cas" && out === false) {
        const what = `the cas ${write.id} is in the log at ${write.log} and does not match there`;
        this.#problem("INV-JUDGE-2", what);
      }
      versions.push({ index: write.log, held: after });
      this.#noteId(write, last, out);
      last = write;
    }
  }

  /** Writes of one transaction are neighbours; the same id anywhere else is the same request done again. */
  #noteId(write: LoggedWrite, last: LoggedWrite | undefined, out: Operation["out"]): void {
    const known = this.#byId.get(write.id);
    if (known === undefined) {
      this.#byId.set(write.id, [{ write, out }]);
      return;
    }
    const isSame = last?.id === write.id && last.log === write.log;
    const isAgain = known.some(({ write: other }) => isSameWrite(other, write));
    if (!isSame || isAgain) {
      const what = `${write.id} is in the log at ${known[0]!.write.log} and again at ${write.log}`;
      this.#problem("INV-JUDGE-4", what);
    }
    known.push({ write, out });
  }

  #collectRoots(): void {
    for (const { vault = "", height, root, log: index } of this.#history.blocks) {
      const key = `${vault}/${height}`;
      const known = this.#roots.get(key);
      if (known !== undefined && known.root !== root) {
        const what = `height ${height} of vault "${vault}" has the roots ${known.root} and ${root}`;
        this.#problem("INV-JUDGE-5", what);
      }
      this.#roots.set(key, { root, index });
    }
  }

  #judge(operation: Operation): void {
    const { ok, id, proof } = operation;
    if (ok === true) this.#answers++;
    if (proof === false) this.#problem("INV-JUDGE-5", "the proof does not verify", operation);
    if (ok === true) this.#judgeRoot(operation);
    if (isRead(operation)) {
      if (ok === true) this.#judgeRead(operation);
      return;
    }
    const logged = id === undefined ? undefined : this.#byId.get(id);
    if (ok === false && logged !== undefined) {
      const what = `it was refused and is in the log at ${logged[0]!.write.log}`;
      this.#problem("INV-JUDGE-4", what, operation);
    }
    if (ok === true) this.#judgeWrite(operation, logged);
  }

  #judgeRoot(operation: Operation): void {
    const { vault = "", height, root, index } = operation;
    if (height === undefined) return;
    const logged = this.#roots.get(`${vault}/${height}`);
    if (logged === undefined) return;
    if (root !== undefined && root !== logged.root) {
      const what = `its root ${root} at height ${height} is ${logged.root} in the log`;
      this.#problem("INV-JUDGE-5", what, operation);
    }
    if (index !== undefined && isRead(operation) && index < logged.index) {
      const what = `height ${height} is of entry ${logged.index}, the answer of entry ${index}`;
      this.#problem("INV-JUDGE-2", what, operation);
    }
  }

  #judgeRead(operation: Operation): void {
    const { atLeast } = operation;
    const index = this.#sawUpTo(operation);
    if (index === undefined) return;
    if (operation.read === "at_least" && index < (atLeast ?? 0)) {
      this.#problem("INV-JUDGE-3", `it asked for ${atLeast} and saw ${index}`, operation);
    }
    const held = this.#heldAt(operation, index);
    const { out } = run(operation, held);
    if (out === operation.out) return;
    const what = `at index ${index} the log answers ${JSON.stringify(out)}`;
    this.#problem("INV-JUDGE-2", what, operation);
  }

  #judgeWrite(operation: Operation, logged: readonly Replayed[] | undefined): void {
    const { id, index } = operation;
    if (id === undefined) return;
    // A cas that did not match changed nothing and is in no log.
    if (operation.op === "cas" && operation.out === false) {
      if (logged !== undefined) {
        this.#problem("INV-JUDGE-4", "it did not match and is in the log", operation);
      }
      return;
    }
    const own = logged?.find(({ write }) => isSameWrite(write, operation));
    if (own === undefined) {
      this.#problem("INV-JUDGE-4", "it was acknowledged and is not in the log", operation);
      return;
    }
    if (operation.op !== "put" && own.out !== operation.out) {
      const what = `the log answers ${JSON.stringify(own.out)} at ${own.write.log}`;
      this.#problem("INV-JUDGE-2", what, operation);
    }
    if (index !== undefined && index < own.write.log) {
      const what = `it was answered at index ${index}, before its entry ${own.write.log}`;
      this.#problem("INV-JUDGE-3", what, operation);
    }
  }

  #heldAt(operation: Operation, index: number): RegisterValue {
    const versions = this.#versions.get(registerOf(operation)) ?? [];
    return versions[countUpTo(versions, index) - 1]?.held ?? null;
  }

  /** Sweeps over calls and returns with the highest index that anybody has been told. */
  #judgeRealTime(): void {
    const answered = this.#history.operations.filter(({ ok, ret }) => ok === true && ret !== null);
    const calls = answered.toSorted((a, b) => a.call - b.call);
    const returns = answered.toSorted((a, b) => a.ret! - b.ret!);
    let told = 0;
    let teller: Operation | undefined;
    let next = 0;
    for (const operation of calls) {
      for (; next < returns.length && returns[next]!.ret! < operation.call; next++) {
        const index = this.#indexOf(returns[next]!);
        if (index === undefined || index <= told) continue;
        told = index;
        teller = returns[next];
      }
      this.#judgeOrder(operation, told, teller);
      if (operation.op === "cas" && operation.out === false) this.#judgeMiss(operation, told);
    }
  }

  #judgeOrder(operation: Operation, told: number, teller: Operation | undefined): void {
    const index = this.#indexOf(operation);
    if (index === undefined || !isBound(operation)) return;
    if (isRead(operation) ? index >= told : index > told) return;
    const before = JSON.stringify(teller);
    const what = `its index is ${index}; index ${told} was told before it was asked, by ${before}`;
    this.#problem("INV-JUDGE-3", what, operation);
  }

  /** A cas that found something else did so somewhere between what was told before it was asked and its own index. */
  #judgeMiss(operation: Operation, told: number): void {
    const { exp, index = Number.POSITIVE_INFINITY } = operation;
    if (this.#history.writes.length === 0) return;
    const versions = this.#versions.get(registerOf(operation)) ?? [];
    const first = countUpTo(versions, told);
    if ((versions[first - 1]?.held ?? null) !== exp) return;
    if (versions.slice(first, countUpTo(versions, index)).some(({ held }) => held !== exp)) return;
    const what = `it did not match, and the log matches from index ${told} to ${index}`;
    this.#problem("INV-JUDGE-2", what, operation);
  }

  /**
   * The last entry that a read reflects. An answer of a height is that of the vault before its next block, however much the
   * node had applied to other vaults, or since then to this one, when it answered.
   */
  #sawUpTo({ vault = "", height, index }: Operation): number | undefined {
    if (height === undefined) return index;
    const next = this.#roots.get(`${vault}/${height + 1}`)?.index ?? Number.POSITIVE_INFINITY;
    return Math.min(index ?? Number.POSITIVE_INFINITY, next - 1);
  }

  /** Where it took effect: a write where it is in the log, a read where it looked. */
  #indexOf(operation: Operation): number | undefined {
    if (isRead(operation)) return this.#sawUpTo(operation);
    const logged = operation.id === undefined ? undefined : this.#byId.get(operation.id);
    return logged?.[0]?.write.log;
  }
}

/** Stale reads are not bound by real time. */
function isBound(operation: Operation): boolean {
  return !isRead(operation) || (operation.read ?? "linearizable") === "linearizable";
}

/** How many versions are of this index or an older one. */
function countUpTo(versions: readonly Version[], index: number): number {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (versions[middle]!.index <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isSameWrite(
  a: Pick<Operation, "op" | "key" | "in" | "exp" | "vault">,
  b: Pick<Operation, "op" | "key" | "in" | "exp" | "vault">,
): boolean {
  return a.op === b.op && registerOf(a) === registerOf(b) && a.in === b.in && a.exp === b.exp;
}
