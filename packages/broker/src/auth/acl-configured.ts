import { readFileSync } from "node:fs";
import { UsageError } from "@sericite/protocol";
import { joinHooks } from "../engine/hooks.ts";
import type { Hooks } from "../engine/hooks.ts";
import { Acl } from "./acl.ts";
import { AclRules } from "./acl-file.ts";
import type { AuthSettings } from "./settings.ts";

/** The access rules that the settings ask for. */
export class ConfiguredAcl {
  #file: { readonly name: string; readonly text: string; readonly acl: Acl } | undefined;

  /** @throws UsageError ERR_ACL for a file that cannot be read. */
  constructor(auth: AuthSettings["auth"]) {
    this.prepareReload(auth)?.();
  }

  /** What a broker asks; `undefined` where the settings ask for no rules. */
  get hooks(): Hooks | undefined {
    const all = this.#file === undefined ? [] : [this.#file.acl.hooks];
    return all.length === 0 ? undefined : joinHooks(all);
  }

  /**
   * Reads the file anew, also where its name stays.
   *
   * @returns what puts the rules in force; `undefined` where they are the same. `hooks` may be
   * others then.
   * @throws UsageError ERR_ACL for a file that cannot be read: then nothing changes.
   */
  prepareReload({ aclFile: name }: AuthSettings["auth"]): (() => void) | undefined {
    const before = this.#file;
    if (name === "") return before === undefined ? undefined : () => (this.#file = undefined);
    const text = read(name);
    if (before?.name === name && before.text === text) return undefined;
    const rules = AclRules.parse(text, name);
    return () => {
      before?.acl.reload(rules);
      this.#file = { name, text, acl: before?.acl ?? new Acl(rules) };
    };
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const seen =
      code === "ENOENT"
        ? `there is no file ${file}`
        : code === "EACCES"
          ? `this user may not read ${file}`
          : `${file}: ${message}`;
    throw new UsageError("ERR_ACL", `auth.aclFile: ${seen}`, { cause });
  }
}
