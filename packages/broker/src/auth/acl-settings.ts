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
  aclUrl: {
    type: "string",
    default: "",
    live: true,
    // A password may stand in it.
    secret: true,
    placeholder: "URL",
    expected: (value) => (value === "" || isHttp(value) ? undefined : "a URL with http or https"),
    text: 'Web service that is asked what a client may publish and get, after the file: POST of JSON, answered by {"allow": true} or {"allow": false}.',
  },
  aclTimeout: {
    type: "milliseconds",
    default: 2000,
    minimum: 1,
    live: true,
    text: "Time that the service has for an answer.",
  },
  aclCacheTtl: {
    type: "milliseconds",
    default: 60_000,
    live: true,
    text: "Time for which an answer of the service counts without a new question; 0: every message is asked about. A reconfiguration forgets all answers.",
  },
  aclWhenDown: {
    type: "choice",
    choices: ["deny", "cached"],
    default: "deny",
    live: true,
    text: "What counts where the service gives no answer: no, or its last answer to the question however old, and no where there was none.",
  },
  aclDelivery: {
    type: "boolean",
    default: true,
    live: true,
    text: "Whether the service is asked about deliveries too, once for each client and Topic Name. Without it a client gets all that its granted subscriptions match.",
  },
} as const satisfies SettingSection;

function isHttp(value: string): boolean {
  return /^https?:/i.test(value) && URL.canParse(value);
}
