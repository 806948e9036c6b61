/** `authledger dev`: a node with an organization and a vault, ready to be used, until Ctrl-C. */
import type { Command } from "commander";
import { howToReach, keepDevContext } from "../dev/dev-context.js";
import { openDevLedger } from "../dev/dev-ledger.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { aborted } from "../run/stop.js";

const DIRECTORY_DEFAULT = ".authledger/dev";

export function addDevCommand(program: Command, frame: CommandFrame): void {
  const dev = program
    .command("dev")
    .description("start a node for development, with an organization and a vault")
    .option("--data <directory>", `everything is kept here (default ${DIRECTORY_DEFAULT})`)
    .option("--no-keep-context", "leave the contexts alone")
    .addHelpText(
      "after",
      "\nThe node is a process of its own. A second start finds the data. The context dev is kept up to date," +
        "\nand is the current one unless there is another; a context dev that you made yourself stays yours.",
    );
  frame.handle(dev, runDev);
}

async function runDev(run: Run): Promise<undefined> {
  const directory = textFlag(run, "data") ?? DIRECTORY_DEFAULT;
  const ledger = await openDevLedger(directory, "dev", run.say);
  const { node, tenant, anchorFile, pins, envFile } = ledger;
  try {
    const context =
      run.flags["keepContext"] === false
        ? undefined
        : await keepDevContext(run.io.env, "dev", ledger);
    await run.print.one({
      name: node.grpcAddress,
      fields: {
        grpc: node.grpcAddress,
        http: `http://${node.httpAddress}`,
        organization: String(tenant.organization),
        vault: String(tenant.vault),
        data: ledger.directory,
        is_new: ledger.isNew,
        anchor: anchorFile,
        pins,
        env: envFile,
        context: context?.isOurs === true ? context.name : null,
        pid: node.pid,
      },
    });
    const reach = context && howToReach(context, envFile);
    run.say(
      `\n${reach ?? `in another shell:\n  . '${envFile}'`}\n  bin/authledger tuple write 'doc:readme#viewer@user:alice'`,
    );
    run.say(
      "  bin/authledger check 'doc:readme#viewer@user:alice' --verify\n\nCtrl-C stops the node.",
    );
    await Promise.race([aborted(run.io.signal), node.failed]);
  } finally {
    await node.stop();
  }
  run.say("stopped; the data stays");
  return undefined;
}
