/** `authledger config get|update|schema|example|diff`. */
import type { Command } from "commander";
import type { Thing } from "../output/printer.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { usage } from "../run/settings.js";

export function addConfigCommands(program: Command, frame: CommandFrame): void {
  const config = program.command("config").description("configuration of nodes and of the cluster");
  frame.handle(
    config.command("get").argument("[fields...]").description("what may change while nodes run"),
    getConfig,
  );
  const update = config
    .command("update")
    .argument("<field=value...>")
    .description("change it for the whole cluster; field= takes the cluster's value away")
    .option("--dry-run", "say what would change, and change nothing")
    .option("--reason <text>", "why, for the record");
  frame.handle(update, updateConfig);
  frame.handle(
    config.command("schema").description("the JSON Schema of a configuration file"),
    async (run) => {
      const { configJsonSchema } = await import("@authledger/server");
      await run.io.out(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`);
      return undefined;
    },
  );
  frame.handle(
    config.command("example").description("a configuration file with every field, as YAML"),
    async (run) => {
      const { configExample } = await import("@authledger/server");
      await run.io.out(configExample());
      return undefined;
    },
  );
  frame.handle(
    config
      .command("diff")
      .argument("<a>")
      .argument("<b>")
      .description("fields in which two configuration files differ"),
    diffConfig,
  );
}

async function getConfig(run: Run, ...names: string[]): Promise<undefined> {
  const { admin } = await run.client();
  const all = await admin.getConfig(run.call);
  const unknown = names.find((name) => !all.some((field) => field.name === name));
  if (unknown !== undefined) throw usage(`there is no field "${unknown}" that may change`);
  const wanted = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  await run.print.many(
    wanted.map((field): Thing => {
      const { name, value, source, clusterValue, defaultValue, doc } = field;
      const cluster = clusterValue === "" ? null : clusterValue;
      const fields = { field: name, value, source, cluster, default: defaultValue, doc };
      return { name, fields, columns: ["field", "value", "source", "default"] };
    }),
  );
  return undefined;
}

async function updateConfig(run: Run, ...pairs: string[]): Promise<undefined> {
  const values = Object.fromEntries(pairs.map(pairOf));
  const dryRun = run.flags["dryRun"] === true;
  const reason = textFlag(run, "reason");
  const { admin } = await run.client();
  const changes = await admin.updateConfig(values, { ...run.call, dryRun, reason });
  if (changes.length === 0) run.say("nothing changes on this node");
  await run.print.many(changes.map(({ name, before, after }) => changeThing(name, before, after)));
  if (dryRun) run.say("dry run: nothing was changed");
  return undefined;
}

function pairOf(pair: string): readonly [string, string] {
  const at = pair.indexOf("=");
  if (at <= 0) throw usage(`"${pair}" is not field=value`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}

async function diffConfig(run: Run, a = "", b = ""): Promise<undefined> {
  const { readConfigFile } = await import("../run/node-config.js");
  const [before, after] = await Promise.all([readConfigFile(a), readConfigFile(b)]);
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  const changed = names.filter((name) => textOf(before[name]) !== textOf(after[name]));
  await run.print.many(
    changed.map((name) => changeThing(name, textOf(before[name]), textOf(after[name]))),
  );
  if (changed.length === 0) run.say("no field differs");
  return undefined;
}

/** As the file says it; null where it says nothing. */
function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function changeThing(field: string, before: string | null, after: string | null): Thing {
  return { name: field, fields: { field, before, after }, columns: ["field", "before", "after"] };
}
