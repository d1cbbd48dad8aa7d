import { createHash, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { SecureContext, SecureContextOptions } from "node:tls";
import { UsageError } from "@sericite/protocol";

type Pem = string | Buffer;

/** A certificate with its private key, as PEM. */
export interface TlsCertificate {
  /** The certificate, then the authorities between it and the one that clients know. */
  readonly certificate: Pem;
  readonly key: Pem;
  readonly passphrase?: string;
  /** What messages call it, such as its file. */
  readonly name?: string;
}

/** What may change while a TLS listener lives. */
export interface TlsOptions {
  /**
   * At least one. A client that names a host (SNI) is shown the first that is valid for it, by the
   * certificate's own names; every other client the first of all.
   */
  readonly certificates: readonly TlsCertificate[];
  /** Authorities that vouch for clients' certificates, PEM. */
  readonly ca?: Pem;
  /** Revocation lists of all those authorities, PEM. Default: nothing is revoked. */
  readonly crl?: Pem;
  /** Default TLSv1.2. */
  readonly minimumVersion?: "TLSv1.2" | "TLSv1.3";
}

const tlsParts = ["certificate", "key", "ca", "crl"] as const;

/** What files are read of: each is the name of its setting in the section `tls`. */
export type TlsPart = (typeof tlsParts)[number];

/** Certificates that were read and fit together; shared by all listeners that show them. */
export class TlsContexts {
  /** The first certificate's, as `tls.Server` takes it. */
  readonly first: SecureContextOptions;
  /** Whether there are authorities to judge clients' certificates by. */
  readonly hasAuthorities: boolean;
  readonly #byCertificate: readonly {
    readonly x509: X509Certificate;
    readonly context: SecureContext;
  }[];
  readonly #digests: Readonly<Record<TlsPart | "minimumVersion", string>>;

  /** @throws UsageError ERR_TLS_CERTIFICATE where something is missing, unreadable or does not fit. */
  constructor({ certificates, ca, crl, minimumVersion = "TLSv1.2" }: TlsOptions) {
    const lists = crl === undefined ? undefined : listsIn(crl);
    const all = certificates.map(
      ({ certificate, key, passphrase }, index): SecureContextOptions => {
        if (certificate.length === 0 || key.length === 0) {
          throw certificateError(
            `${nameOf(certificates, index)}: a TLS listener needs a certificate and its key`,
          );
        }
        return {
          cert: certificate,
          key,
          minVersion: minimumVersion,
          // A session that is resumed keeps its client's certificate; it must come from a listener like this one.
          sessionIdContext: "sericite",
          ...(passphrase === undefined ? {} : { passphrase }),
          ...(ca === undefined || ca.length === 0 ? {} : { ca }),
          ...(lists === undefined ? {} : { crl: lists }),
        };
      },
    );
    const [first] = all;
    if (first === undefined)
      throw certificateError("a TLS listener needs a certificate and its key");
    this.first = first;
    this.hasAuthorities = first.ca !== undefined;
    this.#byCertificate = all.map((options, index) => {
      try {
        return {
          x509: new X509Certificate(options.cert as Pem),
          context: createSecureContext(options),
        };
      } catch (cause) {
        throw certificateError(
          `${nameOf(certificates, index)}: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause,
        );
      }
    });
    this.#digests = {
      certificate: digestOf(certificates.map(({ certificate }) => certificate)),
      key: digestOf(certificates.map(({ key }) => key)),
      ca: digestOf([ca ?? ""]),
      crl: digestOf([crl ?? ""]),
      minimumVersion,
    };
  }

  /** What to show a client that asks for a host; `undefined`: the first. */
  for(serverName: string): SecureContext | undefined {
    if (!/^[\w.-]+$/.test(serverName)) return undefined;
    return this.#byCertificate.find(({ x509 }) => x509.checkHost(serverName) !== undefined)
      ?.context;
  }

  /** Whether a reload would change nothing. */
  equals(other: TlsContexts): boolean {
    return (
      this.partsThatDiffer(other).length === 0 &&
      this.#digests.minimumVersion === other.#digests.minimumVersion
    );
  }

  /** What a reload would read anew, in the order of the settings. */
  partsThatDiffer(other: TlsContexts): TlsPart[] {
    return tlsParts.filter((part) => this.#digests[part] !== other.#digests[part]);
  }
}

function digestOf(texts: readonly Pem[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text);
  return hash.digest("hex");
}

function nameOf(certificates: readonly TlsCertificate[], index: number): string {
  return certificates[index]?.name ?? `certificate ${index + 1}`;
}

/** Node takes one list from each text. */
function listsIn(crl: Pem): string[] {
  const lists = crl.toString().match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g);
  if (lists === null) throw certificateError("tls.crl holds no revocation list (X509 CRL) in PEM");
  return lists;
}

function certificateError(message: string, cause?: unknown): UsageError {
  return new UsageError("ERR_TLS_CERTIFICATE", message, { cause });
}
