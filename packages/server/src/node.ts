/**
 * A node: the engine with gRPC and HTTP in front of it, from start to stop.
 *
 *   INV-NODE-1  Nothing is served before recovery is done, and health says so.
 *   INV-NODE-2  After a fatal error nothing is answered as if it had been written.
 */
import { type Engine, openNodeEngine } from "@authledger/engine";
import { admin, read, write } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { ADMIN_REQUESTS, AdminService } from "./admin-service.js";
import { MESSAGE_BYTES_MAX, type NodeConfig } from "./config.js";
import { portOf, startHttp } from "./http.js";
import { createRegistry, RpcMeters } from "./metrics.js";
import { READ_REQUESTS, ReadService } from "./read-service.js";
import { addReflection, Health } from "./standard-services.js";
import { PageTokens } from "./tokens.js";
import { implement, strictDefinition } from "./unary.js";
import { VaultDirectory } from "./vault-directory.js";
import { WRITE_REQUESTS, WriteService } from "./write-service.js";

export interface NodeDeps {
  readonly version: string;
  readonly logger: Logger;
  /** The node cannot go on; the process must exit with the code for I/O errors. */
  readonly onFatal: (error: LedgerError) => void;
}

export interface RunningNode {
  readonly engine: Engine;
  /** host:port as bound. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  /** Stops taking calls, lets running ones finish, flushes and closes. */
  close(): Promise<void>;
}

/** gRPC options that bound what one client can hold. */
const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
} as const;

/** @throws LedgerError DATA_DIR_IN_USE and what else keeps a node from starting */
export async function startNode(config: NodeConfig, deps: NodeDeps): Promise<RunningNode> {
  const { logger, onFatal } = deps;
  const startedAtMs = Date.now();
  const engine = await openNodeEngine(
    { directory: config.data, cacheBytes: config.cache, clusterOrigin: config.clusterOrigin },
    onFatal,
  );
  try {
    const meters = new RpcMeters((error) => logError(logger, error));
    const { server, health } = createServer(engine, meters, config, { ...deps, startedAtMs });
    const grpcAddress = await bind(server, config.listen);
    const registry = createRegistry(meters, () => engine.stats());
    const isReady = (): boolean => health.isServing && engine.failure === undefined;
    const http = await startHttp(split(config.http), {
      registry,
      isReady,
      isLive: () => engine.failure === undefined,
    }).catch((error: unknown) => {
      server.forceShutdown();
      throw bindError(config.http, error);
    });
    health.isServing = true;
    const close = async (): Promise<void> => {
      health.isServing = false;
      health.endWatches();
      await stopServer(server, config.shutdownMs);
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
      await engine.close();
    };
    const { host } = split(config.http);
    return { engine, grpcAddress, httpAddress: `${host}:${portOf(http)}`, close };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

function createServer(
  engine: Engine,
  meters: RpcMeters,
  config: NodeConfig,
  about: { readonly version: string; readonly startedAtMs: number },
): { server: Server; health: Health } {
  const server = new Server({
    ...CHANNEL_OPTIONS,
    "grpc.max_concurrent_streams": config.streamsPerConnection,
  });
  const services = {
    engine,
    vaults: new VaultDirectory(engine),
    pageTokens: new PageTokens(engine.pageTokenKey),
  };
  server.addService(
    strictDefinition(write.WriteServiceService, WRITE_REQUESTS),
    implement("WriteService", new WriteService(services).handlers, meters),
  );
  server.addService(
    strictDefinition(read.ReadServiceService, READ_REQUESTS),
    implement("ReadService", new ReadService(services).handlers, meters),
  );
  server.addService(
    strictDefinition(admin.AdminServiceService, ADMIN_REQUESTS),
    implement("AdminService", new AdminService(services, about).handlers, meters),
  );
  const health = new Health(addReflection(server));
  health.addTo(server);
  return { server, health };
}

async function bind(server: Server, address: string): Promise<string> {
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(bindError(address, error));
    });
  });
  return `${split(address).host}:${port}`;
}

function bindError(address: string, cause: unknown): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `cannot listen on ${address}: ${why}; another process may have the port, choose one with --listen or --http`;
  return new LedgerError("USAGE", message, { details: { address }, cause });
}

/** Lets running calls finish, then cuts off those that did not. */
async function stopServer(server: Server, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const graceful = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  const forced = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
  });
  await Promise.race([graceful, forced]);
  clearTimeout(timer);
}

/** Splits host:port; IPv6 hosts are in brackets. */
function split(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number(address.slice(colon + 1)) };
}

/** Only what is our fault is worth a line of the log. */
function logError(logger: Logger, error: unknown): void {
  const failure = LedgerError.from(error);
  if (failure.row.grpc === "INTERNAL" || failure.row.grpc === "DATA_LOSS") {
    logger.error({ err: error, code: failure.code }, failure.message);
  }
}
