import type { PeerCertificate } from "node:tls";
import type { ConnectRequest } from "../engine/ports.ts";
import type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";

/** What of a certificate is the username. */
export type CertificateName = "commonName" | "subject";

/**
 * Lets in clients whose TLS certificate the listener found valid; the username is taken from it,
 * whatever the client sent. Clients without a certificate are the next one's.
 */
export class CertificateAuthenticator implements ChainedAuthenticator {
  readonly #name: CertificateName;

  constructor(name: CertificateName) {
    this.#name = name;
  }

  authenticate({ peer }: ConnectRequest): ChainAnswer {
    const subject = (peer.certificate as PeerCertificate | undefined)?.subject;
    if (subject === undefined) return "next";
    const username = this.#name === "subject" ? subjectText(subject) : commonName(subject);
    if (username === undefined) {
      return { accepted: false, reason: "the certificate has no name that can be a username" };
    }
    return { accepted: true, username };
  }
}

/** Of several, or none, it is not known which is meant. */
function commonName(subject: object): string | undefined {
  const name = (subject as { CN?: unknown }).CN;
  return typeof name === "string" && isUsable(name) ? name : undefined;
}

/** The subject as RFC 2253 writes it: `CN=ada,O=Example,C=DE`. */
function subjectText(subject: object): string | undefined {
  const parts = Object.entries(subject).flatMap(([type, value]) =>
    [value as string | string[]].flat().map((one) => `${type}=${escaped(one)}`),
  );
  const text = parts.reverse().join(",");
  return isUsable(text) ? text : undefined;
}

function escaped(value: string): string {
  return value
    .replace(/[,+"\\<>;]/g, "\\$&")
    .replace(/^[ #]/, "\\$&")
    .replace(/ $/, "\\ ");
}

/** Whether a text can be a username of MQTT that no log line can be forged with. */
function isUsable(name: string): boolean {
  return name !== "" && name.length < 16_384 && !/[\u0000-\u001f\u007f]/.test(name);
}
