/** Where a client on a machine finds its nodes: DNS, or a file. */
export { type DnsEndpointOptions, dnsEndpoints } from "./dns-endpoints.js";
export type { EndpointSource } from "./endpoint-source.js";
export { fileEndpoints } from "./file-endpoints.js";
