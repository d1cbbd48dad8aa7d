/** Every event of the audit log, with what it tells. */
export const auditEvents = {
  "audit-connected": "A client was let in.",
  "audit-disconnected": "A client that was let in is gone; `reason` says why.",
  "audit-refused": "A client was not let in; `reasonCode` and `reason` say why.",
  "audit-connection-refused": "A connection ended before it was a client; `reason` says why.",
  "audit-subscription-refused": "A client asked for a Topic Filter that it does not get.",
  "audit-publish-refused":
    "A client published a message, or left a Will, that has no effect; `reason` says why.",
  "audit-delivery-refused": "A client does not get a message of a topic, since it may not.",
  "audit-left-out": "So many lines of the event `left` were left out in a flood.",
} as const;

/** Name of an event of the audit log. */
export type AuditEvent = keyof typeof auditEvents;

/** Takes a line of the audit log. */
export type AuditWrite = (event: AuditEvent, fields: Readonly<Record<string, unknown>>) => void;
