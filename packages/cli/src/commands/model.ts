/** `authledger model ...`: the life of a vault's authorization models, and what can be done with models without a node. */
import type { Command } from "commander";
import type { CommandFrame } from "../run/command.js";
import { addModelFileCommands } from "./model-file.js";
import { addModelLifeCommands } from "./model-life.js";
import { addModelTestCommand } from "./model-test.js";

export function addModelCommands(program: Command, frame: CommandFrame): void {
  const model = program.command("model").description("authorization models");
  addModelFileCommands(model, frame);
  addModelTestCommand(model, frame);
  addModelLifeCommands(model, frame);
}
