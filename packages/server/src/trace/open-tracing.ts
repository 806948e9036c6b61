/** Opens what records traces, where the configuration says where to send them; nothing of it is loaded otherwise. */
import type { Logger } from "pino";
import type { NodeConfig } from "../config.js";
import type { SpanRecorder } from "./tracing.js";

export async function openTracing(
  { otlpEndpoint: endpoint, name, listen }: NodeConfig,
  version: string,
  logger: Logger,
): Promise<SpanRecorder | undefined> {
  if (endpoint === undefined) return undefined;
  const { openRecorder } = await import("./open-telemetry.js");
  return openRecorder({
    ...{ endpoint, version, node: name ?? listen },
    onUnsent: (unsent) =>
      logger.warn({ endpoint, ...unsent }, "spans did not reach their collector"),
  });
}
