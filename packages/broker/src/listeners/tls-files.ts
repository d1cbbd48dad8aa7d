import { readFileSync } from "node:fs";
import { UsageError } from "@sericite/protocol";
import { listOf } from "./settings.ts";
import type { ListenerSettings } from "./settings.ts";
import { TlsContexts } from "./tls-contexts.ts";

/**
 * Reads the certificates that the settings name.
 *
 * @throws UsageError ERR_TLS_CERTIFICATE where a file is missing or cannot be used; the message names it.
 */
export function readTlsFiles(tls: ListenerSettings["tls"]): TlsContexts {
  const certificates = listOf(tls.certificate);
  const keys = listOf(tls.key);
  if (certificates.length === 0 || certificates.length !== keys.length) {
    throw new UsageError(
      "ERR_TLS_CERTIFICATE",
      certificates.length + keys.length === 0
        ? "TLS needs a certificate and its key: set tls.certificate and tls.key (--tls-certificate, --tls-key)"
        : `tls.certificate names ${certificates.length} files and tls.key ${keys.length}: TLS needs a key for each certificate, and one at least`,
    );
  }
  const passphrase = tls.keyPassphrase === "" ? {} : { passphrase: tls.keyPassphrase };
  return new TlsContexts({
    certificates: certificates.map((certificate, index) => ({
      certificate: read("tls.certificate", certificate),
      key: read("tls.key", keys[index]!),
      name: certificate,
      ...passphrase,
    })),
    ...(tls.ca === "" ? {} : { ca: read("tls.ca", tls.ca) }),
    ...(tls.crl === "" ? {} : { crl: read("tls.crl", tls.crl) }),
    minimumVersion: tls.minimumVersion as "TLSv1.2" | "TLSv1.3",
  });
}

function readFault(file: string, cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT") return `there is no file ${file}`;
  return code === "EACCES" ? `this user may not read ${file}` : `${file}: ${message}`;
}

function read(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new UsageError("ERR_TLS_CERTIFICATE", `${setting}: ${readFault(file, cause)}`, { cause });
  }
}
