/** Health and reflection, as stock clients ask for them. */
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthService,
  Reflection,
  type ReflectionRequest,
  ReflectionV1,
  ReflectionV1Alpha,
  ServingStatus,
} from "@authledger/proto";
import {
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/** Streams of one node that only wait; more are refused. */
const WATCHERS_MAX = 1_000;

/** grpc.health.v1: one status for the node and for each of its services. */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<Watcher>();
  #status: ServingStatus = ServingStatus.NOT_SERVING;

  constructor(services: readonly string[]) {
    this.#services = new Set(["", ...services]);
  }

  get isServing(): boolean {
    return this.#status === ServingStatus.SERVING;
  }

  /** Watchers are told of what has changed. */
  set isServing(serving: boolean) {
    const next = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    if (next === this.#status) return;
    this.#status = next;
    for (const watcher of this.#watchers) this.#tell(watcher);
  }

  /** Ends all watches, so that a shutdown need not wait for them. */
  endWatches(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  addTo(server: Server): void {
    server.addService(HealthService, {
      check: (
        call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
        callback: sendUnaryData<HealthCheckResponse>,
      ) => {
        const { service } = call.request;
        if (this.#services.has(service)) callback(null, { status: this.#status });
        else callback({ code: status.NOT_FOUND, details: `no service "${service}" is known` });
      },
      watch: (call: Watcher) => this.#watch(call),
    });
  }

  #watch(call: Watcher): void {
    if (this.#watchers.size >= WATCHERS_MAX) {
      call.destroy(
        Object.assign(new Error("too many watchers"), { code: status.RESOURCE_EXHAUSTED }),
      );
      return;
    }
    this.#watchers.add(call);
    const forget = (): void => {
      this.#watchers.delete(call);
    };
    call.on("cancelled", forget);
    call.on("error", forget);
    this.#tell(call);
  }

  #tell(call: Watcher): void {
    const known = this.#services.has(call.request.service);
    call.write({ status: known ? this.#status : ServingStatus.SERVICE_UNKNOWN });
  }
}

/** grpc.reflection.v1 and v1alpha. */
export function addReflection(server: Server): readonly string[] {
  const reflection = new Reflection();
  const serverReflectionInfo = (call: ServerDuplexStream<ReflectionRequest, Uint8Array>): void => {
    call.on("data", (request: ReflectionRequest) => {
      // Answers are hundreds of times as large as questions: who does not read one is not asked for the next.
      call.pause();
      call.write(reflection.answer(request), () => call.resume());
    });
    call.on("end", () => call.end());
    call.on("error", () => call.end());
  };
  server.addService(ReflectionV1, { serverReflectionInfo });
  server.addService(ReflectionV1Alpha, { serverReflectionInfo });
  return reflection.services;
}
