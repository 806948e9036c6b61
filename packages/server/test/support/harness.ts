/** The services in front of a fake engine, on a free port, with a real client. */
import {
  admin,
  authorization,
  cluster,
  decodeErrorDetails,
  type errors,
  iam,
  model,
  read,
  write,
} from "@authledger/proto";
import { type AssertionError, LedgerError } from "@authledger/types";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { ClusterConfig } from "../../src/config/cluster-config.js";
import { parseRuntimeInput, RuntimeConfig } from "../../src/config/runtime-config.js";
import type { Connections } from "../../src/connections.js";
import { DeadlineStep } from "../../src/gate/deadline.js";
import { type CallObserver, Gate, type GateStep } from "../../src/gate/gate.js";
import { type GrpcServer, startGrpcServer } from "../../src/grpc-server.js";
import { Roles } from "../../src/iam/roles.js";
import { RpcMeters } from "../../src/metrics.js";
import { Protection } from "../../src/protection/protection.js";
import type { Health } from "../../src/standard-services.js";
import { SystemMoves } from "../../src/system/system-moves.js";
import { SystemVault } from "../../src/system/system-vault.js";
import type { TlsFront } from "../../src/tls/tls-front.js";
import type { PageTokenKeys } from "../../src/tokens.js";
import { FakeEngine } from "./fake-engine.js";
import { limitsOf } from "./limits.js";

const SERVICES = {
  read: read.ReadServiceService,
  write: write.WriteServiceService,
  admin: admin.AdminServiceService,
  cluster: cluster.ClusterServiceService,
  iam: iam.IamServiceService,
  model: model.ModelServiceService,
  authorization: authorization.AuthorizationServiceService,
} as const;
export type ServiceName = keyof typeof SERVICES;

interface AnyMethod {
  readonly path: string;
  readonly requestSerialize: (request: never) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => unknown;
}

export interface CallOptions {
  readonly deadlineMs?: number;
  readonly metadata?: Metadata;
  /** Told the trailer of an answer. */
  readonly onTrailer?: (trailer: Metadata) => void;
}

export interface Harness {
  readonly engine: FakeEngine;
  readonly meters: RpcMeters;
  readonly connections: Connections;
  /** What the server would have logged. */
  readonly logged: unknown[];
  /** What would have stopped the node; the frames then answer as those of a stopped one. */
  readonly bugs: AssertionError[];
  readonly health: Health;
  /** For other protocols. */
  readonly methods: GrpcServer["methods"];
  readonly client: Client;
  readonly address: string;
  /** A vault that exists. */
  readonly tenant: { readonly organization: bigint; readonly vault: bigint };
}

export interface HarnessOptions {
  readonly connections?: Connections;
  readonly protection?: Protection;
  readonly steps?: readonly GateStep[];
  readonly observers?: readonly CallObserver[];
  readonly tls?: TlsFront;
}

/** Of a node that has always had the key of its cluster. */
export function pageTokenKeysOf(own: Uint8Array): PageTokenKeys {
  return { own, shared: () => own, unshared: () => new LedgerError("NO_LEADER", "never asked") };
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const engine = new FakeEngine();
  const logged: unknown[] = [];
  const bugs: AssertionError[] = [];
  const meters = new RpcMeters((error) => logged.push(error));
  // Tests ask for more at once than a turn of a busy machine has time for.
  const runtime = new RuntimeConfig(parseRuntimeInput({ overloadTurn: 0 }));
  const protection = new Protection(() => runtime.values, {
    streamsPerConnection: 1_024,
    connectionsMax: 4_000,
    ...(options.connections === undefined ? {} : { connections: options.connections }),
  });
  const { connections, overload, streamLimits } = options.protection ?? protection;
  const { steps = [new DeadlineStep()], observers } = options;
  const system = new SystemVault(engine);
  const quiet = { onChange: () => undefined, onProblem: () => undefined };
  const server = await startGrpcServer(
    {
      host: "127.0.0.1",
      port: 0,
      streamsPerConnection: 1_024,
      version: "1.2.3",
      startedAtMs: 77,
      httpAddress: "127.0.0.1:7402",
      pageTokenKeys: pageTokenKeysOf(new Uint8Array(32).fill(7)),
    },
    {
      engine,
      roles: new Roles(engine, new SystemMoves(engine)),
      meters,
      ...{ connections, overload, streamLimits },
      config: { runtime, cluster: new ClusterConfig({ ...quiet, config: runtime, system }) },
      limits: limitsOf(engine, protection),
      gate: new Gate(steps, observers),
      tls: options.tls,
      isStopped: () => bugs.length > 0,
      onBug: (error) => bugs.push(error),
    },
  );
  onTestFinished(() => server.stop(0));
  const address = `127.0.0.1:${server.port}`;
  const client = connect(address);
  const { organization } = await engine.call("create_organization", { name: "o", actor: "" });
  const made = await engine.call("create_vault", {
    organization: organization.slug,
    name: "v",
    actor: "",
  });
  engine.calls.length = 0;
  const tenant = { organization: organization.slug, vault: made.vault.slug };
  const { health, methods } = server;
  return { engine, meters, connections, logged, bugs, health, methods, client, address, tenant };
}

/** A client that is closed when the test ends. */
export function connect(address: string): Client {
  const client = new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  onTestFinished(() => client.close());
  return client;
}

export function methodOf(service: ServiceName, name: string): AnyMethod {
  const method = (SERVICES[service] as unknown as Record<string, AnyMethod>)[name];
  if (method === undefined) throw new Error(`no method ${name}`);
  return method;
}

/** One unary call; rejects with the ServiceError. */
export function call<R>(
  client: Client,
  [service, name]: readonly [ServiceName, string],
  request: object,
  options: CallOptions = {},
): Promise<R> {
  const { path, requestSerialize, responseDeserialize } = methodOf(service, name);
  return send(client, path, requestSerialize(request as never), options).then(
    (bytes) => responseDeserialize(bytes) as R,
  );
}

/** Sends bytes as they are to a method. */
export function send(
  client: Client,
  path: string,
  bytes: Uint8Array,
  { deadlineMs = 20_000, metadata = new Metadata(), onTrailer }: CallOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const made = client.makeUnaryRequest(
      path,
      (value: Uint8Array) => Buffer.from(value),
      (answer: Buffer) => answer,
      bytes,
      metadata,
      { deadline: Date.now() + deadlineMs },
      (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer!);
      },
    );
    if (onTrailer !== undefined) made.on("status", (status) => onTrailer(status.metadata));
  });
}

export interface Failure {
  readonly status: number;
  readonly text: string;
  readonly details: errors.ErrorDetails;
  /** The bytes of `grpc-status-details-bin`. */
  readonly bytes: Uint8Array;
}

/** The error of a call that must fail, with its details. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error = await errorOf(promise);
  const bytes = error.metadata.get("grpc-status-details-bin")[0];
  if (!(bytes instanceof Uint8Array)) {
    throw new Error(`no details in: ${error.code} ${error.details}`);
  }
  const details = decodeErrorDetails(bytes);
  if (details === undefined) throw new Error("the details are not ours");
  return { status: error.code, text: error.details, details, bytes };
}

/** The error of a call that must fail, which may come from the library and have no details. */
export async function errorOf(promise: Promise<unknown>): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error && "code" in error && "metadata" in error) {
      return error as ServiceError;
    }
    throw error;
  }
  throw new Error("expected the call to fail, it was answered");
}
