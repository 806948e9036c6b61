/** The surroundings of a program on a machine: gRPC over its network, its clock, Node's cryptography. */
import { nodeCrypto } from "../../verify/node-crypto.js";
import type { Surroundings } from "../connection.js";
import { MACHINE } from "../ports.js";
import { Transport } from "../transport.js";
import { GrpcChannel } from "./grpc-channel.js";
import { type GrpcSecurity, grpcSecurity } from "./grpc-tls.js";

export const NETWORK: Surroundings = {
  connect: (options) => {
    let security: GrpcSecurity | undefined;
    const dial = (address: string): GrpcChannel => {
      security ??= grpcSecurity(options);
      return new GrpcChannel(address, security);
    };
    return new Transport(options, { ...MACHINE, dial });
  },
  nowMs: () => Date.now(),
  crypto: nodeCrypto,
};
