import { stringify } from "yaml";
import { bridgeKeywords, mosquittoMapping } from "./mosquitto-mapping.ts";
import type { Mapping, Target } from "./mosquitto-mapping.ts";

/** A config file made of a mosquitto.conf. */
export interface Imported {
  /** YAML. */
  readonly text: string;
  /** What could not be taken as it was, each with its line first. Never the value: it may be a secret. */
  readonly notes: readonly string[];
}

/** Settings on their way: sections, or a listener, with values or further levels. */
type Tree = Record<string, unknown>;

/** Makes a config file of the text of a mosquitto.conf. */
export function importMosquitto(text: string, name: string): Imported {
  const settings: Tree = {};
  const listeners: Tree[] = [];
  const notes: string[] = [];
  let standard: Tree | undefined;
  let current: Tree | undefined;
  let isPerListener = false;
  let isInBridge = false;
  const listenerNow = (): Tree => current ?? (standard ??= { port: 1883 });
  const target: Target = {
    set: (path, value) => put(settings, path, value),
    get: (path) => valueAt(settings, path),
    setListener: (key, value) => put(listenerNow(), key, value),
    get isPerListener() {
      return isPerListener && current !== undefined;
    },
  };
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [, keyword, rest = ""] = /^\s*([^\s#]\S*)(?:\s+(.*?))?\s*$/.exec(line) ?? [];
    if (keyword === undefined) continue;
    const note = (said: string): void =>
      void notes.push(`${name}:${index + 1}: ${keyword}: ${said}`);
    if (keyword === "listener") {
      isInBridge = false;
      current = listenerOf(rest);
      listeners.push(current);
      if (!("port" in current) && !("path" in current)) note("expected a port");
    } else if (keyword === "connection") {
      isInBridge = true;
      note("bridges are not part of this version; what belongs to it is left out");
    } else if (keyword === "per_listener_settings") isPerListener = rest === "true";
    else if (keyword === "port") put(listenerNow(), "port", Number(rest));
    else if (keyword === "bind_address") put(listenerNow(), "host", rest);
    else if (keyword === "protocol") {
      if (rest === "websockets") put(listenerNow(), "transport", "ws");
    } else if (!isInBridge || !isOfBridge(keyword)) {
      const mapping = mappingOf(keyword);
      const said = mapping === undefined ? "not known" : mapping.take?.(rest, target);
      if (said !== undefined) note(said);
    }
  }
  if (standard !== undefined) listeners.unshift({ host: "0.0.0.0", ...standard });
  for (const listener of listeners) secure(listener);
  if (listeners.length > 0) settings["listeners"] = listeners.map(ordered);
  const comments = notes.map((said) => `# ${said}\n`).join("");
  const body = Object.keys(settings).length === 0 ? "" : stringify(settings, { lineWidth: 0 });
  return { text: `# Made of ${name}.\n${comments}${body}`, notes };
}

function listenerOf(rest: string): Tree {
  const [port, host] = rest.split(/\s+/);
  if (port === "0" && host?.startsWith("/") === true) return { transport: "unix", path: host };
  const number = /^\d+$/.test(port ?? "") ? { port: Number(port) } : {};
  // mosquitto listens everywhere where nothing is said.
  return { host: host ?? "0.0.0.0", ...number };
}

/** With a certificate it is TLS. */
function secure(listener: Tree): void {
  const tls = listener["tls"] as Tree | undefined;
  if (tls?.["certificate"] !== undefined)
    listener["transport"] = listener["transport"] === "ws" ? "wss" : "tls";
  else delete listener["tls"];
}

function ordered({ transport, host, port, ...rest }: Tree): Tree {
  const known = { transport, host, port, ...rest };
  return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
}

function put(tree: Tree, path: string, value: unknown): void {
  const [first, second] = path.split(".") as [string, string?];
  if (second === undefined) tree[first] = value;
  else ((tree[first] ??= {}) as Tree)[second] = value;
}

function valueAt(tree: Tree, path: string): unknown {
  const [first, second] = path.split(".") as [string, string];
  return (tree[first] as Tree | undefined)?.[second];
}

function isOfBridge(keyword: string): boolean {
  return /^(?:bridge|remote)_/.test(keyword) || bridgeKeywords.names.includes(keyword);
}

function mappingOf(keyword: string): Mapping | undefined {
  if (Object.hasOwn(mosquittoMapping, keyword)) return mosquittoMapping[keyword];
  if (isOfBridge(keyword)) return bridgeKeywords;
  return keyword.startsWith("plugin_") || keyword.startsWith("auth_opt_")
    ? mosquittoMapping["plugin"]
    : undefined;
}
