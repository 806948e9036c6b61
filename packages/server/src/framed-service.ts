/** Adds services whose requests are decoded strictly and whose calls, unary or streaming, are framed. */
import type { Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { AuditedCalls } from "./audit/audited-calls.js";
import { type Decoders, type FrameDeps, orMalformed } from "./call-frame.js";
import type { Forwarding } from "./forwarding.js";
import type { OpenStreams } from "./open-streams.js";
import { chargeOf } from "./protection/costs.js";
import { rememberBytes } from "./request-bytes.js";
import { type AnyStreamMethod, StreamFrame } from "./streaming.js";
import { type AnyHandler, UnaryFrame } from "./unary.js";

/** A service: its generated definition, what decodes its requests, and what answers them. */
export interface Service<T extends object> {
  /** As metrics name it. */
  readonly name: string;
  readonly definition: T;
  readonly requests: Decoders<T>;
  readonly handlers: { readonly [name: string]: AnyHandler };
  /** Its methods that stream their answer. */
  readonly streams?: { readonly [name: string]: AnyStreamMethod };
  /** What passes calls on that need the leader. */
  readonly forwarding?: Forwarding;
  /** Methods about this node, which no other one can answer. */
  readonly ownMethods?: readonly (keyof T)[];
}

/** A method as a protocol beside gRPC's calls it: through the same frame. */
export type FramedMethod = {
  /** Makes its request of bytes; what is none becomes a request that the frame refuses. */
  readonly decode: (bytes: Buffer) => unknown;
} & (
  | { readonly isStream: false; readonly handle: UnaryFrame["handle"] }
  | { readonly isStream: true; readonly handle: StreamFrame["handle"] }
);

export interface ServiceDeps extends FrameDeps {
  /** Puts calls into the audit log. */
  readonly audit?: AuditedCalls | undefined;
  readonly streams: OpenStreams;
  /** Where the methods are put by their path, for other protocols. */
  readonly methods: Map<string, FramedMethod>;
}

interface AnyMethod {
  readonly path: string;
  readonly requestSerialize: (request: never) => Buffer;
  readonly responseStream: boolean;
  readonly responseSerialize: (value: unknown) => Buffer;
}

export function addFramedService<T extends object>(
  server: Server,
  about: Service<T>,
  deps: ServiceDeps,
): void {
  const { name: service, definition, requests, handlers, streams, forwarding, ownMethods } = about;
  const { audit } = deps;
  const methods: Record<string, object> = {};
  const framed: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition) as [keyof T & string, AnyMethod][]) {
    const isForwarded = forwarding !== undefined && ownMethods?.includes(name) !== true;
    const label = `${service}/${name}`;
    const meter = deps.meters.method(label);
    const { path, requestSerialize: encodeRequest } = method;
    const info = { path, service, name, isStream: method.responseStream };
    const always = orMalformed(requests[name]);
    const guard = (of: typeof always) =>
      chargeOf(info).isReserved ? of : deps.overload.guarded(of);
    const decode = guard(always);
    const requestDeserialize = isForwarded ? guard(rememberBytes(always)) : decode;
    methods[name] = { ...method, requestDeserialize, responseSerialize: same };
    const forwarded = isForwarded ? { forwarding, path, encodeRequest } : undefined;
    const encode = method.responseSerialize;
    let found: FramedMethod;
    if (method.responseStream) {
      const streaming = audit?.stream(info, streams![name]!) ?? streams![name]!;
      const streamDeps = { ...deps, meter, flow: deps.meters.stream(label) };
      const { handle } = new StreamFrame(info, streaming, encode, streamDeps);
      found = { isStream: true, decode, handle };
    } else {
      const handler = audit?.unary(info, handlers[name]!) ?? handlers[name]!;
      const { handle } = new UnaryFrame(info, handler, encode, meter, {
        ...deps,
        forwarded,
      });
      found = { isStream: false, decode, handle };
    }
    framed[name] = found.handle as UntypedServiceImplementation[string];
    deps.methods.set(path, found);
  }
  server.addService(methods as never, framed);
}

/** A frame has encoded the answer, since its size must be known before the library takes it. */
function same(bytes: Buffer): Buffer {
  return bytes;
}
