/** Gives the commands their groups in the list of commands, and each its examples. */
import type { Command } from "commander";
import { EXAMPLES } from "./examples.js";

const GROUPS: Readonly<Record<string, string>> = {
  "Begin:": "quickstart dev start context",
  "Ask and write:":
    "check explain lookup expand list tuple entity resource model import export watch",
  "Prove:": "proof block audit",
  "Administer:":
    "status cluster org vault key role whoami usage quota hot-keys audit-log config compact scrub debug bench",
  "Help:": "help cheat completion schema version",
};

export function addHelpTexts(program: Command): void {
  for (const [heading, names] of Object.entries(GROUPS)) {
    for (const name of names.split(" ")) {
      program.commands.find((command) => command.name() === name)?.helpGroup(heading);
    }
  }
  program.addHelpText(
    "after",
    "\nNew here? authledger quickstart shows everything, authledger cheat start the first commands." +
      "\nMore: authledger help exit-codes, output, contexts, environment",
  );
  for (const command of leavesOf(program)) {
    const examples = EXAMPLES[pathOf(command)];
    if (examples === undefined) continue;
    const lines = examples.map((line) => `  ${line}`).join("\n");
    command.addHelpText("after", `\nExamples:\n${lines}`);
  }
}

/** Commands that can be run, hidden ones left out. */
export function leavesOf(command: Command): readonly Command[] {
  if (command.name().startsWith("__")) return [];
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

/** `tuple write`. */
export function pathOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}
