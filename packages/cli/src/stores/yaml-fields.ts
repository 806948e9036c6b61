/** Fields of a YAML document, read strictly: what has the wrong type or is not known is refused with its place. */
import { LedgerError } from "@authledger/types";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** Where to look: the document's text is bounded before it is read. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
/** Aliases multiply; a file that people write has few. */
const ALIASES_MAX = 1_000;

/** A value and how to get to it, for messages. */
export class YamlValue {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #node: Node | null | undefined;
  readonly #path: string;

  private constructor(
    file: string,
    lines: LineCounter,
    node: Node | null | undefined,
    path: string,
  ) {
    this.#file = file;
    this.#lines = lines;
    this.#node = node;
    this.#path = path;
  }

  /** @throws LedgerError INVALID_ARGUMENT naming file, line and column */
  static parse(file: string, text: string): YamlValue {
    if (text.length > TEXT_BYTES_MAX) {
      const details = { field: file, limit: TEXT_BYTES_MAX, actual: text.length };
      throw new LedgerError("LIMIT_EXCEEDED", `${file} is too large`, { details });
    }
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
    const [problem] = document.errors;
    const value = new YamlValue(file, lines, document.contents, "");
    if (problem !== undefined) {
      const { line, col } = lines.linePos(problem.pos[0]);
      const [what = ""] = problem.message.split("\n");
      throw new LedgerError("INVALID_ARGUMENT", `${file}:${line}:${col}: ${what}`);
    }
    return value;
  }

  get isMissing(): boolean {
    return this.#node === undefined || this.#node === null || this.#isNull();
  }

  get isText(): boolean {
    return isScalar(this.#node) && typeof this.#node.value === "string";
  }

  text(): string {
    const node = this.#node;
    if (isScalar(node) && typeof node.value === "string") return node.value;
    throw this.refuse("is expected to be a text");
  }

  bool(): boolean {
    const node = this.#node;
    if (isScalar(node) && typeof node.value === "boolean") return node.value;
    throw this.refuse("is expected to be true or false");
  }

  /** None where it is missing. */
  items(): YamlValue[] {
    if (this.isMissing) return [];
    const node = this.#node;
    if (!isSeq(node)) throw this.refuse("is expected to be a list");
    return node.items.map((item, i) => this.#at(item as Node, `${this.#path}[${i}]`));
  }

  /** None where it is missing. */
  entries(): [string, YamlValue][] {
    if (this.isMissing) return [];
    const node = this.#node;
    if (!isMap(node)) throw this.refuse("is expected to have fields");
    return node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : String(key);
      return [name, this.#at(value as Node, this.#path === "" ? name : `${this.#path}.${name}`)];
    });
  }

  /** Its fields; those that are not among `known` are refused, so that a misspelt one does not pass in silence. */
  fields<K extends string>(known: readonly K[]): Record<K, YamlValue> {
    const missing = (name: string) => this.#at(undefined, `${this.#path}.${name}`);
    const found = Object.fromEntries(known.map((name) => [name, missing(name)]));
    for (const [name, value] of this.entries()) {
      if (!(known as readonly string[]).includes(name)) {
        throw value.refuse(`is not known here; there are ${known.join(", ")}`);
      }
      found[name] = value;
    }
    return found as Record<K, YamlValue>;
  }

  /** As JSON has it. */
  json(): unknown {
    return this.isMissing
      ? null
      : this.#node!.toJSON(undefined, { maxAliasCount: ALIASES_MAX } as never);
  }

  /** Where it stands, and what is wrong with it. */
  refuse(why: string): LedgerError {
    const start = this.#node?.range?.[0];
    const { line, col } = start === undefined ? { line: 0, col: 0 } : this.#lines.linePos(start);
    const place = line === 0 ? this.#file : `${this.#file}:${line}:${col}`;
    const what = this.#path === "" ? "the document" : `"${this.#path}"`;
    return new LedgerError("INVALID_ARGUMENT", `${place}: ${what} ${why}`);
  }

  #isNull(): boolean {
    return isScalar(this.#node) && this.#node.value === null;
  }

  #at(node: Node | null | undefined, path: string): YamlValue {
    return new YamlValue(this.#file, this.#lines, node, path);
  }
}
