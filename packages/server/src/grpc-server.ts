/**
 * The gRPC side of a node: every service on one port, its health, and its stop.
 *
 * Connections are accepted here and handed to the library, since only so can they be counted and cut off.
 */
import type { Socket } from "node:net";
import type { EnginePort } from "@authledger/engine";
import { admin, authorization, cluster, model, read, write } from "@authledger/proto";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { ADMIN_REQUESTS, AdminService, type LimitDeps } from "./admin-service.js";
import type { AuditedCalls } from "./audit/audited-calls.js";
import type { RootCredential } from "./authn/root-credential.js";
import { AuthorizationService } from "./authorization/authorization-service.js";
import { MODEL_REQUESTS, ModelService } from "./authorization/model-service.js";
import { BlockService } from "./block-service.js";
import type { FrameDeps } from "./call-frame.js";
import { CHANNEL_OPTIONS } from "./channel-options.js";
import { CLUSTER_REQUESTS, ClusterService } from "./cluster-service.js";
import type { ConfigDeps } from "./config/config-calls.js";
import { Forwarding } from "./forwarding.js";
import {
  addFramedService,
  type FramedMethod,
  type Service,
  type ServiceDeps,
} from "./framed-service.js";
import { requireRules } from "./gate/method-rules.js";
import { HeadService } from "./head-service.js";
import { iamService } from "./iam/iam-service.js";
import { keyService } from "./iam/key-calls.js";
import type { Roles } from "./iam/roles.js";
import { ListingService } from "./listing-service.js";
import { OpenStreams } from "./open-streams.js";
import { limitMetadata } from "./protection/metadata-limit.js";
import type { StreamLimits } from "./protection/stream-limits.js";
import { ReadService } from "./read-service.js";
import { addReflection, Health } from "./standard-services.js";
import type { TlsFront } from "./tls/tls-front.js";
import { type PageTokenKeys, PageTokens } from "./tokens.js";
import { VaultDirectory } from "./vault-directory.js";
import { WRITE_REQUESTS, WriteService } from "./write-service.js";

export interface GrpcServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly streamsPerConnection: number;
  readonly version: string;
  readonly startedAtMs: number;
  /** Of metrics and health, host:port. */
  readonly httpAddress: string;
  readonly pageTokenKeys: PageTokenKeys;
}

export interface GrpcServerDeps extends FrameDeps {
  /** Puts calls into the audit log. */
  readonly audit?: AuditedCalls | undefined;
  readonly streamLimits: StreamLimits;
  readonly config: ConfigDeps;
  readonly limits: LimitDeps;
  readonly engine: EnginePort;
  /** Passes on in the name of who calls; without it calls go on as they came. */
  readonly forwarding?: Forwarding;
  /** Absent: clients come in the clear. */
  readonly tls?: TlsFront | undefined;
  readonly root?: RootCredential;
  readonly roles: Roles;
}

export interface GrpcServer {
  readonly port: number;
  /** NOT_SERVING until it is told otherwise. */
  readonly health: Health;
  /** By path, for other protocols. */
  readonly methods: ReadonlyMap<string, FramedMethod>;
  /** Takes no more connections, lets running calls finish, then cuts off those that did not. */
  stop(graceMs: number): Promise<void>;
}

/** Rejects with the error of the system when the address cannot be had. */
export async function startGrpcServer(
  options: GrpcServerOptions,
  deps: GrpcServerDeps,
): Promise<GrpcServer> {
  const server = new Server({
    ...CHANNEL_OPTIONS,
    "grpc.max_concurrent_streams": options.streamsPerConnection,
  });
  const onCount = (peer: string, count: number): void => deps.streamLimits.count(peer, count);
  const streams = new OpenStreams({ onCount });
  const { forwarding = new Forwarding(deps.engine), tls } = deps;
  const methods = new Map<string, FramedMethod>();
  addServices(server, options, { ...deps, streams, forwarding, methods });
  const health = new Health(addReflection(server));
  health.addTo(server);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  deps.streamLimits.watch(server);
  limitMetadata(server);
  const { host } = options;
  const inject = (socket: Socket): void => injector.injectConnection(socket);
  const accept = tls === undefined ? inject : tls.accepting(inject);
  const listener = await deps.connections.listen(host, options.port, accept);
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const stop = async (graceMs: number): Promise<void> => {
    health.isServing = false;
    health.endWatches();
    streams.stop();
    listener.close();
    await stopServer(server, graceMs);
    forwarding.close();
  };
  return { port, health, methods, stop };
}

function addServices(
  server: Server,
  options: GrpcServerOptions,
  deps: GrpcServerDeps & ServiceDeps & { readonly forwarding: Forwarding },
): void {
  const { engine, forwarding, roles } = deps;
  const services = {
    ...{ engine, roles, vaults: new VaultDirectory(engine) },
    pageTokens: new PageTokens(options.pageTokenKeys),
  };
  const writeService = {
    name: "WriteService",
    definition: write.WriteServiceService,
    requests: WRITE_REQUESTS,
    handlers: new WriteService(services).handlers,
    forwarding,
  };
  const reads = new ReadService(services);
  const blocks = new BlockService(services);
  const listings = new ListingService(services);
  const heads = new HeadService(services);
  const readService = {
    name: "ReadService",
    definition: read.ReadServiceService,
    requests: { ...reads.requests, ...blocks.requests, ...listings.requests, ...heads.requests },
    handlers: { ...reads.handlers, ...blocks.handlers, ...listings.handlers, ...heads.handlers },
    streams: blocks.streams,
  };
  const administration = new AdminService(services, options, deps);
  const adminService = {
    name: "AdminService",
    definition: admin.AdminServiceService,
    requests: ADMIN_REQUESTS,
    handlers: administration.handlers,
    streams: administration.streams,
    forwarding,
    ownMethods: [
      "getNodeInfo",
      "getConfig",
      "getHotKeys",
      "compact",
      "checkIntegrity",
      "exportSnapshot",
    ] as const,
  };
  const decisions = new AuthorizationService(services);
  const authorizationService = {
    name: "AuthorizationService",
    definition: authorization.AuthorizationServiceService,
    requests: decisions.requests,
    handlers: decisions.handlers,
  };
  const modelService = {
    name: "ModelService",
    definition: model.ModelServiceService,
    requests: MODEL_REQUESTS,
    handlers: new ModelService(services).handlers,
    forwarding,
    ownMethods: ["validateModel"] as const,
  };
  add(server, writeService, deps);
  add(server, authorizationService, deps);
  add(server, modelService, deps);
  add(server, readService, deps);
  add(server, adminService, deps);
  add(server, clusterService(deps, forwarding), deps);
  add(server, iamService(services, forwarding), deps);
  add(server, keyService(engine, services.pageTokens, forwarding), deps);
}

function clusterService(
  { engine, root }: GrpcServerDeps,
  forwarding: Forwarding,
): Service<cluster.ClusterServiceService> {
  return {
    name: "ClusterService",
    definition: cluster.ClusterServiceService,
    requests: CLUSTER_REQUESTS,
    handlers: new ClusterService(engine, root).handlers,
    forwarding,
    ownMethods: ["initCluster"] as const,
  };
}

/** @throws LedgerError INTERNAL for a method of which nobody says what it needs */
function add<T extends object>(server: Server, service: Service<T>, deps: ServiceDeps): void {
  requireRules(service.definition);
  addFramedService(server, service, deps);
}

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
