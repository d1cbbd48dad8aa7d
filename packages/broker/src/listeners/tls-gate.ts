import { createServer } from "node:tls";
import type { Server, TLSSocket } from "node:tls";
import { UsageError } from "@sericite/protocol";
import type { ListenerOptions } from "./listener.ts";
import type { Arrival, Reception } from "./reception.ts";
import { TlsContexts } from "./tls-contexts.ts";
import type { TlsOptions } from "./tls-contexts.ts";

/** Options of listeners with TLS. */
export interface TlsListenerOptions extends ListenerOptions {
  readonly tls: TlsOptions | TlsContexts;
  /**
   * Whether clients show certificates. "off": they are not asked. "ask": they may; one that is shown
   * must be valid. "require": without a valid one nobody comes in. Default "off".
   */
  readonly requestCertificate?: "off" | "ask" | "require";
}

/** Takes connections through the TLS handshake. */
export class TlsGate {
  readonly #asksForCertificate: boolean;
  readonly #server: Server;
  #contexts: TlsContexts;

  /**
   * @param protocols  What is answered to clients that offer protocols (ALPN, RFC 7301); one that
   * offers none of these is refused, one that offers nothing is not.
   * @param onSecure  Takes the connection from there.
   */
  constructor(
    reception: Reception,
    { tls, requestCertificate = "off" }: TlsListenerOptions,
    protocols: readonly string[],
    onSecure: (socket: TLSSocket, arrival: Arrival) => void,
  ) {
    this.#contexts = tls instanceof TlsContexts ? tls : new TlsContexts(tls);
    this.#asksForCertificate = requestCertificate !== "off";
    checkAuthorities(this.#contexts, requestCertificate);
    const server = createServer({
      ...this.#contexts.first,
      requestCert: this.#asksForCertificate,
      rejectUnauthorized: requestCertificate === "require",
      ALPNProtocols: [...protocols],
      SNICallback: (serverName, callback) => callback(null, this.#contexts.for(serverName)),
    });
    server.on("tlsClientError", (error, socket) => {
      const arrival = reception.arrivalOf(socket);
      if (arrival === undefined) return;
      const reason = isAboutCertificate(error, socket) ? "client-certificate" : "tls-handshake";
      reception.refuse(arrival, reason, error);
    });
    server.on("secureConnection", (socket) => {
      const arrival = reception.arrivalOf(socket);
      if (arrival === undefined) return void socket.destroy();
      // Reset as the handshake ended: of such a socket Node tells an end, and never a close.
      if (socket.remoteAddress === undefined) {
        socket.destroy();
        return reception.refuse(arrival, "closed");
      }
      // Asked, not required: Node lets a certificate pass that nobody vouches for.
      if (this.#asksForCertificate && !socket.authorized && hasCertificate(socket)) {
        return reception.refuse(arrival, "client-certificate", asError(socket.authorizationError));
      }
      onSecure(socket, arrival);
    });
    this.#server = server;
  }

  take(arrival: Arrival): void {
    this.#server.emit("connection", arrival.socket);
  }

  /** Puts other certificates in force for handshakes to come. */
  reload(contexts: TlsContexts): void {
    checkAuthorities(contexts, this.#asksForCertificate ? "ask" : "off");
    this.#server.setSecureContext(contexts.first);
    this.#contexts = contexts;
  }
}

/** @throws UsageError ERR_TLS_CERTIFICATE where clients are asked for certificates that nobody could judge. */
export function checkAuthorities(
  contexts: TlsContexts,
  requestCertificate: "off" | "ask" | "require",
): void {
  // Node would let in whomever any public authority vouches for.
  if (requestCertificate === "off" || contexts.hasAuthorities) return;
  throw new UsageError(
    "ERR_TLS_CERTIFICATE",
    "clients are asked for certificates, and tls.ca names no authority to judge them by",
  );
}

/** The client's certificate where it has shown one, which then is valid. */
export function certificateOf(socket: TLSSocket): unknown {
  return socket.authorized && hasCertificate(socket) ? socket.getPeerCertificate() : undefined;
}

function hasCertificate(socket: TLSSocket): boolean {
  return Object.keys(socket.getPeerCertificate()).length > 0;
}

function isAboutCertificate(error: Error, socket: TLSSocket): boolean {
  return (
    Boolean(socket.authorizationError) ||
    /peer did not return a certificate|certificate_?required/i.test(error.message)
  );
}

function asError(reason: Error | string | undefined): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
