/** `authledger dev`: a node with an organization and a vault, ready to be used, until Ctrl-C. */
import type { Command } from "commander";
import { openDevLedger } from "../dev/dev-ledger.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { aborted } from "../run/stop.js";

const DIRECTORY_DEFAULT = ".authledger/dev";

export function addDevCommand(program: Command, frame: CommandFrame): void {
  const dev = program
    .command("dev")
    .description("start a node for development, with an organization and a vault")
    .option("--data <directory>", `everything is kept here (default ${DIRECTORY_DEFAULT})`)
    .addHelpText("after", "\nThe node is a process of its own. A second start finds the data.");
  frame.handle(dev, runDev);
}

async function runDev(run: Run): Promise<undefined> {
  const directory = textFlag(run, "data") ?? DIRECTORY_DEFAULT;
  const ledger = await openDevLedger(directory, "dev", run.say);
  const { node, tenant, anchorFile, pins, envFile } = ledger;
  try {
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
        pid: node.pid,
      },
    });
    run.say(
      `\nin another shell:\n  . '${envFile}'\n  bin/authledger tuple write 'doc:readme#viewer@user:alice'`,
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
