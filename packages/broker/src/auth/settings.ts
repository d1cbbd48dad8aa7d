import type { SettingsOf, SettingTable } from "../engine/settings.ts";

/** Settings of who is let in. */
export const authSettings = {
  auth: {
    allowAnonymous: {
      type: "boolean",
      default: false,
      live: true,
      flag: "allow-anonymous",
      text: "Let clients in without username and password, on any address. Without it and without a user, only loopback is open.",
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
    aclFile: {
      type: "string",
      default: "",
      live: true,
      flag: "acl-file",
      placeholder: "FILE",
      text: "File of rules that say which topics a client may publish to and get. What no rule allows is denied.",
    },
  },
} as const satisfies SettingTable;

/** The values of these settings. */
export type AuthSettings = SettingsOf<typeof authSettings>;
