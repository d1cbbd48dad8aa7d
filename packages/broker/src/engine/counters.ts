/** One counter as data: names in metrics and documentation come from it. */
export interface CounterRow {
  readonly text: string;
  readonly unit?: "bytes" | "seconds";
}

/** Everything that the engine counts. Numbers rise only, from the start of the broker. */
export const counterTable = {
  connectionsAccepted: { text: "Connections accepted by listeners." },
  connectionsRefused: {
    text: "Connections closed before CONNECT: one too many beyond limits.refusalReserve, or refused by a hook.",
  },
  handshakesRefused: {
    text: "Connections that ended in a PROXY header, a TLS handshake or an HTTP upgrade, or before it.",
  },
  connectionsClosed: { text: "Connections that ended." },
  connectAccepted: { text: "CONNECTs answered with success." },
  connectRefused: { text: "CONNECTs answered with a failure." },
  connectBanned: { text: "CONNECTs refused because of a ban (0x8A)." },
  connectTooMany: {
    text: "CONNECTs refused because of limits.connections or limits.connectionsPerAddress (0x97).",
  },
  connectRateExceeded: {
    text: "CONNECTs refused because of limits.connectRate or limits.connectRatePerAddress (0x9F).",
  },
  connectUserRefused: {
    text: "CONNECTs refused because their Username had limits.connectionsPerUser connections (0x97).",
  },
  flappingBans: { text: "Client Identifiers banned because they connected too often." },
  ratePauses: {
    text: "Pauses of clients that published more than limits.messageRate or limits.byteRate.",
  },
  rateDisconnects: {
    text: "Connections ended because the client published more than it may (0x96).",
  },
  overloads: { text: "Times that the broker had too much to do." },
  overloadRefused: { text: "CONNECTs refused because of overload (0x89)." },
  overloadDisconnects: { text: "Slow clients disconnected because of overload (0x97)." },
  authenticationsExpired: {
    text: "Connections ended because what let them in had expired, such as a token.",
  },
  callbackQuestions: { text: "Clients that the web service of auth.callbackUrl was asked about." },
  callbackAnswersRemembered: {
    text: "Clients that came in, or not, by what that service had said before.",
  },
  callbackFailures: { text: "Times that service gave no answer, or none that is understood." },
  passwordsHashed: { text: "Passwords that were hashed to check them." },
  passwordsRemembered: { text: "Passwords whose check was remembered: no hash was needed." },
  passwordsLate: {
    text: "Clients told to come again because their password waited too long to be hashed.",
  },
  accessQuestions: { text: "Questions put to the web service of auth.aclUrl." },
  accessAnswersRemembered: {
    text: "Questions about access that an answer which is remembered settled.",
  },
  accessFailures: { text: "Questions to which the web service of auth.aclUrl gave no answer." },
  unpacked: { text: "Compressed payloads that were unpacked for who does not read them." },
  unpackFailures: {
    text: "Compressed payloads that could not be unpacked, or are above mqtt.unpackBytes then: they go as they are.",
  },
  connectTimeouts: { text: "Connections closed because no CONNECT came in time." },
  keepAliveTimeouts: {
    text: "Connections closed because nothing was received for 1.5 times the Keep Alive.",
  },
  clientsConnected: { text: "Clients that were let in." },
  clientsDisconnected: { text: "Clients that were let in and are gone." },
  takeovers: { text: "Connections ended because another one took over their session." },
  protocolErrors: { text: "Connections ended because the client broke the protocol." },
  slowConsumers: { text: "Connections ended because the client did not read." },
  bytesReceived: { text: "Bytes received.", unit: "bytes" },
  bytesSent: { text: "Bytes sent.", unit: "bytes" },
  packetsReceived: { text: "Packets received." },
  publishReceived: { text: "PUBLISH packets received." },
  publishRefused: { text: "PUBLISH packets refused, by permission, hook or limit." },
  publishSent: { text: "PUBLISH packets sent, repeats included." },
  publishResent: { text: "PUBLISH and PUBREL packets sent again." },
  retriesExhausted: {
    text: "Connections ended because a packet stayed unacknowledged after all retries.",
  },
  messagesRouted: {
    text: "Messages that entered the engine, from clients, Wills and the embedding program.",
  },
  messagesUnmatched: { text: "Messages for which no subscription matched." },
  messagesQueued: {
    text: "Messages put into a session's queue. Most that can leave at once are not.",
  },
  messagesAcknowledged: { text: "QoS 1 and 2 messages that their receivers acknowledged." },
  subscriptionsGranted: { text: "Topic Filters granted." },
  subscriptionsRefused: { text: "Topic Filters refused." },
  delayedPublished: { text: "Delayed messages whose time came." },
  willsPublished: { text: "Will Messages published." },
  sessionsStarted: { text: "Sessions begun." },
  sessionsResumed: { text: "Sessions resumed." },
  sessionsExpired: { text: "Sessions ended because they were without a connection for too long." },
  sessionsEnded: { text: "Sessions ended." },
  hookTimeouts: { text: "Hooks that did not answer in time, which counts as refusal." },
  hookErrors: { text: "Hooks that threw or rejected, which counts as refusal." },
  internalErrors: {
    text: "Faults of the broker itself; each ended one connection. Please report them.",
  },
  listenerErrors: { text: "Event listeners that threw." },
} as const satisfies Readonly<Record<string, CounterRow>>;

/** Name of a counter. */
export type CounterName = keyof typeof counterTable;

/** The counters: plain numbers, added to where things happen. */
export type Counters = { [N in CounterName]: number };

/** Counters at zero. */
export function createCounters(): Counters {
  // In one go: see `fast-objects.test.ts`.
  return Object.fromEntries(Object.keys(counterTable).map((name) => [name, 0])) as Counters;
}
