import type { ConnectOptions, ProtocolVersion, QoS, TlsOptions } from "@sericite/client";
import { usageError } from "../errors.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine, GivenOption, OptionRow } from "../options/option.ts";
import { propertyWords, readProperties, wholeNumber } from "./property-options.ts";
import type { GivenProperties } from "./property-options.ts";
import { readTls, tlsOptions } from "./tls-options.ts";

const server = "Server";
const session = "Session";
const will = "Will";
const output = "Output";
const reserved = "Reserved";
const tls = "this part of TLS";

/** Options that `pub` and `sub` share, with the names that mosquitto's clients gave them. */
export const connectionOptions: readonly OptionRow[] = [
  {
    name: "host",
    short: "h",
    value: "HOST",
    group: server,
    text: "Host of the broker. Default localhost.",
  },
  {
    name: "port",
    short: "p",
    value: "PORT",
    group: server,
    text: "Its port. Default 1883, with TLS 8883; for WebSockets 80 and 443.",
  },
  {
    name: "url",
    short: "L",
    value: "URL",
    group: server,
    text: "mqtt://[username[:password]@]host[:port]/topic in place of -h, -p, -u, -P and -t; mqtts:// for TLS, ws:// and wss:// for WebSockets.",
  },
  {
    name: "ws-path",
    value: "PATH",
    group: server,
    text: "Path of a WebSocket. Default /mqtt.",
  },
  {
    name: "unix",
    value: "PATH",
    group: server,
    text: "Unix socket of the broker, in place of -h and -p.",
  },
  { name: "username", short: "u", value: "NAME", group: server, text: "Username." },
  {
    name: "pw",
    short: "P",
    value: "PASSWORD",
    group: server,
    text: "Password. Other users of the machine can see it while the command runs.",
  },
  {
    name: "protocol-version",
    short: "V",
    value: "VERSION",
    group: server,
    text: "mqttv5 (5), mqttv311 (311) or mqttv31 (31). Default mqttv311; mqttv5 where another option needs it (-D, -x and the like).",
  },
  {
    name: "id",
    short: "i",
    value: "ID",
    group: session,
    text: "Client Identifier. Default: one by chance.",
  },
  {
    name: "id-prefix",
    short: "I",
    value: "PREFIX",
    group: session,
    text: "Client Identifier made of this and the process number.",
  },
  {
    name: "keepalive",
    short: "k",
    value: "SECONDS",
    group: session,
    text: "Keep Alive; 0 turns it off. Default 60.",
  },
  {
    name: "disable-clean-session",
    short: "c",
    group: session,
    text: "Keep the session at the broker after the end, and resume one that is there. Needs -i.",
  },
  {
    name: "session-expiry-interval",
    short: "x",
    value: "SECONDS",
    group: session,
    text: "MQTT 5: how long the broker keeps the session; -1 for ever. Default for ever with -c, else 0.",
  },
  {
    name: "max-inflight",
    short: "M",
    value: "N",
    group: session,
    text: "QoS 1 and 2 messages under way at the same time. Default 20.",
  },
  {
    name: "property",
    short: "D",
    value: "PACKET PROPERTY VALUE",
    words: propertyWords,
    multiple: true,
    group: session,
    text: "MQTT 5: set a property of connect, publish, will or disconnect: `-D publish content-type text/plain`. A user-property has a name and a value.",
  },
  {
    name: "will-topic",
    value: "TOPIC",
    group: will,
    text: "Topic Name of the Will: the broker publishes it if this client is lost.",
  },
  { name: "will-payload", value: "TEXT", group: will, text: "Its payload. Default empty." },
  { name: "will-qos", value: "QOS", group: will, text: "Its QoS. Default 0." },
  { name: "will-retain", group: will, text: "Have it retained." },
  ...tlsOptions,
  { name: "debug", short: "d", group: output, text: "Say on standard error what goes on." },
  {
    name: "quiet",
    group: output,
    text: "Print no errors while running; the exit code still tells.",
  },
  { name: "help", group: output, text: "Print this." },
  { name: "nodelay", group: reserved, text: "Always so; taken for compatibility." },
  {
    name: "bind-address",
    short: "A",
    value: "ADDRESS",
    later: "a choice of the local address",
    group: reserved,
    text: "Local address to connect from.",
  },
  { name: "tls-version", value: "VERSION", later: tls, group: reserved, text: "TLS version." },
  {
    name: "tls-use-os-certs",
    later: tls,
    group: reserved,
    text: "Trust the system's certificates.",
  },
  { name: "ciphers", value: "LIST", later: tls, group: reserved, text: "Ciphers." },
  { name: "psk", value: "KEY", later: tls, group: reserved, text: "Pre-shared key." },
  {
    name: "psk-identity",
    value: "NAME",
    later: tls,
    group: reserved,
    text: "Identity of the key.",
  },
  { name: "proxy", value: "URL", later: "SOCKS proxies", group: reserved, text: "SOCKS5 proxy." },
];

