/** What a node says over HTTP: is it ready, and its metrics. Undefined when it cannot be asked. */
import { joinAddress, splitAddress } from "@authledger/types";

const ANSWER_MS_MAX = 1_000;
const METRICS_CHARACTERS_MAX = 4 * 1024 * 1024;
const UNBOUND = new Set(["0.0.0.0", "::"]);

export interface NodeHttp {
  readonly address: string;
  readonly isReady: boolean;
  /** A gauge by its name, with or without the product's prefix; undefined when there is none. */
  metric(name: string): number | undefined;
}

/**
 * @param bound where the node says that it listens; a node that listens everywhere is asked where `endpoint` is
 */
export async function readNodeHttp(
  bound: string,
  endpoint: string,
  signal: AbortSignal,
): Promise<NodeHttp | undefined> {
  const address = reachable(bound, endpoint);
  if (address === undefined) return undefined;
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const ready = await fetch(`http://${address}/readyz`, { signal: limit });
    await ready.text();
    const metrics = await fetch(`http://${address}/metrics`, { signal: limit });
    const text = (await metrics.text()).slice(0, METRICS_CHARACTERS_MAX);
    const gauges = parseMetrics(text);
    const metric = (name: string): number | undefined =>
      gauges.get(`authledger_${name}`) ?? gauges.get(name);
    return { address, isReady: ready.status === 200, metric };
  } catch {
    return undefined;
  }
}

function reachable(bound: string, endpoint: string): string | undefined {
  const address = splitAddress(bound);
  if (address === undefined || address.port === 0) return undefined;
  if (!UNBOUND.has(address.host)) return bound;
  const host = splitAddress(endpoint)?.host;
  return host === undefined ? undefined : joinAddress({ host, port: address.port });
}

/** Series without labels, in the format of Prometheus. */
function parseMetrics(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^([a-zA-Z_:][a-zA-Z0-9_:]*) (\S+)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) found.set(name, Number(value));
  }
  return found;
}
