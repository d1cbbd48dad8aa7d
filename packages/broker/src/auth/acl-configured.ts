import { readFileSync } from "node:fs";
import { UsageError } from "@sericite/protocol";
import { joinHooks } from "../engine/hooks.ts";
import type { Hooks } from "../engine/hooks.ts";
import { Acl } from "./acl.ts";
import { AclCallback } from "./acl-callback.ts";
import type { AclCallbackOptions, AclCallbackTools } from "./acl-callback.ts";
import { AclRules } from "./acl-file.ts";
import type { aclSettings } from "./acl-settings.ts";
import type { AuthSettings } from "./settings.ts";
import { unreadable } from "./unreadable.ts";

/** The settings that it looks at. */
type Asked = Pick<AuthSettings["auth"], keyof typeof aclSettings>;

/** The access rules that the settings ask for: a file, a web service, both in this order, or none. */
export class ConfiguredAcl {
  readonly #tools: AclCallbackTools;
  #file: { readonly name: string; readonly text: string; readonly acl: Acl } | undefined;
  #callback: AclCallback | undefined;

  /** @throws UsageError ERR_ACL for a file that cannot be read. */
  constructor(auth: Asked, tools: AclCallbackTools) {
    this.#tools = tools;
    this.prepareReload(auth).commit();
  }

  /** What a broker asks; `undefined` where the settings ask for no rules. */
  get hooks(): Hooks | undefined {
    const all = [this.#file?.acl.hooks, this.#callback?.hooks].filter((one) => one !== undefined);
    return all.length === 0 ? undefined : joinHooks(all);
  }

  /**
   * Reads the file anew, also where its name stays.
   *
   * @returns whether it says something else, and what puts all in force, also that the service is
   * asked anew. `hooks` are others then.
   * @throws UsageError ERR_ACL for a file that cannot be read: then nothing changes.
   */
  prepareReload(auth: Asked): { readonly isFileChanged: boolean; commit(): void } {
    const before = this.#file;
    const { aclFile: name } = auth;
    const text = name === "" ? "" : read(name);
    const isFileChanged = name !== (before?.name ?? "") || text !== (before?.text ?? "");
    const rules = isFileChanged && name !== "" ? AclRules.parse(text, name) : undefined;
    return {
      isFileChanged,
      commit: () => {
        if (name === "") this.#file = undefined;
        else if (rules !== undefined) {
          before?.acl.reload(rules);
          this.#file = { name, text, acl: before?.acl ?? new Acl(rules) };
        }
        const options = optionsOf(auth);
        if (this.#callback?.isAskedBy(options) === true) return this.#callback.forget();
        this.#callback?.close();
        this.#callback = auth.aclUrl === "" ? undefined : new AclCallback(options, this.#tools);
      },
    };
  }

  /** Ends its connections, once what is under way is answered. */
  close(): void {
    this.#callback?.close();
  }
}

/** Reads the file of rules that the settings name. @throws UsageError ERR_ACL for one that cannot be used. */
export function checkAclFile({ aclFile: name }: Asked): void {
  if (name !== "") AclRules.parse(read(name), name);
}

function optionsOf(auth: Asked): AclCallbackOptions {
  return {
    url: auth.aclUrl,
    timeoutMs: auth.aclTimeout,
    cacheTtlMs: auth.aclCacheTtl,
    whenDown: auth.aclWhenDown as AclCallbackOptions["whenDown"],
    asksDelivery: auth.aclDelivery,
  };
}
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new UsageError("ERR_ACL", `auth.aclFile: ${unreadable(file, cause)}`, { cause });
  }
}
