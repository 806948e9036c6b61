/** What `authledger start` does. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  BoundedLines,
  createLogger,
  issuerOfText,
  isTextFormat,
  type NodeConfig,
  type NodeConfigInput,
  type NodeDeps,
  type RunningNode,
  startNode,
} from "@authledger/server";
import { LedgerError, splitAddress } from "@authledger/types";
import { type Run, textFlag } from "../run/command.js";
import { type ConfigSources, nodeConfigOf } from "../run/node-config.js";
import { LOG_FORMATS } from "../run/notes.js";
import { portHolder } from "../run/port-holder.js";
import { aborted } from "../run/stop.js";
import { observabilityOf } from "./start-observability.js";
import { protectionOf } from "./start-protection.js";
import { cliVersion } from "./version.js";

/** What is left of the log when a node stops is waited for so long. */
const FLUSH_MS_MAX = 1_000;

/** Runs a node until the signal, or until it fails. @throws LedgerError that ended it */
export async function serve(run: Run): Promise<undefined> {
  const sources = configSourcesOf(run);
  const config = await nodeConfigOf(sources);
  const lines = new BoundedLines(run.io.errLater ?? (async (text) => run.io.err(text)));
  const logger = createLogger(config.runtime.logLevel ?? "info", lines.push, isTextLog(run));
  try {
    await serveUntilStopped(run, sources, config, { logger, linesLost: () => lines.dropped });
  } finally {
    await Promise.race([lines.flush(), sleep(FLUSH_MS_MAX, undefined, { ref: false })]);
  }
  return undefined;
}

async function serveUntilStopped(
  run: Run,
  sources: ConfigSources,
  config: NodeConfig,
  log: Pick<NodeDeps, "logger" | "linesLost">,
): Promise<void> {
  const { logger } = log;
  let fail: (error: LedgerError) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  // It may fail before anybody waits for it.
  failed.catch(() => undefined);
  const deps = { version: cliVersion(), ...log, onFatal: fail };
  const node = await Promise.race([failed, open(config, deps)]);
  const { grpcAddress, httpAddress, connectAddress } = node;
  const connect = connectAddress === undefined ? "" : ` connect=${connectAddress}`;
  await run.io.out(
    `listening grpc=${grpcAddress} http=${httpAddress}${connect} pid=${process.pid}\n`,
  );
  const peer = node.peerAddress;
  logger.info({ grpc: grpcAddress, http: httpAddress, peer, data: config.data }, "ready");
  const reread = (): void => void reconfigure(node, sources, logger);
  process.on("SIGHUP", reread);
  await Promise.race([failed, aborted(run.io.signal)]).finally(() => process.off("SIGHUP", reread));
  logger.info({ reason: String(run.io.signal.reason) }, "stopping");
  await Promise.race([failed, node.close()]);
  logger.info("stopped");
}

/** SIGHUP: what the file says of what may change holds from now on. A file that is wrong changes nothing. */
async function reconfigure(
  node: RunningNode,
  sources: ConfigSources,
  logger: NodeDeps["logger"],
): Promise<void> {
  try {
    const changes = node.reconfigure((await nodeConfigOf(sources)).runtime);
    logger.info({ changes }, "the configuration was read again");
  } catch (error) {
    const { code, message } = LedgerError.from(error);
    logger.error({ code }, `the configuration stays as it was: ${message}`);
  }
}

/** What a command line says of the configuration, and where else it is to be looked for. */
export function configSourcesOf(run: Pick<Run, "flags" | "io">): ConfigSources {
  return { flags: flagsOf(run), env: run.io.env, file: textFlag(run, "config") };
}

function flagsOf(run: Pick<Run, "flags">): NodeConfigInput {
  return {
    data: textFlag(run, "data"),
    listen: textFlag(run, "listen"),
    http: textFlag(run, "http"),
    connect: textFlag(run, "connect"),
    corsOrigins: listFlag(run, "corsOrigin"),
    cache: textFlag(run, "cache"),
    clusterOrigin: textFlag(run, "clusterOrigin"),
    scrubHours: textFlag(run, "scrubHours"),
    ...authOf(run),
    insecureAnyAddress: run.flags["insecureAnyAddress"] === true,
    name: textFlag(run, "name"),
    peer: textFlag(run, "peer"),
    join: textFlag(run, "join"),
    expect: numberFlag(run, "expect"),
    peerCert: textFlag(run, "peerCert"),
    peerKey: textFlag(run, "peerKey"),
    peerCa: textFlag(run, "peerCa"),
    logKeepEntries: numberFlag(run, "logKeepEntries"),
    logKeepBytes: textFlag(run, "logKeepBytes"),
    advertisePeer: textFlag(run, "advertisePeer"),
    advertiseClient: textFlag(run, "advertiseClient"),
    ...observabilityOf(run),
    ...protectionOf(run),
  };
}

/** A flag that may be given several times. Where it is not, there is no list, not an empty one, which would go before environment and file. */
function listFlag({ flags }: Pick<Run, "flags">, name: string): string[] | undefined {
  const given = flags[name];
  return Array.isArray(given) ? given.map(String) : undefined;
}

/** Who may call, and over what. */
function authOf(run: Pick<Run, "flags">): NodeConfigInput {
  const clientCert = textFlag(run, "clientCert");
  return {
    auth: run.flags["auth"] === true,
    tlsCert: textFlag(run, "tlsCert"),
    tlsKey: textFlag(run, "tlsKey"),
    tlsCa: textFlag(run, "tlsCa"),
    clientCa: textFlag(run, "clientCa"),
    clientCert: clientCert as NodeConfig["clientCert"] | undefined,
    jwt: listFlag(run, "jwt")?.map(issuerOfText),
    insecurePlaintext: run.flags["insecurePlaintext"] === true,
  };
}

function numberFlag(run: Pick<Run, "flags">, name: string): number | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : Number(text);
}

/** Of a node the default is `auto`. */
function isTextLog(run: Run): boolean {
  const given = LOG_FORMATS.find((format) => format === run.flags["logFormat"]);
  return isTextFormat(given ?? "auto", run.io.isErrTerminal);
}

/** A port that is taken is told with who has it. */
async function open(
  config: NodeConfig,
  deps: Parameters<typeof startNode>[1],
): Promise<RunningNode> {
  try {
    return await startNode(config, deps);
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    const address = error.details["address"];
    if (error.code !== "USAGE" || typeof address !== "string") throw thrown;
    const holder = await portHolder(splitAddress(address)?.port ?? 0);
    if (holder === undefined) throw thrown;
    const message = `cannot listen on ${address}: ${holder} has the port; stop it, or choose another with --listen, --http, --connect or --peer`;
    throw new LedgerError("USAGE", message, { details: error.details, cause: error });
  }
}
