/**
 * Data-driven scenarios as etcd/raft writes them: a command with arguments, input lines, `----`, the expected output,
 * and a blank line; `#` begins a comment.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Directive {
  readonly command: string;
  /** Arguments without a value have an empty list. */
  readonly args: ReadonlyMap<string, readonly string[]>;
  /** The names of the arguments that have no value, in order. */
  readonly words: readonly string[];
  readonly input: string;
  readonly expected: string;
  readonly line: number;
}

/** Where the scenarios of etcd/raft are, if anywhere: CONFORMANCE_DATA names the folder of all such data. */
export function scenarioFolder(path: string): string | undefined {
  const root = process.env["CONFORMANCE_DATA"];
  if (root !== undefined && root !== "") return join(root, "etcd-raft", path);
  process.stderr.write(
    `skipped: the scenarios etcd-raft/${path}, since CONFORMANCE_DATA is unset\n`,
  );
  return undefined;
}

export function scenarioFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".txt"))
    .sort();
}

export function parseScript(path: string): Directive[] {
  const lines = readFileSync(path, "utf8").split("\n");
  const directives: Directive[] = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at]!)) {
      at++;
      continue;
    }
    const line = at + 1;
    const until = lines.indexOf("----", at);
    if (until < 0) throw new Error(`${path}:${line}: no ---- follows`);
    const [head, ...input] = lines.slice(at, until).filter((text) => !isComment(text));
    let end = until + 1;
    while (end < lines.length && lines[end] !== "") end++;
    const expected = lines.slice(until + 1, end).join("\n");
    directives.push({ ...parseHead(head!), input: input.join("\n"), expected, line });
    at = end;
  }
  return directives;
}

function isBlank(line: string): boolean {
  return line.trim() === "" || isComment(line);
}

function isComment(line: string): boolean {
  return line.startsWith("#");
}

function parseHead(head: string): Pick<Directive, "command" | "args" | "words"> {
  const [, command, rest] = /^(\S+)\s*(.*)$/.exec(head)!;
  const args = new Map<string, string[]>();
  const words: string[] = [];
  for (const [, name, list, value] of rest!.matchAll(/([^\s=]+)(?:=(?:\(([^)]*)\)|(\S+)))?/g)) {
    if (list === undefined && value === undefined) words.push(name!);
    const values = list === undefined ? [value] : list.split(",").map((text) => text.trim());
    args.set(name!, values.filter((text) => text !== undefined && text !== "") as string[]);
  }
  return { command: command!, args, words };
}
