import type { SettingSection } from "../engine/settings.ts";

/** Settings of JSON Web Tokens. */
export const jwtSettings = {
  keyFile: {
    type: "string",
    default: "",
    live: true,
    flag: "jwt-key-file",
    placeholder: "FILE",
    text: "File with what tokens are checked by: a set of keys (JWKS), a public key or certificate in PEM (RS256, ES256), or else a secret of 32 bytes or more (HS256). Empty: no tokens. Read again by every reconfiguration.",
  },
  issuer: {
    type: "string",
    default: "",
    live: true,
    text: "Issuer (iss) that tokens must have; empty: any.",
  },
  audience: {
    type: "string",
    default: "",
    live: true,
    text: "Audience (aud) that tokens must have among theirs; empty: any.",
  },
  usernameClaim: {
    type: "string",
    default: "sub",
    live: true,
    text: "Claim that becomes the username; empty: the username that the client sends counts.",
  },
  clientIdClaim: {
    type: "string",
    default: "",
    live: true,
    text: "Claim that the Client Identifier must be, in tokens that have it; a client that sends none gets it. Empty: none.",
  },
  aclClaim: {
    type: "string",
    default: "acl",
    live: true,
    text: "Claim with what the client may do, in tokens that have it: {publish, subscribe, deny}, each a list of Topic Filters. Empty: none.",
  },
  clockTolerance: {
    type: "seconds",
    default: 5,
    maximum: 3600,
    live: true,
    text: "What the clocks of issuer and broker may differ by.",
  },
  requireExpiry: {
    type: "boolean",
    default: true,
    live: true,
    text: "Refuse tokens without an expiry (exp). At the expiry the connection ends.",
  },
} as const satisfies SettingSection;
