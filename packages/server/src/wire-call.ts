/** What the frames need of a call, whichever protocol brought it: the library of gRPC, or one exchange of HTTP. */
import type { ServiceError } from "@grpc/grpc-js";
import type { WireCall } from "./gate/gated-call.js";

export interface UnaryWireCall extends WireCall {
  /** Its client gave it up, or its deadline passed. */
  readonly cancelled: boolean;
  /** Said when a call is over, whatever its end was. */
  once(event: "cancelled", listener: () => void): unknown;
}

export interface StreamWireCall extends UnaryWireCall {
  /** @param taken called when the message has left, as far as that is known here */
  write(bytes: Uint8Array, taken: () => void): unknown;
  /** Everything was written. */
  end(): unknown;
  /** Ends it with a status. */
  emit(event: "error", status: Partial<ServiceError>): unknown;
}
