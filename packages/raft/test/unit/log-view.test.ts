import type { Entry } from "@authledger/raft";
import { AssertionError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { LogView } from "../../src/log-view.js";
import { bytes, membershipOf } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

const entry = (index: number, term: number, size = 1): Entry => ({
  index,
  term,
  payload: bytes("x".repeat(size)),
});

function viewOf(entries: readonly Entry[], commit = 0): LogView {
  return new LogView(new MemoryLog(1, 0, entries), commit, 0);
}

describe("the log as the core sees it", () => {
  test("INV-RAFT-1: cutting off at or below the commit index is refused (Raft 5.3, museum row 9)", () => {
    const log = viewOf([entry(1, 1), entry(2, 1), entry(3, 1)], 2);
    expect(() => log.truncate(2)).toThrow(AssertionError);
    expect(() => log.truncate(2)).toThrow("INV-RAFT-1");
    log.truncate(3);
    expect(log.lastIndex).toBe(2);
  });

  test("INV-RAFT-2: the completion of an append that was cut off makes nothing durable (museum row 24)", () => {
    const log = viewOf([]);
    log.append([entry(1, 1), entry(2, 1)]);
    log.beginAppend(1, undefined);
    log.truncate(2);
    log.append([entry(2, 2)]);
    log.beginAppend(2, undefined);
    log.finishAppend(1);
    expect(log.durable).toBe(1);
    log.finishAppend(2);
    expect(log.durable).toBe(2);
  });

  test("INV-RAFT-2: not even where the same entry has come back since (museum row 24)", () => {
    const log = viewOf([]);
    log.append([entry(1, 1)]);
    log.beginAppend(1, undefined);
    log.truncate(1);
    log.append([entry(1, 2)]);
    log.beginAppend(2, undefined);
    log.truncate(1);
    log.append([entry(1, 1)]);
    log.beginAppend(3, undefined);
    for (const [append, durable] of [
      [1, 0],
      [2, 0],
      [3, 1],
    ] as const) {
      log.finishAppend(append);
      expect(log.durable).toBe(durable);
    }
  });

  test("entries are handed out once, in order, without a gap, in pages of any size (museum row 25)", () => {
    for (const bytesMax of [1, 2, 3, 5, 100]) {
      const sizes = [1, 4, 2, 2, 1, 9, 1];
      const log = viewOf(sizes.map((size, i) => entry(i + 1, 1, size)));
      const handed: number[] = [];
      for (const commit of [2, 2, 5, 7, 7, 7]) {
        log.commitTo(commit);
        for (let page = log.nextToApply(bytesMax); page; page = log.nextToApply(bytesMax)) {
          for (let index = page.from; index <= page.to; index++) handed.push(index);
          log.appliedTo(page.to);
        }
        expect(log.commit).toBe(commit);
      }
      expect(handed).toEqual([1, 2, 3, 4, 5, 6, 7]);
    }
  });

  test("no more is handed out than may wait to be applied", () => {
    const log = viewOf(
      [1, 2, 3, 4].map((index) => entry(index, 1, 10)),
      4,
    );
    expect(log.nextToApply(20)).toEqual({ from: 1, to: 2 });
    expect(log.nextToApply(20)).toBeUndefined();
    log.appliedTo(1);
    expect(log.nextToApply(20)).toBeUndefined();
    log.appliedTo(2);
    expect(log.nextToApply(20)).toEqual({ from: 3, to: 4 });
  });

  test("behind a snapshot indexes go on from its index (museum row 21)", () => {
    const log = viewOf([entry(1, 1), entry(2, 1)]);
    log.restore({ index: 10, term: 3, membership: membershipOf([1]) });
    expect([log.firstIndex, log.lastIndex, log.lastTerm, log.commit]).toEqual([11, 10, 3, 10]);
    expect(log.term(2)).toBeUndefined();
    log.append([entry(11, 3)]);
    expect([log.lastIndex, log.durable]).toEqual([11, 2]);
  });

  test("entries of disk and memory together have no gap and keep to the bytes (museum row 31)", () => {
    const log = viewOf([entry(1, 1, 3), entry(2, 1, 3)]);
    log.append([entry(3, 1, 3), entry(4, 1, 3)]);
    const taken = (bytesMax: number): number[] =>
      log.entries(1, 5, bytesMax).map(({ index }) => index);
    expect(taken(1)).toEqual([1]);
    expect(taken(6)).toEqual([1, 2]);
    expect(taken(9)).toEqual([1, 2, 3]);
    expect(taken(100)).toEqual([1, 2, 3, 4]);
  });
});
