/** A command line as the shell cuts it, up to the cursor: finished words and the one that is being typed. */

export interface ShellLine {
  /** Without the program's name. */
  readonly words: readonly string[];
  readonly current: string;
  /** The current word is inside quotes. */
  readonly isQuoted: boolean;
}

export function parseShellLine(line: string, point: number): ShellLine {
  const words: string[] = [];
  let current = "";
  let isOpen = false;
  let quote = "";
  const text = line.slice(0, point);
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (quote === "" && /\s/.test(character)) {
      if (isOpen) words.push(current);
      [current, isOpen] = ["", false];
      continue;
    }
    isOpen = true;
    if (character === quote) quote = "";
    else if (quote === "" && (character === "'" || character === '"')) quote = character;
    else if (character === "\\" && quote !== "'" && i + 1 < text.length) current += text[++i];
    else current += character;
  }
  return { words: words.slice(1), current, isQuoted: quote !== "" };
}

/** Readline leaves it at the beginning of the word that it replaces: it may begin the name of a host. */
const KEPT_BREAK = "@";

/**
 * What of a candidate the shell expects: bash replaces only what follows the last character that breaks words.
 * @example afterBreaks("doc:readme", "doc:re", ":=") // "readme"
 */
export function afterBreaks(candidate: string, current: string, breaks: string): string {
  let at = 0;
  for (let i = 0; i < current.length; i++) {
    if (breaks.includes(current[i]!)) at = current[i] === KEPT_BREAK ? i : i + 1;
  }
  return candidate.startsWith(current.slice(0, at)) ? candidate.slice(at) : candidate;
}
