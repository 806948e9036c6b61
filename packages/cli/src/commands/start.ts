/** `authledger start`: a node in this process, until it is told to stop. */
import type { Command } from "commander";
import type { CommandFrame } from "../run/command.js";
import { addObservabilityFlags } from "./start-observability.js";
import { addProtectionFlags } from "./start-protection.js";

export function addStartCommand(program: Command, frame: CommandFrame): void {
  const start = program
    .command("start")
    .description("run a node in the foreground; Ctrl-C or SIGTERM stops it cleanly")
    .option(
      "--config <file>",
      "YAML or JSON; flags and AUTHLEDGER_<FIELD> go before it; read again on SIGHUP",
    )
    .option("--data <directory>", "where the node keeps everything (default ./data)")
    .option("--listen <host:port>", "gRPC (default 127.0.0.1:7400; port 0 takes a free one)")
    .option("--http <host:port>", "metrics and health (default 127.0.0.1:7402)")
    .option("--connect <host:port>", "Connect (HTTP, JSON) for browsers and curl (default: none)")
    .option("--cors-origin <origins...>", "web pages that may call it, such as https://app.example")
    .option("--cache <size>", "memory for pages, such as 512MiB (default 256MiB)")
    .option("--scrub-hours <hours>", "between passes of the scrubber; 0 = none (default 24)")
    .option("--cluster-origin <name>", "prefix of all origins of a new cluster")
    .option(
      "--insecure-any-address",
      "serve anybody anywhere, for tests: without credentials or TLS",
    )
    .option(
      "--auth",
      "every call needs a credential; a new ledger gets a root key in DATA/root.key",
    )
    .option("--tls-cert <file>", "certificate for clients, PEM; read again when it changes")
    .option("--tls-key <file>", "its key")
    .option("--tls-ca <file>", "with --peer: the CA of the nodes' --tls-cert, to pass calls on")
    .option("--client-ca <file>", "clients show certificates of this CA; implies --auth")
    .option("--client-cert <which>", "required or optional (default required)")
    .option(
      "--jwt <issuer>",
      "tokens of an issuer: issuer=NAME,audience=NAME,keys=FILE or https address[,alias=NAME]; may be repeated; implies --auth",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option("--insecure-plaintext", "serve other machines without TLS: something else encrypts")
    .option("--name <name>", "of the node in its cluster (default: host and peer port)")
    .option(
      "--peer <host:port>",
      "for the other nodes of a cluster (default: none; with --join 127.0.0.1:7401)",
    )
    .option(
      "--join <nodes>",
      "wait to be taken into a cluster; where the others are: host:port,..., file:PATH, srv:NAME or dns:HOST:PORT",
    )
    .option("--expect <n>", "with --join: so many nodes that wait begin a cluster by themselves")
    .option(
      "--peer-cert <file>",
      "certificate of this node, PEM; needed where the peer port is not on loopback",
    )
    .option("--peer-key <file>", "its key")
    .option("--peer-ca <file>", "CA of the cluster's nodes")
    .option("--advertise-peer <host:port>", "what other nodes are told instead of --peer")
    .option("--advertise-client <host:port>", "what they and clients are told instead of --listen")
    .option(
      "--log-keep-entries <n>",
      "log entries kept for members that lack them; one that lacks more gets the whole state (default 100000)",
    )
    .option("--log-keep-bytes <size>", "the same in bytes of payload (default 256MiB)")
    .addHelpText("after", "\nWhen the node serves, one line on standard output says so.");
  addObservabilityFlags(start);
  addProtectionFlags(start);
  // Loading a node takes longer than most commands; only this one needs it.
  frame.handle(start, async (run) => (await import("./start-node.js")).serve(run));
}
