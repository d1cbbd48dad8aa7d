import type { SettingSection } from "../engine/settings.ts";

/** Settings of who may publish and get what: a part of the section `auth`. */
export const aclSettings = {
  aclFile: {
    type: "string",
    default: "",
    live: true,
    flag: "acl-file",
    placeholder: "FILE",
    text: "File of rules that say which topics a client may publish to and get. What no rule allows is denied. Read again by every reconfiguration.",
  },
} as const satisfies SettingSection;
