/**
 * What a log must hold, as plain arrays: an array of entries for each group, all of them since the group's birth
 * or its last snapshot. Units (the records of one append) are applied in order; a mark of vault 0 counts them.
 */
import { type GroupId, groupId, nodeId, type VaultId, vaultId } from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import { expect } from "vitest";

interface ModelEntry {
  readonly term: number;
  readonly payload: Uint8Array;
}

export interface ModelGroup {
  /** Index before the first entry of `entries`. */
  base: number;
  baseTerm: number;
  entries: ModelEntry[];
  hardState: { term: number; vote: bigint | undefined };
  snapshot: { index: number; term: number } | undefined;
  /** Nothing at or below it may be truncated. */
  hint: number;
  /** Entries up to here may be gone. */
  released: number;
  marks: Map<number, { size: number; root: Uint8Array; timeMs: number }>;
}

/** The group whose vault 0 counts units; never dropped. */
export const COUNTER_GROUP: GroupId = groupId(0);
export const COUNTER_VAULT: VaultId = vaultId(0);

export class LogModel {
  groups = new Map<GroupId, ModelGroup>();
  units = 0;

  clone(): LogModel {
    const copy = new LogModel();
    copy.units = this.units;
    for (const [id, group] of this.groups) {
      const { hardState, entries, marks } = group;
      copy.groups.set(id, {
        ...group,
        hardState: { ...hardState },
        entries: entries.slice(),
        marks: new Map(marks),
      });
    }
    return copy;
  }

  last(id: GroupId): number {
    const group = this.groups.get(id)!;
    return group.base + group.entries.length;
  }

  lastTerm(id: GroupId): number {
    const group = this.groups.get(id)!;
    return group.entries.at(-1)?.term ?? group.baseTerm;
  }

  /** Of an index that is in the model or right before it. */
  term(id: GroupId, index: number): number | undefined {
    const group = this.groups.get(id)!;
    return index === group.base ? group.baseTerm : group.entries[index - group.base - 1]?.term;
  }

  apply(unit: readonly WalRecord[]): void {
    for (const record of unit) this.#apply(record);
    this.units++;
  }

  #apply(record: WalRecord): void {
    if (record.kind === "recovered") return;
    if (record.kind === "group") {
      if (record.action === "create") this.groups.set(record.group, newGroup());
      else this.groups.delete(record.group);
      return;
    }
    const group = this.groups.get(record.group)!;
    switch (record.kind) {
      case "entry":
        group.entries.push({ term: record.term, payload: record.payload });
        return;
      case "hard-state":
        group.hardState = { term: record.term, vote: record.vote };
        return;
      case "truncate":
        group.entries.length = record.from - 1 - group.base;
        return;
      case "commit-hint":
        group.hint = Math.max(group.hint, record.index);
        return;
      case "signed": {
        const { size, root, timeMs } = record;
        group.marks.set(record.vault, { size, root, timeMs });
        return;
      }
      case "snapshot": {
        const known = group.entries[record.index - group.base - 1];
        const agrees = record.index <= group.released || known?.term === record.term;
        group.snapshot = { index: record.index, term: record.term };
        group.hint = Math.max(group.hint, record.index);
        if (agrees) return;
        group.base = record.index;
        group.baseTerm = record.term;
        group.entries = [];
        group.released = record.index;
      }
    }
  }
}

function newGroup(): ModelGroup {
  return {
    base: 0,
    baseTerm: 0,
    entries: [],
    hardState: { term: 0, vote: undefined },
    snapshot: undefined,
    hint: 0,
    released: 0,
    marks: new Map(),
  };
}

/** Checks all that a log shows against the model. Entries that were released may still be there. */
export function expectLog(wal: Wal, model: LogModel): void {
  expect(wal.groups().toSorted((a, b) => a - b)).toEqual(
    [...model.groups.keys()].toSorted((a, b) => a - b),
  );
  for (const [id, group] of model.groups) expectGroup(wal, id, group);
  const marks = [...wal.signedMarks()].length;
  expect(marks).toBe([...model.groups.values()].reduce((sum, group) => sum + group.marks.size, 0));
}

function expectGroup(wal: Wal, id: GroupId, group: ModelGroup): void {
  const log = wal.group(id)!;
  const last = group.base + group.entries.length;
  expect(log.lastIndex).toBe(last);
  expect(log.firstIndex).toBeLessThanOrEqual(group.released + 1);
  expect(log.firstIndex).toBeGreaterThan(group.base);
  expect(log.hardState.term).toBe(group.hardState.term);
  expect(log.hardState.vote).toBe(group.hardState.vote);
  expect(log.commitHint).toBeLessThanOrEqual(group.hint);
  expect(log.snapshot?.index).toBe(group.snapshot?.index);
  expect(log.snapshot?.term).toBe(group.snapshot?.term);
  if (log.lastIndex >= log.firstIndex) expect(log.lastTerm).toBe(group.entries.at(-1)!.term);
  for (let index = log.firstIndex; index <= last; index++) {
    const expected = group.entries[index - group.base - 1]!;
    const entry = log.entry(index)!;
    // One comparison for each entry: expect() costs more than the read.
    const same =
      entry.index === index &&
      entry.term === expected.term &&
      log.term(index) === expected.term &&
      Buffer.compare(entry.payload, expected.payload) === 0;
    if (!same) expect({ index, entry }).toEqual({ index, entry: expected });
  }
  expect(log.entry(log.firstIndex - 1)).toBeUndefined();
  expect(log.entry(last + 1)).toBeUndefined();
  for (const [vault, mark] of group.marks) {
    expect(wal.signedMark(id, vaultId(vault))).toMatchObject(mark);
  }
}

export function voteOf(n: number): ReturnType<typeof nodeId> | undefined {
  return n === 0 ? undefined : nodeId(BigInt(n));
}
