import { brokerSettings, entryMethods } from "@sericite/broker";
import type { ListenOptions, SettingRow } from "@sericite/broker";
import type { ListItem } from "./config-file.ts";
import { readItem } from "./list-item.ts";
import type { ReadItem } from "./list-item.ts";

const { auth, limits, listen, mqtt, proxy, tls, websocket } = brokerSettings;

/** All but the program's own authenticators, which the command has none of. */
const configuredMethods = entryMethods.filter((method) => method !== "custom");

/** Keys of one entry of the list `listeners` in a config file. A key with a point stands a level deeper. */
export const listenerRows = {
  transport: {
    type: "choice",
    default: "tcp",
    choices: ["tcp", "tls", "ws", "wss", "unix"],
    live: true,
    text: "What is spoken below MQTT.",
  },
  host: { ...listen.host, emptyMeans: "`listen.host`" },
  port: {
    type: "port",
    default: -1,
    minimum: 0,
    live: true,
    text: "Port; 0 picks a free one. Left out: the one by custom, 1883, 8883, 8083 or 8084.",
  },
  path: {
    type: "string",
    default: "",
    live: true,
    text: "Of unix: path of the socket. Of ws and wss: path that clients ask for, in place of websocket.path.",
  },
  mode: { ...listen.unixMode, text: "Of unix: permissions of the socket, octal." },
  "tls.certificate": tls.certificate,
  "tls.key": tls.key,
  "tls.keyPassphrase": tls.keyPassphrase,
  "tls.ca": tls.ca,
  "tls.crl": tls.crl,
  "tls.minimumVersion": tls.minimumVersion,
  "tls.requestCertificate": tls.requestCertificate,
  "websocket.origins": websocket.origins,
  "websocket.requireSubprotocol": websocket.requireSubprotocol,
  "websocket.maximumMessageSize": websocket.maximumMessageSize,
  "proxy.protocol": proxy.protocol,
  "proxy.trusted": proxy.trusted,
  "auth.allowAnonymous": {
    ...auth.allowAnonymous,
    text: "Whether clients without username and password may enter here.",
  },
  "auth.methods": {
    type: "string",
    default: "",
    live: true,
    text: `Which of the configured ways to enter count here, with commas: ${configuredMethods.join(", ")}. Left out: all. With it, clients without username and password enter only where auth.allowAnonymous of the listener says so.`,
  },
  "limits.connections": {
    ...limits.connections,
    text: "Connections of this listener at once; more are refused. 0: no bound of its own.",
  },
  "limits.messageRate": {
    ...limits.messageRate,
    text: "PUBLISH packets of one client that came in here in a second, in place of the setting. 0: no limit.",
  },
  "limits.byteRate": {
    ...limits.byteRate,
    text: "Bytes of PUBLISH packets of one client that came in here in a second, in place of the setting. 0: no limit.",
  },
  "mqtt.maximumPacketSize": {
    ...mqtt.maximumPacketSize,
    text: "Largest packet that is taken from clients that come in here; clients of MQTT 5.0 are told.",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;

/** A key of `listenerRows`. */
export type ListenerKey = keyof typeof listenerRows;

/** One entry of the list, read and checked on its own. What is left out is as the settings say. */
export interface ConfiguredListener extends Omit<ReadItem<ListenerKey>, "keyPlaces"> {
  readonly options: Exclude<ListenOptions, { readonly server: unknown }>;
}

/** Which transports take the keys that not all of them take, by the first part of the key. */
const takers: Readonly<Record<string, readonly string[]>> = {
  host: ["tcp", "tls", "ws", "wss"],
  port: ["tcp", "tls", "ws", "wss"],
  path: ["unix", "ws", "wss"],
  mode: ["unix"],
  tls: ["tls", "wss"],
  websocket: ["ws", "wss"],
};

/**
 * Reads the list `listeners`.
 *
 * @param problems  Gets what is wrong, each with its place and the path of the key: `listeners[1].port`.
 */
export function readListeners(
  items: readonly ListItem[],
  problems: string[],
): ConfiguredListener[] {
  return items.map((item, index) => readListener(item, `listeners[${index}]`, problems));
}

function readListener(item: ListItem, path: string, problems: string[]): ConfiguredListener {
  const { place, values, keyPlaces } = readItem(listenerRows, item, path, problems, {
    check: (key, value) => {
      if (key === "port" && value === -1)
        return "a port 0 to 65535; leave the listener out to have none";
      if (key === "auth.methods" && !areMethods(words(value)))
        return `some of ${configuredMethods.join(", ")}`;
      return undefined;
    },
  });
  const transport = (values.get("transport") ?? "tcp") as string;
  for (const [key, keyPlace] of keyPlaces) {
    const taken = takers[key.split(".")[0]!];
    if (taken !== undefined && !taken.includes(transport))
      problems.push(
        `${keyPlace}: ${path}.${key} is for ${taken.join(", ")}, and this one is ${transport}`,
      );
  }
  if (transport === "unix" && !values.has("path"))
    problems.push(`${place}: ${path}.path is missing: a Unix socket needs a path`);
  return { place, values, options: optionsOf(values, transport) };
}

/** The words of a text with commas. */
function words(value: unknown): string[] {
  return String(value ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** Whether they are ways to enter, and any. */
function areMethods(names: readonly string[]): boolean {
  return names.length > 0 && names.every((name) => configuredMethods.some((one) => one === name));
}

function optionsOf(
  values: ReadonlyMap<ListenerKey, unknown>,
  transport: string,
): ConfiguredListener["options"] {
  const given = (names: Readonly<Record<string, ListenerKey>>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(names)
        .filter(([, key]) => values.has(key))
        .map(([name, key]) => [name, values.get(key)]),
    );
  const within = (name: string, part: Record<string, unknown>): Record<string, unknown> =>
    Object.keys(part).length === 0 ? {} : { [name]: part };
  const listed = (key: ListenerKey): string[] => words(values.get(key));
  const hasProxy = values.has("proxy.protocol") || values.has("proxy.trusted");
  const all = {
    ...(transport === "unix"
      ? given({ path: "path", mode: "mode" })
      : given({ host: "host", port: "port" })),
    ...within("auth", {
      ...given({ allowAnonymous: "auth.allowAnonymous" }),
      ...(values.has("auth.methods") && { methods: listed("auth.methods") }),
    }),
    ...within(
      "limits",
      given({
        connections: "limits.connections",
        messageRate: "limits.messageRate",
        byteRate: "limits.byteRate",
      }),
    ),
    ...within("mqtt", given({ maximumPacketSize: "mqtt.maximumPacketSize" })),
    ...(hasProxy && {
      proxy: { protocol: values.get("proxy.protocol") === true, trusted: listed("proxy.trusted") },
    }),
  };
  const secure = {
    ...within(
      "tlsFiles",
      given({
        certificate: "tls.certificate",
        key: "tls.key",
        keyPassphrase: "tls.keyPassphrase",
        ca: "tls.ca",
        crl: "tls.crl",
        minimumVersion: "tls.minimumVersion",
      }),
    ),
    ...given({ requestCertificate: "tls.requestCertificate" }),
  };
  if (transport === "tcp" || transport === "unix") return { transport, ...all };
  if (transport === "tls") return { transport, ...all, ...secure };
  return {
    transport: "websocket",
    ...all,
    ...given({
      path: "path",
      requiresSubprotocol: "websocket.requireSubprotocol",
      maximumMessageSize: "websocket.maximumMessageSize",
    }),
    ...(values.has("websocket.origins") && { origins: listed("websocket.origins") }),
    ...(transport === "wss" ? { secure: true, ...secure } : {}),
  };
}
