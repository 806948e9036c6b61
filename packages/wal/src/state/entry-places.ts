/**
 * Where the entries of one group lie on disk: segment, offset of the record in the segment, bytes of payload.
 *
 *   INV-PLACES-1  Held indexes are contiguous, and places ascend with the index.
 */
import { IndexRuns } from "./index-runs.js";
import { U32List } from "./u32-list.js";

/** Where a record lies. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

export interface EntryPlace extends Place {
  /** Bytes of the entry's payload. */
  readonly length: number;
}

export class EntryPlaces {
  /** Index of the oldest entry held. */
  #first: number;
  readonly #offsets = new U32List();
  readonly #lengths = new U32List();
  #segments = new IndexRuns();

  constructor(first: number) {
    this.#first = first;
  }

  /** Index of the newest entry held; one less than the first when there is none. */
  get last(): number {
    return this.#first + this.#offsets.length - 1;
  }

  /** The segment of the oldest entry. */
  get oldestSegment(): number | undefined {
    return this.#offsets.length === 0 ? undefined : this.#segments.first;
  }

  get memoryBytes(): number {
    return this.#offsets.bytes + this.#lengths.bytes;
  }

  push(place: EntryPlace): void {
    this.#segments.extend(this.last + 1, place.segment);
    this.#offsets.push(place.offset);
    this.#lengths.push(place.length);
  }

  /** Where the entry of an index that is held lies. */
  at(index: number): EntryPlace {
    const position = index - this.#first;
    return {
      segment: this.#segments.valueAt(index)!,
      offset: this.#offsets.at(position),
      length: this.#lengths.at(position),
    };
  }

  lengthAt(index: number): number {
    return this.#lengths.at(index - this.#first);
  }

  /** Forgets the entries from `from` on and returns them, oldest first. */
  cut(from: number): EntryPlace[] {
    const gone: EntryPlace[] = [];
    for (let index = from; index <= this.last; index++) gone.push(this.at(index));
    const keep = from - this.#first;
    this.#offsets.truncate(keep);
    this.#lengths.truncate(keep);
    if (keep === 0) this.#segments = new IndexRuns();
    else this.#segments.cut(from);
    return gone;
  }

  /** Forgets the entries up to `through`, which may lie behind the newest. */
  release(through: number): void {
    const count = Math.min(through + 1 - this.#first, this.#offsets.length);
    this.#first = through + 1;
    this.#offsets.dropFirst(count);
    this.#lengths.dropFirst(count);
    if (this.#offsets.length === 0) this.#segments = new IndexRuns();
    else this.#segments.release(through);
  }

  /** Gives the entries in `segment` and later ones new places, where `move` knows one. */
  relocate(segment: number, move: (place: Place) => Place | undefined): void {
    let from = this.last + 1;
    while (from > this.#first && this.at(from - 1).segment >= segment) from--;
    for (const place of this.cut(from)) this.push({ ...place, ...move(place) });
  }
}
