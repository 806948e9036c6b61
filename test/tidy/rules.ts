/**
 * Rules of the house that a machine can check, each as a function from a file's text to the problems in it.
 * `tidy.test.ts` applies them to the repository, and to samples that show that each can fail.
 */
import ts from "typescript";

/** A function of more lines does not fit a screen. */
export const FUNCTION_LINES_MAX = 70;
/** A file of more lines is two files. */
export const FILE_LINES_MAX = 800;
/** A longer file is worth a look. */
export const FILE_LINES_LONG = 400;

/** A file opens with a comment that says what it is. */
export function missingHeader(text: string): string[] {
  const header = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? "";
  return header.replaceAll(/[\s*]/g, "").length >= 20
    ? []
    : ["has no comment that says what it is"];
}

export function lineCount(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

/** Functions, methods and accessors over the limit, comments in front of them not counted. */
export function longFunctions(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const problems: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
      const lines = last - first + 1;
      if (lines > FUNCTION_LINES_MAX) {
        problems.push(`line ${first + 1}: ${nameOf(node)} has ${lines} lines`);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name !== undefined) return node.name.getText();
  if (ts.isConstructorDeclaration(node)) return "constructor";
  const parent = node.parent;
  return ts.isVariableDeclaration(parent) ? parent.name.getText() : "a function";
}

/** Lines with a character outside ASCII; escapes say the same and show what they are. */
export function nonAscii(text: string): string[] {
  return linesMatching(text, /[^\n\x20-\x7e]/, "holds a character outside printable ASCII");
}

/** Work left over needs somebody who owns it. */
export function ownerlessTodos(text: string): string[] {
  return [
    ...linesMatching(text, /\bTODO\b(?!\([a-z][a-z0-9-]*\))/, "TODO without owner: TODO(name)"),
    ...linesMatching(text, /\b(FIXME|XXX|HACK)\b/, "write TODO(name)"),
  ];
}

/** Checks are not switched off where they hurt. */
export function suppressions(text: string): string[] {
  return linesMatching(
    text,
    /@ts-(ignore|nocheck|expect-error)|biome-ignore|eslint-disable/,
    "suppresses a check",
  );
}

/** What differs between machines, runs or versions of the engine, where replicas must agree (simulation.md). */
export function impurities(text: string): string[] {
  const forbidden =
    /Math\.(?!(?:abs|ceil|clz32|floor|imul|max|min|sign|trunc)\b)\w+|localeCompare|\bIntl\b|toLocale|\\p\{|\.normalize\(|new Date\b|WeakRef|FinalizationRegistry/;
  return linesMatching(withoutComments(text), forbidden, "is not the same on every machine");
}

/** The door of a package names everything that goes through it. */
export function unnamedExports(text: string): string[] {
  const source = ts.createSourceFile("index.ts", text, ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement)) {
      const from = statement.moduleSpecifier?.getText(source) ?? "";
      // A generated module holds nothing but what is generated to be exported.
      if (statement.exportClause !== undefined || from.startsWith('"./gen/')) return [];
    }
    const { line } = source.getLineAndCharacterOfPosition(statement.getStart(source));
    return [`line ${line + 1}: is not an export of names from a module`];
  });
}

/** Paths and programs of the machine that something was written on; they mean nothing to a reader. */
export function machineTraces(text: string): string[] {
  const traces =
    /(?<![\w.~-])\/(?:work|tmp\/brief)\/|\bfarm-(?:bench|studio)\b|\bsub-?agents?\b|\b(?:previous|another|later) session\b/i;
  return linesMatching(text, traces, "names a path or tool of one machine");
}

/** A package says what it is, shows an example, and says where it stands. */
export function readmeProblems(name: string, text: string): string[] {
  const wanted: readonly [RegExp, string][] = [
    [new RegExp(`^# @authledger/${name}\n`), "does not start with the name of the package"],
    [/invariant/i, "does not name the invariant it owns"],
    [/^```/m, "shows no example"],
    [/\blayer\b/i, "does not say in which layer it is"],
  ];
  return wanted.flatMap(([pattern, problem]) => (pattern.test(text) ? [] : [problem]));
}

function linesMatching(text: string, pattern: RegExp, problem: string): string[] {
  return text
    .split("\n")
    .flatMap((line, i) => (pattern.test(line) ? [`line ${i + 1}: ${problem}`] : []));
}

/** The text with its comments blanked, line by line, so that line numbers stay. */
function withoutComments(text: string): string {
  const blank = (comment: string) => comment.replaceAll(/[^\n]/g, " ");
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, blank).replaceAll(/\/\/.*$/gm, blank);
}
