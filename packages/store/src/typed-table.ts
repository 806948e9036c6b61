/** A table whose keys and values are of one kind each: those of another table do not type-check (L-72). */
import type { Cursor } from "./tree/cursor.js";
import type { Tree } from "./tree/tree.js";

/** How a key or a value becomes bytes and comes back. */
export interface Codec<T> {
  encode(value: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

export class TypedTable<K, V> {
  readonly #table: Tree;
  readonly #keys: Codec<K>;
  readonly #values: Codec<V>;

  constructor(table: Tree, keys: Codec<K>, values: Codec<V>) {
    this.#table = table;
    this.#keys = keys;
    this.#values = values;
  }

  get count(): number {
    return this.#table.count;
  }

  get(key: K): V | undefined {
    const bytes = this.#table.get(this.#keys.encode(key));
    return bytes === undefined ? undefined : this.#values.decode(bytes);
  }

  /** Returns whether the key was there. */
  put(key: K, value: V): boolean {
    return this.#table.put(this.#keys.encode(key), this.#values.encode(value));
  }

  /** Returns whether the key was there. */
  delete(key: K): boolean {
    return this.#table.delete(this.#keys.encode(key));
  }

  /** The entries from a key on, in order. A write to the table ends the iteration with an error. */
  *from(key: K): Generator<readonly [K, V]> {
    const cursor: Cursor = this.#table.cursor();
    for (let ok = cursor.seek(this.#keys.encode(key)); ok; ok = cursor.next()) {
      yield [this.#keys.decode(cursor.key.slice()), this.#values.decode(cursor.value)];
    }
  }
}