/** Where and how to connect, as a command line says it. */
export interface ConnectionRequest {
  readonly url: string;
  /** Topic of `-L`, or `undefined`. */
  readonly urlTopic: string | undefined;
  readonly client: ConnectOptions;
  readonly properties: GivenProperties;
  readonly isDebug: boolean;
  readonly isQuiet: boolean;
}

const versions: Readonly<Record<string, ProtocolVersion>> = {
  mqttv5: 5,
  "5": 5,
  mqttv311: 4,
  "311": 4,
  mqttv31: 3,
  "31": 3,
};

/**
 * Read the options that `pub` and `sub` share.
 *
 * @param needs5  An option of the command itself needs MQTT 5.
 * @throws UsageError for what contradicts itself or is no value.
 */
export function readConnection(line: CommandLine, needs5: boolean): ConnectionRequest {
  const text = (name: string): string | undefined => lastOption(line, name)?.words[0];
  const has = (name: string): boolean => lastOption(line, name) !== undefined;
  const properties = readProperties(allWords(line, "property"));
  const protocolVersion = readVersion(
    lastOption(line, "protocol-version"),
    needs5 || has("property") || has("session-expiry-interval"),
  );
  const address = readAddress(text("url"));
  const username = text("username") ?? address.username;
  const password = text("pw") ?? address.password;
  if (password !== undefined && username === undefined && protocolVersion < 5) {
    throw usageError(
      "ERR_OPTION_VALUE",
      "-P needs -u: only MQTT 5 has a password without a username",
    ); // [MQTT3-3.1.2-22]
  }
  const cleanStart = !has("disable-clean-session");
  const clientId = readClientId(line);
  if (!cleanStart && clientId === undefined) {
    throw usageError(
      "ERR_OPTION_VALUE",
      "-c needs -i: nobody could come back for the session of an unknown Client Identifier",
    );
  }
  const tls = readTls(line);
  return {
    url: urlOf(line, address, tls),
    urlTopic: address.topic,
    properties,
    isDebug: has("debug"),
    isQuiet: has("quiet"),
    client: {
      ...properties.connect,
      protocolVersion,
      cleanStart,
      clientId,
      username,
      password,
      keepAlive: has("keepalive") ? wholeNumber(text("keepalive")!, 65535, "-k") : 60,
      sessionExpiryInterval:
        readExpiry(text("session-expiry-interval")) ??
        properties.connect.sessionExpiryInterval ??
        (cleanStart ? 0 : 0xffff_ffff),
      inFlightMaximum: has("max-inflight")
        ? wholeNumber(text("max-inflight")!, 65535, "-M", 1)
        : 20,
      will: readWill(line, properties),
      tls,
      queue: { qos0: true },
    },
  };
}

/** Where to connect, as the client takes it. */
function urlOf(line: CommandLine, address: Address, tls: TlsOptions | undefined): string {
  const text = (name: string): string | undefined => lastOption(line, name)?.words[0];
  const socket = text("unix");
  if (socket !== undefined) {
    const other = ["host", "port", "url"].find((name) => lastOption(line, name));
    if (other !== undefined || tls !== undefined)
      throw usageError("ERR_OPTION_VALUE", "--unix needs no other address, and has no TLS");
    return `unix:${socket}`;
  }
  const { scheme: given = "mqtt" } = address;
  // Who says how TLS is to be wants it.
  const scheme = tls === undefined || (given.endsWith("s") && given !== "ws") ? given : `${given}s`;
  const host = text("host") ?? address.host ?? "localhost";
  const word = text("port");
  const port = word === undefined ? address.port : wholeNumber(word, 65535, "-p", 1);
  const isWebSocket = scheme === "ws" || scheme === "wss";
  const path = text("ws-path");
  if (path !== undefined && (!isWebSocket || !path.startsWith("/")))
    throw usageError("ERR_OPTION_VALUE", "--ws-path needs -L ws:// or wss://, and begins with /");
  const authority = `${host.includes(":") ? `[${host}]` : host}:${port ?? defaultPorts[scheme]}`;
  return `${scheme}://${authority}${isWebSocket ? (path ?? "/mqtt") : ""}`;
}

