/** What `authledger start` does. */
import {
  createLogger,
  type NodeConfig,
  parseNodeConfig,
  type RunningNode,
  startNode,
} from "@authledger/server";
import { LedgerError, splitAddress } from "@authledger/types";
import { type Run, textFlag } from "../run/command.js";
import { portHolder } from "../run/port-holder.js";
import { aborted } from "../run/stop.js";
import { cliVersion } from "./version.js";

/** Runs a node until the signal, or until it fails. @throws LedgerError that ended it */
export async function serve(run: Run): Promise<undefined> {
  const config = configOf(run);
  const logger = createLogger(config.runtime.logLevel ?? "info", run.io.err);
  let fail: (error: LedgerError) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  // It may fail before anybody waits for it.
  failed.catch(() => undefined);
  const deps = { version: cliVersion(), logger, onFatal: fail };
  const node = await Promise.race([failed, open(config, deps)]);
  const { grpcAddress, httpAddress } = node;
  await run.io.out(`listening grpc=${grpcAddress} http=${httpAddress} pid=${process.pid}\n`);
  const peer = node.peerAddress;
  logger.info({ grpc: grpcAddress, http: httpAddress, peer, data: config.data }, "ready");
  await Promise.race([failed, aborted(run.io.signal)]);
  logger.info({ reason: String(run.io.signal.reason) }, "stopping");
  await Promise.race([failed, node.close()]);
  logger.info("stopped");
  return undefined;
}

function configOf(run: Run): NodeConfig {
  return parseNodeConfig({
    data: textFlag(run, "data"),
    listen: textFlag(run, "listen"),
    http: textFlag(run, "http"),
    cache: textFlag(run, "cache"),
    clusterOrigin: textFlag(run, "clusterOrigin"),
    scrubHours: textFlag(run, "scrubHours"),
    logLevel: textFlag(run, "logLevel"),
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
  });
}

function numberFlag(run: Run, name: string): number | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : Number(text);
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
    const message = `cannot listen on ${address}: ${holder} has the port; stop it, or choose another with --listen, --http or --peer`;
    throw new LedgerError("USAGE", message, { details: error.details, cause: error });
  }
}
