/** A gRPC server on a free port of loopback whose handlers the test writes; what it leaves out is UNIMPLEMENTED. */
import {
  admin,
  authorization,
  cluster,
  type common,
  encodeRpcStatus,
  read,
  STATUS_DETAILS_KEY,
  write,
} from "@authledger/proto";
import { ERROR_TABLE, type ErrorCode, GrpcStatus } from "@authledger/types";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";

export const NONE: Uint8Array = new Uint8Array(0);

type Handlers<S> = {
  [K in keyof S]?: S[K] extends {
    requestDeserialize: (bytes: Buffer) => infer Req;
    responseDeserialize: (bytes: Buffer) => infer Res;
  }
    ? (request: Req, call: ServerUnaryCall<Req, Res>) => Res | Promise<Res>
    : never;
};

export interface FakeHandlers {
  readonly read?: Handlers<typeof read.ReadServiceService>;
  readonly write?: Handlers<typeof write.WriteServiceService>;
  readonly authorization?: Handlers<typeof authorization.AuthorizationServiceService>;
  readonly admin?: Handlers<typeof admin.AdminServiceService>;
  readonly cluster?: Handlers<typeof cluster.ClusterServiceService>;
}

export interface FakeLedger {
  readonly endpoint: string;
  /** Cuts all connections. */
  stop(): void;
}

/** Starts the server; it ends with the test. `port` 0 takes a free one. */
export async function fakeLedger(handlers: FakeHandlers, port = 0): Promise<FakeLedger> {
  const server = new Server({ "grpc.max_receive_message_length": 8 << 20 });
  add(server, read.ReadServiceService, handlers.read);
  add(server, write.WriteServiceService, handlers.write);
  add(server, authorization.AuthorizationServiceService, handlers.authorization);
  add(server, admin.AdminServiceService, handlers.admin);
  add(server, cluster.ClusterServiceService, handlers.cluster);
  const bound = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, got) =>
      error === null ? resolve(got) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return { endpoint: `127.0.0.1:${bound}`, stop: () => server.forceShutdown() };
}

function add(
  server: Server,
  service: Parameters<Server["addService"]>[0],
  handlers: object | undefined,
): void {
  const implementation: UntypedServiceImplementation = {};
  for (const [name, handler] of Object.entries(handlers ?? {})) {
    implementation[name] = (
      call: ServerUnaryCall<unknown, unknown>,
      callback: (error: Partial<ServiceError> | null, response?: unknown) => void,
    ) => {
      Promise.resolve()
        .then(() => (handler as (request: unknown, call: unknown) => unknown)(call.request, call))
        .then(
          (response) => callback(null, response),
          (error: unknown) => callback(error as Partial<ServiceError>),
        );
    };
  }
  server.addService(service, implementation);
}

/** What a node of this ledger answers with: a status with typed details. */
export function refusal(
  code: string,
  message: string,
  options: { context?: Record<string, string>; retryAfterMs?: bigint; grpc?: number } = {},
): Partial<ServiceError> {
  const row = ERROR_TABLE[code as ErrorCode];
  const grpc = options.grpc ?? GrpcStatus[row?.grpc ?? "UNKNOWN"];
  const details = {
    code,
    number: row?.number ?? 0,
    message,
    action: row?.action ?? "",
    retryable: row?.retry === "safe",
    retryAfterMs: options.retryAfterMs ?? 0n,
    context: options.context ?? {},
  };
  const metadata = new Metadata();
  const status = encodeRpcStatus({ code: grpc, message, details, violations: [] });
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(status));
  return { code: grpc, details: message, metadata };
}

export function checkResponse(changes: Partial<read.CheckResponse> = {}): read.CheckResponse {
  return { allowed: true, height: 7n, token: Uint8Array.of(1, 2, 3), ...changes };
}

export function appliedWrite(changes: Partial<write.TransactionResult> = {}): write.WriteResponse {
  const result = {
    transactionId: new Uint8Array(16).fill(9),
    sequence: 3n,
    height: 12n,
    statuses: [write.OperationStatus.OPERATION_STATUS_CREATED],
    replayed: false,
    ...changes,
  };
  return { result, token: Uint8Array.of(4, 5) };
}

export function relationship(resource: string, relation = "viewer"): common.Relationship {
  const tuple = { resource, relation, subject: "user:alice" };
  return { tuple, version: 5n, expiresAtMs: 0n, conditionNonce: new Uint8Array(0) };
}
