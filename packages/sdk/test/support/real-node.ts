/** Real nodes in the process of a test: they log nothing, and fail the test when they fail. */
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";

const LOOPBACK = "127.0.0.1:0";
const SMALL = { listen: LOOPBACK, http: LOOPBACK, cache: "16MiB", shutdownGrace: 200 };

/** @param config `data` at least; what is given goes before what a test usually wants */
export function startRealNode(config: {
  readonly data: string;
  readonly [field: string]: unknown;
}): Promise<RunningNode> {
  return startNode(parseNodeConfig({ ...SMALL, ...config }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
}
