/** `authledger dev`: one node or a cluster, with an organization and a vault, ready to be used, until Ctrl-C. */
import type { Command } from "commander";
import { howToReach, keepDevContext } from "../dev/dev-context.js";
import { openDevLedger } from "../dev/dev-ledger.js";
import type { DevNodes } from "../dev/dev-nodes.js";
import { localPages, PAGES_FLAG, PAGES_FLAG_TEXT } from "../dev/local-pages.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { wholeOf } from "../run/settings.js";
import { aborted } from "../run/stop.js";

const DEV_COLUMNS =
  "grpc http connect pages organization vault data is_new anchor pins env context pid nodes".split(
    " ",
  );
const DIRECTORY_DEFAULT = ".authledger/dev";

export function addDevCommand(program: Command, frame: CommandFrame): void {
  const dev = program
    .command("dev")
    .description("start a node for development, with an organization and a vault")
    .option("--data <directory>", `everything is kept here (default ${DIRECTORY_DEFAULT})`)
    .option("--nodes <n>", "a cluster of so many processes, such as 3 (default: as before, else 1)")
    .option(
      "--port <n>",
      "of the first node; node i has the ports n + 10 * i and the three behind it (default 7400)",
    )
    .option(PAGES_FLAG, PAGES_FLAG_TEXT)
    .option("--no-keep-context", "leave the contexts alone")
    .addHelpText(
      "after",
      "\nEach node is a process of its own; one that ends is started again. A second start finds the data. The context dev is kept up to date," +
        "\nand is the current one unless there is another; a context dev that you made yourself stays yours.",
    );
  frame.handle(dev, runDev);
}

async function runDev(run: Run): Promise<undefined> {
  const directory = textFlag(run, "data") ?? DIRECTORY_DEFAULT;
  const [nodes, port] = [numberFlag(run, "nodes"), numberFlag(run, "port")];
  const options = { name: "dev", nodes, port, pages: localPages(run), say: run.say };
  const ledger = await openDevLedger(directory, options);
  const { node, tenant, anchorFile, pins, envFile } = ledger;
  try {
    const context =
      run.flags["keepContext"] === false
        ? undefined
        : await keepDevContext(run.io.env, "dev", ledger);
    await run.print.one({
      name: node.grpcAddress,
      fields: {
        grpc: node.endpoints.join(","),
        http: `http://${node.httpAddress}`,
        connect: `http://${node.connectAddress}`,
        pages: options.pages.join(",") || null,
        organization: String(tenant.organization),
        vault: String(tenant.vault),
        data: ledger.directory,
        is_new: ledger.isNew,
        anchor: anchorFile,
        pins,
        env: envFile,
        context: context?.isOurs === true ? context.name : null,
        pid: node.pid,
        nodes: node.nodes.length,
        processes: node.nodes.map((one) => ({ ...one, peer: one.peer ?? null })),
      },
      columns: [...DEV_COLUMNS],
    });
    sayNodes(run, node);
    const reach = context && howToReach(context, envFile);
    run.say(
      `\n${reach ?? `in another shell:\n  . '${envFile}'`}\n  bin/authledger tuple write 'doc:readme#viewer@user:alice'`,
    );
    run.say("  bin/authledger check 'doc:readme#viewer@user:alice' --verify");
    run.say(browserLine(node.connectAddress, options.pages));
    run.say(`\nCtrl-C stops ${node.nodes.length === 1 ? "the node." : "the nodes."}`);
    await Promise.race([aborted(run.io.signal), node.failed]);
  } finally {
    await node.stop();
  }
  run.say("stopped; the data stays");
  return undefined;
}

/** For whoever comes with a web page. */
function browserLine(address: string, pages: readonly string[]): string {
  const named =
    pages.length === 0
      ? `none; name yours: ${PAGES_FLAG.split(" ")[0]} http://localhost:5173`
      : pages.join(", ");
  return `\nbrowsers and curl: Connect on http://${address}   pages that may call: ${named}`;
}

/** Where each node of a cluster is. */
function sayNodes(run: Run, { nodes }: DevNodes): void {
  if (nodes.length === 1) return;
  for (const { name, grpc, peer, http, connect, pid } of nodes) {
    run.say(`${name}  grpc ${grpc}  peers ${peer}  http ${http}  connect ${connect}  pid ${pid}`);
  }
}

function numberFlag(run: Run, name: string): number | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : wholeOf(text, name);
}
