/** Proxies that the environment names, found as the gRPC library finds them (its file http_proxy.ts). */

type Env = Readonly<Record<string, string | undefined>>;

const VARIABLES = ["grpc_proxy", "https_proxy", "http_proxy"] as const;

/** The proxy that connections to `host` go through; undefined when they go straight. */
export function proxyFor(
  host: string,
  env: Env,
): { readonly url: string; readonly variable: string } | undefined {
  const variable = VARIABLES.find((name) => env[name]);
  if (variable === undefined) return undefined;
  const exceptions = (env["no_grpc_proxy"] || env["no_proxy"] || "").split(",");
  const isExcepted = exceptions
    .map((one) => one.trim())
    .some((one) => one !== "" && host.endsWith(one));
  return isExcepted ? undefined : { url: withoutPassword(env[variable]!), variable };
}

function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, "//***@");
}
