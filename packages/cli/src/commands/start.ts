/** `authledger start`: a node in this process, until it is told to stop. */
import type { Command } from "commander";
import type { CommandFrame } from "../run/command.js";

export function addStartCommand(program: Command, frame: CommandFrame): void {
  const start = program
    .command("start")
    .description("run a node in the foreground; Ctrl-C or SIGTERM stops it cleanly")
    .option("--data <directory>", "where the node keeps everything (default ./data)")
    .option("--listen <host:port>", "gRPC (default 127.0.0.1:7400; port 0 takes a free one)")
    .option("--http <host:port>", "metrics and health (default 127.0.0.1:7402)")
    .option("--cache <size>", "memory for pages, such as 512MiB (default 256MiB)")
    .option("--scrub-hours <hours>", "between passes of the scrubber; 0 = none (default 24)")
    .option("--cluster-origin <name>", "prefix of all origins of a new cluster")
    .option("--insecure-any-address", "serve other machines although nobody is authenticated yet")
    .option("--log-level <level>", "debug, info, warn, error or silent (default info)")
    .addHelpText("after", "\nWhen the node serves, one line on standard output says so.");
  // Loading a node takes longer than most commands; only this one needs it.
  frame.handle(start, async (run) => (await import("./start-node.js")).serve(run));
}
