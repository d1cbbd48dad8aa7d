import type { SettingTable } from "../engine/settings.ts";

/** Settings of the listeners. */
export const listenerSettings = {
  listen: {
    host: {
      type: "string",
      default: "127.0.0.1",
      live: false,
      flag: "host",
      text: "Address to listen on. Beyond loopback only with authentication, or with anonymous access asked for.",
    },
    port: {
      type: "port",
      default: 1883,
      live: false,
      flag: "port",
      text: "TCP port; 0 picks a free one, off switches the listener off.",
    },
    backlog: {
      type: "integer",
      default: 4096,
      minimum: 1,
      live: false,
      text: "Connections that the system holds until they are accepted.",
    },
  },
} as const satisfies SettingTable;
