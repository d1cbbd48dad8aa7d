import type { Peer } from "@sericite/protocol";

/** What the request of a WebSocket carries. */
export interface UpgradeParts {
  readonly path: string;
  /** Lower-case names; those of the handshake itself are left out, and the cookies. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly cookies: Readonly<Record<string, string>>;
  /** Of a name that comes several times, the last. */
  readonly query: Readonly<Record<string, string>>;
}

const HANDSHAKE = /^(?:connection|upgrade|cookie|sec-websocket-.*)$/;

/** Takes the upgrade request of a WebSocket apart, for authenticators; `undefined` for other transports. */
export function upgradeParts({ upgrade }: Peer): UpgradeParts | undefined {
  if (upgrade === undefined) return undefined;
  const { url, headers } = upgrade;
  const [path = "", search = ""] = url.split(/\?(.*)/s);
  const kept = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !HANDSHAKE.test(name),
  );
  return {
    path,
    headers: Object.fromEntries(kept) as UpgradeParts["headers"],
    cookies: Object.fromEntries([headers["cookie"] ?? []].flat().flatMap(cookiesOf)),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

function cookiesOf(header: string): [string, string][] {
  return header.split(";").flatMap((pair): [string, string][] => {
    const at = pair.indexOf("=");
    if (at < 1) return [];
    const value = pair.slice(at + 1).trim();
    return [[pair.slice(0, at).trim(), value.replace(/^"(.*)"$/, "$1")]];
  });
}
