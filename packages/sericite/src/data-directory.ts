import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** What `defaultDataDirectory` goes by. Each has the running process as its default. */
export interface DataDirectoryWorld {
  /** Environment variables. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** The user's number; 0 is root, absent where the system has none. */
  readonly uid?: number | undefined;
  /** Home directory of the user. */
  readonly home?: string | undefined;
}

/** The rule of `defaultDataDirectory` in words, for help and documentation. */
export const defaultDataDirectoryText =
  "$XDG_STATE_HOME/sericite, else ~/.local/state/sericite; for root /var/lib/sericite";

/**
 * Directory that `sericite broker` keeps its store in where none is named, and that
 * `sericite store` looks at. It lies outside any checkout, and need not be there.
 *
 * @returns an absolute path: `/var/lib/sericite` for root; else `sericite` in `$XDG_STATE_HOME`,
 *   which counts only where it is absolute, or in `~/.local/state`.
 */
export function defaultDataDirectory(world: DataDirectoryWorld = {}): string {
  const { env = process.env, uid = process.getuid?.(), home = homedir() } = world;
  if (uid === 0) return "/var/lib/sericite";
  const stateHome = env["XDG_STATE_HOME"] ?? "";
  return join(isAbsolute(stateHome) ? stateHome : join(home, ".local", "state"), "sericite");
}
