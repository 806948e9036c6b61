/** JSON for files that people edit: every value knows its line, and so does every mistake. */

type LineValue =
  | string
  | number
  | boolean
  | null
  | readonly LineNode[]
  | ReadonlyMap<string, LineNode>;

export interface LineNode {
  /** Where the value begins, from 1. */
  readonly line: number;
  readonly value: LineValue;
}

export class LineError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const DEPTH_MAX = 16;
/** White space, then a string, a mark or a word. */
const TOKEN = /[ \t\r\n]*("(?:[^"\\\n]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+|"[^\n]*|$)/y;

/** @throws LineError */
export function parseLines(text: string): LineNode {
  const reader = new Reader(text);
  const node = reader.value(0);
  reader.end();
  return node;
}

class Reader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): LineNode {
    const token = this.#next();
    const line = this.#line;
    if (depth > DEPTH_MAX) throw new LineError(line, `is nested deeper than ${DEPTH_MAX}`);
    if (token === "{") return { line, value: this.#object(depth) };
    if (token === "[") return { line, value: this.#array(depth) };
    return { line, value: this.#scalar(token) };
  }

  end(): void {
    const token = this.#next();
    if (token !== "") throw new LineError(this.#line, `has ${shown(token)} after its end`);
  }

  #object(depth: number): ReadonlyMap<string, LineNode> {
    const fields = new Map<string, LineNode>();
    if (this.#skip("}")) return fields;
    for (;;) {
      const name = this.#scalar(this.#next());
      if (typeof name !== "string") throw new LineError(this.#line, "has no name in quotes here");
      if (fields.has(name)) throw new LineError(this.#line, `has "${name}" twice`);
      this.#expect(":");
      fields.set(name, this.value(depth + 1));
      if (this.#skip("}")) return fields;
      this.#expect(",");
    }
  }

  #array(depth: number): readonly LineNode[] {
    const items: LineNode[] = [];
    if (this.#skip("]")) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.#skip("]")) return items;
      this.#expect(",");
    }
  }

  #scalar(token: string): string | number | boolean | null {
    try {
      return JSON.parse(token) as string | number | boolean | null;
    } catch {
      throw new LineError(this.#line, `has ${shown(token)} where a value should be`);
    }
  }

  #expect(mark: string): void {
    const token = this.#next();
    if (token === mark) return;
    throw new LineError(this.#line, `has ${shown(token)} where "${mark}" should be`);
  }

  #skip(mark: string): boolean {
    const [at, line] = [this.#at, this.#line];
    if (this.#next() === mark) return true;
    [this.#at, this.#line] = [at, line];
    return false;
  }

  /** "" at the end. */
  #next(): string {
    TOKEN.lastIndex = this.#at;
    const [whole = "", token = ""] = TOKEN.exec(this.#text) ?? [];
    this.#at += whole.length;
    this.#line += whole.split("\n").length - 1;
    return token;
  }
}

function shown(token: string): string {
  return token === "" ? "nothing" : JSON.stringify(token.slice(0, 40));
}
