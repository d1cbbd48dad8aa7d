import { UsageError } from "@sericite/protocol";
import type { AuthSettings } from "./settings.ts";

/**
 * The ways to enter, as a listener names those that count there. `custom` stands for the
 * authenticators of the embedding program.
 */
export const entryMethods = ["password", "scram", "certificate", "jwt", "http", "custom"] as const;

/** A way to enter. */
export type EntryMethod = (typeof entryMethods)[number];

/** A way to enter that settings can set up. */
type ConfiguredMethod = Exclude<EntryMethod, "custom">;

/** What sets each of them up, in words, and whether it does. */
const sources: Readonly<
  Record<ConfiguredMethod, readonly [name: string, isSetUp: (settings: AuthSettings) => boolean]>
> = {
  password: [
    "auth.passwordFile or auth.username",
    ({ auth }) => auth.passwordFile !== "" || auth.username !== "",
  ],
  scram: ["auth.passwordFile", ({ auth }) => auth.passwordFile !== ""],
  certificate: ["auth.certificate", ({ auth }) => auth.certificate !== "none"],
  jwt: ["jwt.keyFile", ({ jwt }) => jwt.keyFile !== ""],
  http: ["auth.callbackUrl", ({ auth }) => auth.callbackUrl !== ""],
};

/** Whether the settings name anybody who decides who may enter. */
export function namesAuthentication(settings: AuthSettings): boolean {
  return Object.values(sources).some(([, isSetUp]) => isSetUp(settings));
}

/**
 * Checks the ways to enter that a listener names. Whether the program has authenticators of its own
 * cannot be told here.
 *
 * @param asksForCertificate  Whether clients can show a certificate there.
 * @throws UsageError ERR_SETTING for a list without any, a name that is none, a way that nothing sets up.
 */
export function checkEntryMethods(
  methods: readonly string[],
  settings: AuthSettings,
  asksForCertificate: boolean,
): void {
  const known = entryMethods.join(", ");
  if (methods.length === 0)
    throw wrong(`names none: give some of ${known}, or leave it out to have all`);
  for (const method of methods) {
    if (method === "custom") continue;
    if (!Object.hasOwn(sources, method)) throw wrong(`names "${method}"; there are ${known}`);
    const [name, isSetUp] = sources[method as ConfiguredMethod];
    if (!isSetUp(settings))
      throw wrong(`names ${method}, which is not configured: set ${name}, or leave it out`);
    if (method === "certificate" && !asksForCertificate)
      throw wrong(
        "names certificate, and the listener asks for none: it takes TLS, and tls.requestCertificate",
      );
  }
}

function wrong(what: string): UsageError {
  return new UsageError("ERR_SETTING", `auth.methods ${what}`);
}
