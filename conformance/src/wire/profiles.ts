import { createBroker } from "@sericite/broker";
import type { Authenticator, Broker, BrokerOptions, PartialSettings } from "@sericite/broker";
import type { Feature, Profile } from "./case.ts";
import type { Target } from "./runner.ts";

/** Everything that a case may ask of our own broker. */
const allFeatures: ReadonlySet<Feature> = new Set<Feature>([
  "retained",
  "wildcards",
  "shared-subscriptions",
  "queue-subscriptions",
  "subscription-identifiers",
  "topic-alias-inbound",
  "topic-alias-outbound",
  "will-delay",
  "mqtt-3.1",
  "delayed",
  "websocket",
]);

/**
 * Methods for enhanced authentication: "echo" accepts at once and gives the data back; "steps"
 * asks with "challenge", takes "answer" and accepts with "welcome"; "refuse" refuses with 0x87.
 */
const methods: Authenticator = {
  authenticate: () => ({ accepted: true }),
  exchange(method) {
    if (method === "echo") return { step: (data) => ({ type: "accept", data }) };
    if (method === "refuse") return { step: () => ({ type: "refuse", reasonCode: 0x87 }) };
    if (method !== "steps") return undefined;
    let asked = false;
    return {
      step(data) {
        if (!asked) {
          asked = true;
          return { type: "continue", data: Buffer.from("challenge") };
        }
        return Buffer.from(data ?? []).toString() === "answer"
          ? { type: "accept", data: Buffer.from("welcome") }
          : { type: "refuse", reasonCode: 0x87, reason: "wrong answer" };
      },
    };
  },
};

function settings(given: PartialSettings): BrokerOptions {
  return { settings: given };
}

/** What a Client Identifier that ends so is refused with, in the profile "deny". 0x93 is no code of CONNACK. */
const refusals: Readonly<Record<string, number>> = {
  rejected: 0x85,
  busy: 0x88,
  banned: 0x8a,
  strange: 0x93,
};

/** How a broker is made for each profile. */
const profiles: Readonly<Record<Profile, BrokerOptions>> = {
  default: {},
  "qos-0-only": settings({ mqtt: { maximumQos: 0 } }),
  "qos-1-at-most": settings({ mqtt: { maximumQos: 1 } }),
  "no-retain": settings({ mqtt: { retainAvailable: false } }),
  "no-wildcards": settings({ mqtt: { wildcardSubscriptionAvailable: false } }),
  "no-shared": settings({ mqtt: { sharedSubscriptionAvailable: false } }),
  "no-subscription-identifiers": settings({ mqtt: { subscriptionIdentifiersAvailable: false } }),
  "no-topic-alias": settings({ mqtt: { topicAliasMaximum: 0, topicAliasOutboundMaximum: 0 } }),
  "enhanced-authentication": { authenticator: methods },
  "small-packets": settings({ mqtt: { maximumPacketSize: 1024 } }),
  "receive-maximum-2": settings({ mqtt: { receiveMaximum: 2 } }),
  "server-keep-alive": settings({ mqtt: { maximumKeepAlive: 30 } }),
  "payload-format": settings({ mqtt: { checkPayloadFormat: true } }),
  "response-information": settings({ mqtt: { responseInformation: "response/%c/" } }),
  "server-reference": settings({ mqtt: { serverReference: "other.example:1883 third.example" } }),
  "strict-client-identifier": settings({ mqtt: { strictClientIdentifier: true } }),
  password: settings({ auth: { username: "user", password: "secret" } }),
  deny: {
    authenticator: ({ clientId }) => {
      const refusal = Object.keys(refusals).find((name) => clientId.endsWith(name));
      return refusal === undefined
        ? { accepted: true }
        : { accepted: false, reasonCode: refusals[refusal], reason: `this one is ${refusal}` };
    },
    hooks: {
      authorizePublish: (_client, { topicName }) => !hasLevel(topicName, "forbidden"),
      authorizeSubscribe: (_client, { topicFilter }) => !hasLevel(topicFilter, "forbidden"),
      authorizeDelivery: (_client, { topicName }) => !hasLevel(topicName, "secret"),
    },
  },
  retry: settings({ mqtt: { retryInterval: 200, retryMaximum: 2 } }),
  sys: settings({ sys: { interval: 100, presence: true } }),
  "connect-timeout": settings({ mqtt: { connectTimeout: 300 } }),
  "short-expiry": settings({ session: { maximumExpiryInterval: 2 } }),
  "dollar-topics": settings({ mqtt: { allowDollarTopics: true } }),
  "queue-qos-0": settings({ session: { queueQos0: true } }),
};

function hasLevel(topic: string, level: string): boolean {
  return topic.split("/").includes(level);
}

/** A broker of ours in this process, set up as a profile says. */
export interface OwnBroker extends AsyncDisposable {
  readonly broker: Broker;
  readonly target: Target;
}

/** Starts our broker on a free port of loopback. */
export async function startOwnBroker(profile: Profile): Promise<OwnBroker> {
  const broker = await createBroker(profiles[profile]);
  const host = "127.0.0.1";
  const { port } = await broker.listen({ host, port: 0 });
  const webSocket = await broker.listen({ transport: "websocket", host, port: 0 });
  return {
    broker,
    target: {
      host,
      port: port!,
      webSocketUrl: `ws://${host}:${webSocket.port}/mqtt`,
      isOurs: true,
      profile,
      features: allFeatures,
      control: {
        disconnectClient: async (clientId) => void (await broker.disconnectClient(clientId)),
        close: () => broker.close(),
      },
    },
    [Symbol.asyncDispose]: () => broker.close({ timeoutMs: 200 }),
  };
}
