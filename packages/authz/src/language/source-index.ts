/**
 * Where things stand in a text of OpenFGA's language. The grammar keeps a definition together, so statements are found
 * line by line, and words within the statement that they belong to. Lines and columns count from 1.
 */
import type { Finding } from "../model/model-rules.js";
import type { Places, SourcePlace } from "./locate.js";

interface Word extends SourcePlace {
  readonly text: string;
  /** Between `[` and `]`. */
  readonly isRestriction: boolean;
}

interface Statement {
  readonly name: SourcePlace;
  readonly words: readonly Word[];
}

const STATEMENT =
  /^(\s*)(?:(type|extend\s+type|define|condition|schema|module|model|relations)\b(?!\s*:))(\s*)([^\s:(]*)/;

/** Types, relations and conditions of one text by name; the first counts where a name comes twice. */
export class SourceIndex implements Places {
  readonly #types = new Map<string, SourcePlace>();
  readonly #relations = new Map<string, Statement>();
  readonly #conditions = new Map<string, SourcePlace>();
  readonly #expressions = new Map<string, SourcePlace>();
  #schema: SourcePlace | undefined;

  constructor(text: string) {
    let type = "";
    let words: Word[] = [];
    let condition: string | undefined;
    for (const [i, raw] of text.split("\n").entries()) {
      const line = withoutComment(raw);
      const match = condition === undefined ? STATEMENT.exec(line) : null;
      if (match === null) {
        if (condition !== undefined) this.#noteExpression(condition, line, i + 1, 0);
        if (line.trimEnd().endsWith("}")) condition = undefined;
        words.push(...wordsOf(line, i + 1, 0));
        continue;
      }
      words = [];
      const [head, , keyword, , name] = match as unknown as [
        string,
        string,
        string,
        string,
        string,
      ];
      const column = head.length - name.length + 1;
      const place = { line: i + 1, column, endColumn: column + name.length };
      if (keyword === "define") {
        words.push(...wordsOf(line, i + 1, line.indexOf(":", head.length) + 1));
        setFirst(this.#relations, `${type}#${name}`, { name: place, words });
      } else if (keyword === "condition") {
        setFirst(this.#conditions, name, place);
        const from = line.indexOf("{") + 1;
        if (from > 0) this.#noteExpression(name, line, i + 1, from);
        condition = line.trimEnd().endsWith("}") ? undefined : name;
      } else if (keyword === "schema") this.#schema = place;
      else if (keyword.endsWith("type")) {
        type = name;
        setFirst(this.#types, name, place);
      }
    }
  }

  get schema(): SourcePlace | undefined {
    return this.#schema;
  }

  find(finding: Finding): SourcePlace | undefined {
    const { type = "", relation = "", condition = "", symbol } = finding;
    const key = `${type}#${relation}`;
    switch (finding.at) {
      case "type":
        return this.#types.get(type);
      case "relation":
        return this.#relations.get(key)?.name;
      case "condition":
        return this.#within(finding) ?? this.#conditions.get(condition);
      case "rewrite":
        return this.#words(key, symbol.split(" "), false);
      case "from":
        return lastWord(this.#words(key, ["from", symbol], false), symbol);
      case "with":
        return lastWord(this.#words(key, ["with", symbol], true), symbol);
      case "restriction":
        return this.#words(key, symbol.split(" "), true) ?? this.#restrictedType(key, symbol);
    }
  }

  /** The first place in a relation's definition where these words follow each other. */
  #words(key: string, wanted: readonly string[], isRestriction: boolean): SourcePlace | undefined {
    const words = this.#relations.get(key)?.words ?? [];
    const at = words.findIndex((_, i) =>
      wanted.every(
        (text, k) => words[i + k]?.text === text && words[i + k]?.isRestriction === isRestriction,
      ),
    );
    const first = words[at];
    const last = words[at + wanted.length - 1];
    if (first === undefined || last === undefined) return undefined;
    return { line: first.line, column: first.column, endColumn: last.endColumn };
  }

  /** A type in the restrictions of a relation, as part of `type#relation` or `type:*`. */
  #restrictedType(key: string, wanted: string): SourcePlace | undefined {
    const words = this.#relations.get(key)?.words ?? [];
    const found = words.find(
      (word) => word.isRestriction && word.text.split(/[#:]/, 1)[0] === wanted,
    );
    if (found === undefined) return undefined;
    return { line: found.line, column: found.column, endColumn: found.column + wanted.length };
  }

  /** A place in the expression of a condition, in the text that holds it. */
  #within({ condition = "", within }: Finding): SourcePlace | undefined {
    const start = this.#expressions.get(condition);
    if (start === undefined || within === undefined) return undefined;
    const column = within.line === 1 ? start.column + within.column - 1 : within.column;
    return { line: start.line + within.line - 1, column, endColumn: column + 1 };
  }

  #noteExpression(condition: string, text: string, line: number, from: number): void {
    const at = text.slice(from).search(/\S/);
    if (at < 0) return;
    const column = from + at + 1;
    setFirst(this.#expressions, condition, { line, column, endColumn: column + 1 });
  }
}

function wordsOf(line: string, lineNumber: number, from: number): Word[] {
  const found: Word[] = [];
  let isRestriction = false;
  for (const match of line.slice(from).matchAll(/[[\]]|[^\s[\](),]+/g)) {
    const [text] = match;
    if (text === "[" || text === "]") isRestriction = text === "[";
    else {
      const column = from + match.index + 1;
      const endColumn = column + text.length;
      found.push({ text, line: lineNumber, column, endColumn, isRestriction });
    }
  }
  return found;
}

/** As the parser does: a line that starts with # is one, and so is what follows " #". */
function withoutComment(line: string): string {
  if (line.trimStart().startsWith("#")) return "";
  const at = line.indexOf(" #");
  return at < 0 ? line : line.slice(0, at);
}

function lastWord(place: SourcePlace | undefined, word: string): SourcePlace | undefined {
  return place && { ...place, column: place.endColumn - word.length };
}

function setFirst<T>(map: Map<string, T>, key: string, value: T): void {
  if (!map.has(key)) map.set(key, value);
}
