/** The command line as a function. */
export { runCli } from "./cli.js";
export type { CliIo } from "./run/cli-io.js";
