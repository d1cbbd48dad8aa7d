import type { SettingSection } from "../engine/settings.ts";

/** Settings of the web service that says who may enter: a part of the section `auth`. */
export const callbackSettings = {
  callbackUrl: {
    type: "string",
    default: "",
    live: true,
    // A password may stand in it.
    secret: true,
    placeholder: "URL",
    expected: (value) =>
      value === "" || /^https?:$/.test(URL.parse(value)?.protocol ?? "")
        ? undefined
        : "a URL with http or https",
    text: 'Web service that is asked who may enter, after all others: POST of JSON, answered by {"allow": true} or {"allow": false}. It is sent the password: use https, or a service on this machine. Empty: none.',
  },
  callbackTimeout: {
    type: "milliseconds",
    default: 2000,
    minimum: 1,
    live: true,
    text: "Time that the service has for an answer.",
  },
  callbackCacheTtl: {
    type: "milliseconds",
    default: 60_000,
    live: true,
    text: "Time for which an answer of the service counts for the same client with the same credentials, without a new question; 0: none is remembered. A reconfiguration forgets all answers.",
  },
  callbackWhenDown: {
    type: "choice",
    choices: ["refuse", "cached"],
    default: "refuse",
    live: true,
    text: "What happens where the service gives no answer: the client is refused with 0x88 (in 3.x return code 3), or its last answer to the same question counts, however old, and only where there was none the client is refused.",
  },
} as const satisfies SettingSection;
