// @ts-check
/** An authority and a certificate for each node, made by openssl: hosts that are not loopback talk by mutual TLS only. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sh } from "./shell.mjs";

const DAYS = "2";

export class Certificates {
  #directory;

  /** @param {string} directory */
  constructor(directory) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    sh(
      "openssl",
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
      ...["-nodes", "-days", DAYS, "-subj", "/CN=test authority"],
      ...["-keyout", this.#path("ca.key"), "-out", this.ca],
    );
  }

  get ca() {
    return this.#path("ca.pem");
  }

  /** @param {string} name @param {string} address */
  issue(name, address) {
    const [key, request, certificate] = ["key", "csr", "pem"].map((end) =>
      this.#path(`${name}.${end}`),
    );
    const extensions = this.#path(`${name}.ext`);
    writeFileSync(
      extensions,
      `subjectAltName=IP:${address},DNS:${name}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    sh(
      "openssl",
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-subj", `/CN=${name}`, "-keyout", `${key}`, "-out", `${request}`],
    );
    sh(
      "openssl",
      ...["x509", "-req", "-in", `${request}`, "-CA", this.ca],
      ...["-CAkey", this.#path("ca.key"), "-CAcreateserial", "-days", DAYS],
      ...["-extfile", extensions, "-out", `${certificate}`],
    );
    return { key: `${key}`, certificate: `${certificate}` };
  }

  /** @param {string} name */
  #path(name) {
    return join(this.#directory, name);
  }
}
