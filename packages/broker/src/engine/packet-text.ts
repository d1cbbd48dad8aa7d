import type { Packet, UserProperty } from "@sericite/protocol";

/** User Properties whose value is not shown. */
const secretName = /passw|secret|token|auth|credential|key/i;
/** Fields whose value is not shown. */
const secretFields: ReadonlySet<string> = new Set(["password", "authenticationData"]);
/** Longest text of a packet. Characters. */
const MOST = 2000;

/**
 * A packet for people: its type, then what is set of its fields. Passwords, Authentication Data and
 * payloads are left out; of payloads and other binary values only the length is told.
 *
 * @returns such as `PUBLISH topicName="a/b" payload=(5 bytes) qos=1 packetIdentifier=7`.
 */
export function packetText(packet: Packet): string {
  const { type, ...fields } = packet;
  const text = [type.toUpperCase(), ...fieldTexts(fields)].join(" ");
  return text.length <= MOST ? text : `${text.slice(0, MOST)}… (${text.length} characters)`;
}

function fieldTexts(fields: object): string[] {
  return Object.entries(fields).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (name === "properties") return fieldTexts(value as object);
    return value === true ? [name] : [`${name}=${valueText(name, value)}`];
  });
}

function valueText(name: string, value: unknown): string {
  if (secretFields.has(name)) return "(hidden)";
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (name === "userProperties") return userPropertiesText(value as readonly UserProperty[]);
  if (name === "reasonCode" || name === "reasonCodes") return codesText(value);
  if (Array.isArray(value))
    return `[${value.map((one: unknown) => valueText("", one)).join(", ")}]`;
  if (typeof value === "object" && value !== null) return `{${fieldTexts(value).join(" ")}}`;
  return JSON.stringify(value);
}

function userPropertiesText(properties: readonly UserProperty[]): string {
  const shown = properties.map(([name, value]) => {
    return `${JSON.stringify(name)}: ${secretName.test(name) ? "(hidden)" : JSON.stringify(value)}`;
  });
  return `{${shown.join(", ")}}`;
}

function codesText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(codesText).join(", ")}]`;
  return `0x${(value as number).toString(16).padStart(2, "0")}`;
}
