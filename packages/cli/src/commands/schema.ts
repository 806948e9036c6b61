/** `authledger schema [command]`: the JSON Schema of what a command prints with `-o json`. */
import { suggestion } from "@authledger/types";
import type { Command } from "commander";
import { jsonText } from "../output/json-value.js";
import type { CommandFrame, Run } from "../run/command.js";
import { usage } from "../run/settings.js";
import { schemaOf } from "../schema/shape.js";
import { SHAPES } from "../schema/shapes.js";

export function addSchemaCommand(program: Command, frame: CommandFrame): void {
  const schema = program
    .command("schema")
    .argument("[words...]", "a command; default: the list of those that have one")
    .description("print the JSON Schema of what a command prints with -o json");
  frame.handle(schema, showSchema);
}

async function showSchema(run: Run, ...words: readonly string[]): Promise<undefined> {
  const path = words.join(" ");
  if (path === "") {
    const all = Object.entries(SHAPES);
    const rows = all.map(([name, { output }]) => ({ name, fields: { command: name, output } }));
    await run.print.many(rows);
    return undefined;
  }
  const shape = Object.hasOwn(SHAPES, path) ? SHAPES[path] : undefined;
  if (shape === undefined) {
    throw usage(`"${path}" has no schema${suggestion(path, Object.keys(SHAPES))}`);
  }
  await run.io.out(`${jsonText(schemaOf(path, shape), 2)}\n`);
  return undefined;
}
