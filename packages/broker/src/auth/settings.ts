import type { SettingTable } from "../engine/settings.ts";

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
  },
} as const satisfies SettingTable;
