/** Connections to other nodes: a stream, or the question who a node is. Each has a channel of its own that ends with it. */
import type { PeerIdentity } from "@authledger/engine";
import { peer } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { type ChannelOptions, Client, type ClientDuplexStream, status } from "@grpc/grpc-js";
import { decodeIdentity } from "./handshake.js";
import { BATCH_BYTES_MAX, FLOW_WINDOW_BYTES, LOOKUP_MS } from "./peer-limits.js";
import { CONNECT, PeerStream } from "./peer-stream.js";
import { isNamedBy, namesOf, type PeerCredentials } from "./peer-tls.js";

/** Attempts, pauses and ends are ours: the library is to connect once, to the address that it is given. */
const OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": BATCH_BYTES_MAX,
  "grpc.max_send_message_length": BATCH_BYTES_MAX,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc-node.flow_control_window": FLOW_WINDOW_BYTES,
};

/** Opens a stream. What becomes of it is heard through the stream. */
export function dial(address: string, { channel, isTls }: PeerCredentials): PeerStream {
  const client = new Client(address, channel, OPTIONS);
  const call: ClientDuplexStream<Buffer, peer.ConnectRequest> = client.makeBidiStreamRequest(
    CONNECT.path,
    CONNECT.requestSerialize,
    CONNECT.responseDeserialize,
  );
  const abort = (): void => {
    call.cancel();
    client.close();
  };
  call.on("status", () => client.close());
  return new PeerStream(call, () => (isTls ? certificateNames(call) : undefined), abort);
}

/** @throws LedgerError UNAVAILABLE when it does not answer, PEER_REFUSED when its certificate names another node */
export async function identify(
  address: string,
  { channel, isTls }: PeerCredentials,
): Promise<PeerIdentity> {
  const client = new Client(address, channel, OPTIONS);
  try {
    const { response, names } = await ask(client, isTls);
    const identity = decodeIdentity(response);
    if (isNamedBy(names, identity.member)) return identity;
    const message = `the certificate of ${address} names neither "${identity.member.name}" nor the host of its peer address ${identity.member.peerAddress}`;
    throw new LedgerError("PEER_REFUSED", message, { details: { reason: "certificate" } });
  } catch (error) {
    if (error instanceof LedgerError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new LedgerError("UNAVAILABLE", `no node answers at ${address}: ${why}`, { cause: error });
  } finally {
    client.close();
  }
}

interface Answer {
  readonly response: peer.IdentifyResponse;
  readonly names: readonly string[] | undefined;
}

function ask(client: Client, isTls: boolean): Promise<Answer> {
  const { path, requestSerialize, responseDeserialize } = peer.PeerServiceService.identify;
  const deadline = Date.now() + LOOKUP_MS;
  return new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      {},
      { deadline },
      (error, response) => {
        if (error !== null || response === undefined) reject(plainly(error));
        else resolve({ response, names: isTls ? certificateNames(call) : undefined });
      },
    );
  });
}

function certificateNames(call: {
  getAuthContext(): { readonly sslPeerCertificate?: Parameters<typeof namesOf>[0] } | null;
}): readonly string[] {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  return certificate === undefined ? [] : namesOf(certificate);
}

/** What the library says of a deadline tells nothing to people. */
function plainly(error: (Error & { code?: number; details?: string }) | null): Error {
  if (error?.code === status.DEADLINE_EXCEEDED) {
    return new Error(`no answer within ${LOOKUP_MS} ms`);
  }
  return new Error(error?.details ?? "an empty answer");
}
