import type { SettingsOf, SettingTable } from "../engine/settings.ts";
import { aclSettings } from "./acl-settings.ts";
import { callbackSettings } from "./callback-settings.ts";
import { jwtSettings } from "./jwt-settings.ts";

/** Settings of who is let in. */
export const authSettings = {
  auth: {
    allowAnonymous: {
      type: "boolean",
      default: false,
      live: true,
      flag: "allow-anonymous",
      text: "Let clients in without username and password, on any address. Without it and without users, only loopback is open.",
    },
    username: {
      type: "string",
      default: "",
      live: true,
      text: "Username of the one user; empty for none.",
    },
    password: {
      type: "string",
      default: "",
      live: true,
      secret: true,
      text: "Password of that user.",
    },
    certificate: {
      type: "choice",
      default: "none",
      choices: ["none", "commonName", "subject"],
      live: true,
      text: "Let in clients that show a valid certificate (tls.requestCertificate) and take their username from it: its common name, or the whole subject such as CN=ada,O=Example.",
    },
    passwordFile: {
      type: "string",
      default: "",
      live: true,
      flag: "password-file",
      text: "File with users and hashes of their passwords, as `sericite passwd` and mosquitto_passwd write it; empty: none. Read again by every reconfiguration.",
    },
    hashDeadline: {
      type: "milliseconds",
      default: 5000,
      minimum: 1,
      live: true,
      text: "Time that a password may wait until it is hashed; passwords are hashed one at a time. Then the client is told to come again (0x89, in 3.x return code 3).",
    },
    hashesWaiting: {
      type: "integer",
      default: 1000,
      minimum: 1,
      live: true,
      text: "Passwords that may wait until they are hashed; more are answered at once as those that waited too long.",
    },
    ...callbackSettings,
    ...aclSettings,
  },
  jwt: jwtSettings,
} as const satisfies SettingTable;

/** The values of these settings. */
export type AuthSettings = SettingsOf<typeof authSettings>;
