/** What to watch of the certificate for clients. */
import { Gauge, type Registry } from "prom-client";

/** @param expiresAtMs milliseconds since 1970; 0 without TLS */
export function addTlsMetrics(registry: Registry, expiresAtMs: () => number): void {
  new Gauge({
    name: "authledger_tls_certificate_expiry_seconds",
    help: "When the certificate for clients expires, seconds since 1970; 0 without TLS.",
    registers: [registry],
    collect() {
      this.set(Math.floor(expiresAtMs() / 1_000));
    },
  });
}
