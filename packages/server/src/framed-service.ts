/** Adds services whose requests are decoded strictly and whose calls, unary or streaming, are framed. */
import type { Server, UntypedServiceImplementation } from "@grpc/grpc-js";
import { type Decoders, type FrameDeps, orMalformed } from "./call-frame.js";
import type { Forwarding } from "./forwarding.js";
import type { OpenStreams } from "./open-streams.js";
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

export interface ServiceDeps extends FrameDeps {
  readonly streams: OpenStreams;
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
  const methods: Record<string, object> = {};
  const framed: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition) as [keyof T & string, AnyMethod][]) {
    const requestDeserialize = orMalformed(requests[name]);
    methods[name] = { ...method, requestDeserialize, responseSerialize: same };
    const label = `${service}/${name}`;
    const meter = deps.meters.method(label);
    const isForwarded = forwarding !== undefined && ownMethods?.includes(name) !== true;
    const { path, requestSerialize: encodeRequest } = method;
    const info = { path, service, name, isStream: method.responseStream };
    const forwarded = isForwarded ? { forwarding, path, encodeRequest } : undefined;
    const frame = method.responseStream
      ? new StreamFrame(info, streams![name]!, method.responseSerialize, {
          ...deps,
          meter,
          flow: deps.meters.stream(label),
        })
      : new UnaryFrame(info, handlers[name]!, method.responseSerialize, meter, {
          ...deps,
          forwarded,
        });
    framed[name] = frame.handle as UntypedServiceImplementation[string];
  }
  server.addService(methods as never, framed);
}

/** A frame has encoded the answer, since its size must be known before the library takes it. */
function same(bytes: Buffer): Buffer {
  return bytes;
}
