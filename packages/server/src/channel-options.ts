/** Options of the gRPC library that bound what one client can hold. */
import type { ChannelOptions } from "@grpc/grpc-js";
import { MESSAGE_BYTES_MAX } from "./config.js";

/**
 * What every node gives to its gRPC server, beside the streams per connection of its configuration. A yardstick
 * that wants to be compared with a node takes the same ones.
 */
export const CHANNEL_OPTIONS: Readonly<ChannelOptions> = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
  // Nobody reads its tables, and every call and message would be noted in them.
  "grpc.enable_channelz": 0,
  // In MB: the last line of defence against who asks and never reads (connections.ts is the first, and answers with
  // an error). Counts everything that HTTP/2 holds for a connection: twice what connections.ts allows, and headers.
  // Beyond it new calls get ENHANCE_YOUR_CALM, and after a hundred of them the connection is closed.
  "grpc-node.max_session_memory": 64,
};
