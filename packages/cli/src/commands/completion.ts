/** `authledger completion SHELL`, and the hidden `__complete` that its scripts ask. */
import { Argument, type Command } from "commander";
import { type Candidates, candidatesFor, SHELLS } from "../completion/candidates.js";
import { liveSources } from "../completion/live-sources.js";
import { positionOf } from "../completion/position.js";
import { COMPLETION_SCRIPTS } from "../completion/scripts.js";
import { afterBreaks, parseShellLine, type ShellLine } from "../completion/shell-line.js";
import { escapeControls } from "../output/table.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { wholeOf } from "../run/settings.js";

/** How bash says that it only lists, after a second tab; then descriptions do no harm. */
const BASH_LISTS = "63";

export function addCompletionCommands(program: Command, frame: CommandFrame): void {
  const completion = program
    .command("completion")
    .addArgument(new Argument("<shell>", "your shell").choices(SHELLS))
    .description(
      "print a script that teaches a shell to complete commands and what the node holds",
    );
  frame.handle(completion, async (run, shell) => {
    await run.io.out(COMPLETION_SCRIPTS[shell as (typeof SHELLS)[number]]);
    return undefined;
  });
  const complete = program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .option("--shell <name>")
    .option("--line <text>")
    .option("--point <n>")
    .option("--breaks <characters>")
    .option("--kind <number>");
  frame.handle(complete, (run, ...words) => runComplete(run, program, words));
}

/** Whatever goes wrong, a key press prints no error. */
async function runComplete(run: Run, program: Command, words: string[]): Promise<undefined> {
  try {
    const line = lineOf(run, words);
    const position = positionOf(program, line.words);
    const sources = liveSources(run.io.env, position.flags);
    const found = await candidatesFor(position, line.current, sources);
    await run.io.out(answerText(run, found, line));
  } catch {
    await run.io.out(":\n");
  }
  return undefined;
}

function lineOf(run: Run, words: readonly string[]): ShellLine {
  const line = textFlag(run, "line");
  if (line === undefined) {
    return { words: words.slice(0, -1), current: words.at(-1) ?? "", isQuoted: false };
  }
  return parseShellLine(line, wholeOf(textFlag(run, "point") ?? String(line.length), "point"));
}

function answerText(run: Run, { list, paths }: Candidates, line: ShellLine): string {
  const isBash = textFlag(run, "shell") === "bash";
  const breaks = isBash && !line.isQuoted ? (textFlag(run, "breaks") ?? "") : "";
  const isListing = textFlag(run, "kind") === BASH_LISTS && list.length > 1;
  const isPartial = list.some((one) => one.isPartial === true);
  const directives = [...(isPartial ? ["nospace"] : []), ...(paths === undefined ? [] : [paths])];
  const lines = list.map(({ value, description = "" }) => {
    const shown = afterBreaks(value, line.current, breaks);
    if (description === "" || (isBash && !isListing)) return shown;
    const text = escapeControls(description).replaceAll("\t", " ");
    return isBash ? `${shown}  (${text})` : `${shown}\t${text}`;
  });
  return `${[`:${directives.join(",")}`, ...lines].join("\n")}\n`;
}