/** Words of every use of an option, in order. */
export function allWords(line: CommandLine, name: string): (readonly string[])[] {
  return line.options.filter((option) => option.row.name === name).map((option) => option.words);
}

/** The word of the last use of an option, or `undefined`. */
export function lastOptionWord(line: CommandLine, name: string): string | undefined {
  return lastOption(line, name)?.words[0];
}

/** @throws UsageError where the word is not 0, 1 or 2. */
export function readQos(word: string | undefined, written: string): QoS {
  return wholeNumber(word ?? "0", 2, written) as QoS;
}

function readVersion(option: GivenOption | undefined, needs5: boolean): ProtocolVersion {
  if (!option) return needs5 ? 5 : 4;
  const version = Object.hasOwn(versions, option.words[0]!)
    ? versions[option.words[0]!]
    : undefined;
  if (version === undefined) {
    throw usageError(
      "ERR_OPTION_VALUE",
      `${option.written} is "${option.words[0]}", expected mqttv5, mqttv311 or mqttv31`,
    );
  }
  if (needs5 && version !== 5) {
    throw usageError(
      "ERR_OPTION_VALUE",
      `${option.written} ${option.words[0]}: another option needs MQTT 5 (-D, -x, --no-local, --retain-as-published or --retain-handling)`,
    );
  }
  return version;
}

function readClientId(line: CommandLine): string | undefined {
  const id = lastOption(line, "id")?.words[0];
  const prefix = lastOption(line, "id-prefix")?.words[0];
  if (id !== undefined && prefix !== undefined)
    throw usageError("ERR_OPTION_VALUE", "-i and -I cannot be used together");
  return prefix === undefined ? id : `${prefix}${process.pid}`;
}

function readExpiry(word: string | undefined): number | undefined {
  if (word === undefined) return undefined;
  return word === "-1" || word === "∞" ? 0xffff_ffff : wholeNumber(word, 0xffff_ffff, "-x");
}

function readWill(line: CommandLine, properties: GivenProperties): ConnectOptions["will"] {
  const topicName = lastOption(line, "will-topic")?.words[0];
  const others = ["will-payload", "will-qos", "will-retain"].find((name) => lastOption(line, name));
  if (topicName === undefined) {
    if (others !== undefined)
      throw usageError("ERR_OPTION_VALUE", `--${others} needs --will-topic`);
    if (Object.keys(properties.will).length > 0)
      throw usageError("ERR_OPTION_VALUE", "-D will needs --will-topic");
    return undefined;
  }
  return {
    topicName,
    payload: lastOption(line, "will-payload")?.words[0] ?? "",
    qos: readQos(lastOption(line, "will-qos")?.words[0], "--will-qos"),
    retain: lastOption(line, "will-retain") !== undefined,
    properties: properties.will,
  };
}

/** By scheme. */
const defaultPorts: Readonly<Record<string, number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
};

interface Address {
  readonly scheme?: string;
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly topic?: string;
}

function readAddress(text: string | undefined): Address {
  if (text === undefined) return {};
  const [, scheme, user, rest] = /^([a-z]+):\/\/(?:([^@/]*)@)?(.*)$/.exec(text) ?? [];
  const [, host, port, topic] =
    /^(\[[^\]]+\]|[^:/]*)(?::(\d+))?(?:\/(.*))?$/.exec(rest ?? "") ?? [];
  if (scheme === undefined || !Object.hasOwn(defaultPorts, scheme) || !host) {
    throw usageError(
      "ERR_OPTION_VALUE",
      "-L: expected mqtt://[username[:password]@]host[:port]/topic, or the same with mqtts, ws or wss",
    );
  }
  const colon = user?.indexOf(":") ?? -1;
  return {
    scheme,
    host: host.replace(/^\[|\]$/g, ""),
    ...(port === undefined ? {} : { port: wholeNumber(port, 65535, "-L: port", 1) }),
    ...(user === undefined
      ? {}
      : { username: percentDecoded(colon < 0 ? user : user.slice(0, colon)) }),
    ...(colon < 0 ? {} : { password: percentDecoded(user!.slice(colon + 1)) }),
    ...(topic ? { topic } : {}),
  };
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw usageError(
      "ERR_OPTION_VALUE",
      "-L: username or password has a % that is no escape; write it as %25",
      cause,
    );
  }
}
