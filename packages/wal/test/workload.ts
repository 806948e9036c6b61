/**
 * Random appends that a correct owner of a log could make: entries, truncations of what is not committed, terms and
 * votes, snapshots, groups that come and go, signature marks, hints.
 */
import type { SeededRandom } from "@authledger/io";
import { type GroupId, groupId, vaultId } from "@authledger/types";
import type { WalRecord } from "@authledger/wal";
import { COUNTER_GROUP, COUNTER_VAULT, type LogModel, voteOf } from "./log-model.js";

export interface WorkloadOptions {
  readonly groupsMax: number;
  /** Largest payload of a usual entry, and of a rare one. */
  readonly payloadMax: number;
  readonly rarePayloadMax: number;
  /** Bytes of the records of one append, roughly. */
  readonly unitBytesMax: number;
}

export class Workload {
  readonly #random: SeededRandom;
  readonly #options: WorkloadOptions;
  #nextGroup: number;

  constructor(random: SeededRandom, options: WorkloadOptions, firstGroup = 1) {
    this.#random = random;
    this.#options = options;
    this.#nextGroup = firstGroup;
  }

  get nextGroup(): number {
    return this.#nextGroup;
  }

  /** The next append, which `model` (all appends so far) allows. Ends with the mark that counts it. */
  unit(model: LogModel): WalRecord[] {
    const records: WalRecord[] = [];
    const shadow = model.clone();
    const add = (record: WalRecord | undefined): void => {
      if (record === undefined) return;
      records.push(record);
      shadow.apply([record]);
    };
    if (model.units === 0) add({ kind: "group", group: COUNTER_GROUP, action: "create" });
    const parts = 1 + this.#random.int(3);
    let bytes = 0;
    for (let i = 0; i < parts; i++) {
      for (const record of this.#part(shadow)) {
        bytes += record?.kind === "entry" ? 21 + record.payload.length : 130;
        if (bytes > this.#options.unitBytesMax) break;
        add(record);
      }
    }
    add({
      kind: "signed",
      group: COUNTER_GROUP,
      vault: COUNTER_VAULT,
      size: model.units + 1,
      root: this.#random.bytes(32),
      timeMs: model.units,
    });
    return records;
  }

  #part(model: LogModel): (WalRecord | undefined)[] {
    const group = this.#random.pick([...model.groups.keys()]);
    switch (this.#random.int(12)) {
      case 0:
        return [this.#create(model)];
      case 1:
        return [this.#hardState(model, group)];
      case 2:
        return this.#replaceEnd(model, group);
      case 3:
        return this.#random.chance(0.3) ? [this.#snapshot(model, group)] : [];
      case 4:
        return this.#random.chance(0.15) ? [this.#drop(group)] : [];
      case 5:
        return [this.#sign(model, group)];
      case 6:
        return [this.#hint(model, group)];
      default:
        return this.#entries(model, group);
    }
  }

  #create(model: LogModel): WalRecord | undefined {
    if (model.groups.size >= this.#options.groupsMax) return undefined;
    return { kind: "group", group: groupId(this.#nextGroup++), action: "create" };
  }

  #drop(group: GroupId): WalRecord | undefined {
    return group === COUNTER_GROUP ? undefined : { kind: "group", group, action: "drop" };
  }

  #hardState(model: LogModel, group: GroupId): WalRecord {
    const { term } = model.groups.get(group)!.hardState;
    const vote = voteOf(this.#random.int(4));
    return { kind: "hard-state", group, term: term + 1 + this.#random.int(2), vote };
  }

  #entries(model: LogModel, group: GroupId): WalRecord[] {
    const first = model.last(group) + 1;
    const term = model.lastTerm(group) + (this.#random.chance(0.1) ? 1 : 0);
    const count = 1 + this.#random.int(4);
    return Array.from({ length: count }, (_, i) => this.#entry(group, first + i, term));
  }

  #entry(group: GroupId, index: number, term: number): WalRecord {
    const { payloadMax, rarePayloadMax } = this.#options;
    const max = this.#random.chance(0.03) ? rarePayloadMax : payloadMax;
    const payload = this.#random.bytes(this.#random.int(max + 1));
    return { kind: "entry", group, index, term, payload };
  }

  #replaceEnd(model: LogModel, group: GroupId): WalRecord[] {
    const { hint, released } = model.groups.get(group)!;
    const last = model.last(group);
    const lowest = Math.max(hint, released) + 1;
    if (last < lowest) return [];
    const from = this.#random.between(lowest, last + 2);
    const term = model.lastTerm(group) + 1;
    const cut: WalRecord = { kind: "truncate", group, from };
    return this.#random.chance(0.7) ? [cut, this.#entry(group, from, term)] : [cut];
  }

  #snapshot(model: LogModel, group: GroupId): WalRecord {
    const { snapshot, hint, released } = model.groups.get(group)!;
    const last = model.last(group);
    const least = Math.max(hint, snapshot?.index ?? 0, 1);
    const index = this.#random.between(least, Math.max(least, last) + 3);
    const conflicts = index > Math.max(hint, released) && this.#random.chance(0.2);
    const known = index > last ? undefined : model.term(group, index);
    const term = known === undefined || conflicts ? model.lastTerm(group) + 1 : known;
    const uuid = this.#random.bytes(16);
    const configuration = this.#random.bytes(this.#random.int(60));
    return { kind: "snapshot", group, index, term, uuid, configuration };
  }

  #sign(model: LogModel, group: GroupId): WalRecord {
    const vault = vaultId(1 + this.#random.int(5));
    const mark = model.groups.get(group)!.marks.get(vault);
    const size = (mark?.size ?? 0) + this.#random.int(3);
    const timeMs = (mark?.timeMs ?? 0) + this.#random.u32();
    return { kind: "signed", group, vault, size, root: this.#random.bytes(32), timeMs };
  }

  #hint(model: LogModel, group: GroupId): WalRecord | undefined {
    const { hint } = model.groups.get(group)!;
    const last = model.last(group);
    if (last <= hint) return undefined;
    return { kind: "commit-hint", group, index: this.#random.between(hint, last + 1) };
  }
}
