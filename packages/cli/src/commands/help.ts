/** `authledger help [command or topic]`. */
import { suggestion } from "@authledger/types";
import type { Command } from "commander";
import { exitCodeRows, TOPICS } from "../help/topics.js";
import type { CommandFrame, Run } from "../run/command.js";
import { usage } from "../run/settings.js";

const EXIT_CODES = "exit-codes";

export function addHelpCommand(program: Command, frame: CommandFrame): void {
  const topics = [EXIT_CODES, ...Object.keys(TOPICS)].join(", ");
  const help = program
    .command("help")
    .argument("[words...]", "a command, or a topic")
    .description("show the help of a command, or a topic")
    .addHelpText("after", `\nTopics: ${topics}`);
  frame.handle(help, (run, ...words) => showHelp(run, program, words));
}

async function showHelp(run: Run, program: Command, words: readonly string[]): Promise<undefined> {
  const [word = ""] = words;
  const text = Object.hasOwn(TOPICS, word) ? TOPICS[word] : undefined;
  if (word === EXIT_CODES) return showExitCodes(run);
  if (text !== undefined) return run.io.out(`${text}\n`) as Promise<undefined>;
  let at = program;
  for (const name of words) {
    const below = at.commands.find((command) => command.name() === name);
    if (below === undefined) throw unknown(name, at, at === program);
    at = below;
  }
  at.outputHelp();
  return undefined;
}

async function showExitCodes(run: Run): Promise<undefined> {
  await run.print.many(
    exitCodeRows().map(({ code, name, meaning }) => ({
      name: String(code),
      fields: { code, name, meaning },
    })),
  );
  return undefined;
}

function unknown(name: string, at: Command, isTop: boolean): Error {
  const names = at.commands.map((command) => command.name());
  const known = isTop ? [...names, EXIT_CODES, ...Object.keys(TOPICS)] : names;
  return usage(`there is no command or topic "${name}"${suggestion(name, known)}`);
}
