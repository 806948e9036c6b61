/** `authledger cheat [topic]`: lines to copy. */
import { suggestion } from "@authledger/types";
import { Argument, type Command } from "commander";
import { CHEATS, type Cheat } from "../help/cheats.js";
import type { CommandFrame, Run } from "../run/command.js";
import { usage } from "../run/settings.js";

export function addCheatCommand(program: Command, frame: CommandFrame): void {
  const cheat = program
    .command("cheat")
    .addArgument(new Argument("[topic]", "default: the list of topics"))
    .description("lines to copy, by topic");
  frame.handle(cheat, showCheat);
}

async function showCheat(run: Run, topic?: string): Promise<undefined> {
  if (topic === undefined) {
    await run.print.many(
      CHEATS.map(({ topic: name, about }) => ({ name, fields: { topic: name, about } })),
    );
    run.say("\nauthledger cheat <topic> prints its lines");
    return undefined;
  }
  const found = CHEATS.find((one) => one.topic === topic);
  if (found === undefined) {
    const names = CHEATS.map((one) => one.topic);
    throw usage(
      `there is no topic "${topic}"${suggestion(topic, names)}; there are ${names.join(", ")}`,
    );
  }
  await printSheet(run, found);
  return undefined;
}

/** For people as a shell script, comments beside the commands; for programs as fields. */
async function printSheet(run: Run, { topic, about, lines }: Cheat): Promise<void> {
  const { format, field } = run.settings;
  if ((format === "table" || format === "wide") && field === undefined) {
    await run.io.out(`# ${topic}: ${about}\n${lines.map((line) => `${line}\n`).join("")}`);
    return;
  }
  const parts = lines.map((line) => {
    const at = line.indexOf("  # ");
    if (at < 0) return { command: line };
    return { command: line.slice(0, at), comment: line.slice(at + 4) };
  });
  await run.print.one({ name: topic, fields: { topic, about, lines: parts } });
}
