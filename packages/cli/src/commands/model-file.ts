/** `authledger model validate|types|format FILE`: models in files, without a node. */
import { writeFile } from "node:fs/promises";
import {
  formatOpenFga,
  generateTypes,
  readModel,
  validateLedgerModel,
} from "@authledger/authz/language";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { MODEL_LANGUAGES, type ModelText, readModelFiles } from "../stores/model-files.js";

const MODEL_FILE: string = "model.fga, fga.mod, model.json, schema.zed, or a store";

export function addModelFileCommands(model: Command, frame: CommandFrame): void {
  const validate = withLanguage(
    model.command("validate").argument("<file>", MODEL_FILE),
  ).description("say what is wrong with a model, with line and column; needs no node");
  frame.handle(validate, validateFile);
  const types = withLanguage(model.command("types").argument("<file>", MODEL_FILE))
    .description("write TypeScript types of a model, under which a wrong relation does not compile")
    .option("--out <file>", "write them here and not to standard output");
  frame.handle(types, writeTypes);
  const format = withLanguage(model.command("format").argument("<file>", MODEL_FILE)).description(
    "print a model in OpenFGA's language, whatever it was written in",
  );
  frame.handle(format, async (run, path) => {
    await run.io.out(formatOpenFga(await modelOf(run, path!)));
    return undefined;
  });
}

/** The flag of every command that reads a model. */
export function withLanguage(command: Command): Command {
  return command.option(
    "--language <language>",
    `${MODEL_LANGUAGES.join(", ")} (default: by the file's name)`,
  );
}

/** The model that a command's file holds, as text. */
export function modelText(run: Run, path: string): Promise<ModelText> {
  return readModelFiles(path, textFlag(run, "language"));
}

async function modelOf(run: Run, path: string): Promise<ReturnType<typeof readModel>> {
  const { language, files } = await modelText(run, path);
  return readModel(language, files);
}

async function validateFile(run: Run, path?: string): Promise<number> {
  const { language, files } = await modelText(run, path!);
  const problems = validateLedgerModel(language, files);
  await run.print.many(
    problems.map(({ file, line = 0, column = 0, message }) => ({
      name: `${file ?? path}:${line}:${column}`,
      fields: { file: file ?? path!, line, column, message },
    })),
  );
  if (problems.length === 0) {
    const { types, conditions } = readModel(language, files);
    const relations = Object.values(types).flatMap((type) => Object.keys(type.relations)).length;
    const counts = `${Object.keys(types).length} types, ${relations} relations, ${Object.keys(conditions).length} conditions`;
    run.say(`${path} is valid: ${counts}`);
    return ExitCode.OK;
  }
  run.say(`${problems.length} problem${problems.length === 1 ? "" : "s"}`);
  return ExitCode.USAGE;
}

async function writeTypes(run: Run, path?: string): Promise<undefined> {
  const text = generateTypes(await modelOf(run, path!));
  const out = textFlag(run, "out");
  if (out === undefined) await run.io.out(text);
  else {
    await writeFile(out, text);
    run.say(`wrote ${out}`);
  }
  return undefined;
}
