/**
 * What is run together: scenarios of `bench/peers/compare.sh` whose figures stand beside each
 * other, and the brokers that take turns in them. A group is short enough that the machine is in
 * much the same state for all of its brokers in one round.
 */

/** A run of `compare.sh`. */
export interface Group {
  readonly name: string;
  readonly what: string;
  readonly scenarios: readonly string[];
  /** In the order in which they take turns. */
  readonly brokers: readonly string[];
  /** Fewest rounds, where the figures need more than `--rounds`. */
  readonly leastRounds?: number;
  /** Most rounds, where one run takes long and its figures differ little. */
  readonly mostRounds?: number;
  /** Each scenario has a process of its own: one that did other work before runs some scenarios slower. */
  readonly isFresh?: boolean;
}

/** Brokers that come to mind as peers; the first is the one that ratios refer to. */
export const PEERS = ["mosquitto", "rumqttd", "mica-mqtt", "hivemq-ce", "mochi", "aedes"] as const;

const ALL = [...PEERS, "sericite"];
const TWO = ["mosquitto", "sericite"];

/** All groups, in the order in which they are run. */
export const GROUPS: readonly Group[] = [
  {
    name: "pairs",
    what: "100 publishers, 100 subscribers, each pair with a topic of its own",
    scenarios: ["pairs-q0", "pairs-q1", "pairs-q2"],
    brokers: ALL,
  },
  {
    name: "fanout",
    what: "one publisher, 500 subscribers",
    scenarios: ["fanout-q0", "fanout-q1", "fanout-w1"],
    brokers: ALL,
  },
  {
    name: "fanin",
    what: "100 publishers, one subscriber",
    scenarios: ["fanin-q0", "fanin-q1"],
    brokers: ALL,
  },
  {
    name: "rate",
    what: "100 pairs at 5000 messages a second in all",
    scenarios: ["rate-q0", "rate-q1"],
    brokers: ALL,
  },
  {
    name: "connections",
    what: "clients that come and go, and 5000 that stay",
    scenarios: ["churn", "connect"],
    brokers: ALL,
  },
  {
    name: "kept",
    what: "500 000 retained messages; queues of sessions that were away",
    scenarios: ["retained-500k", "durable"],
    brokers: ALL,
  },
  {
    name: "queues",
    what: "200 sessions that were away fetch 2500 messages each, QoS 1",
    scenarios: ["durable-500k"],
    brokers: ALL,
  },
  {
    name: "wild",
    what: "filters with + and #",
    scenarios: ["wild-10k", "wild-100k"],
    brokers: ALL,
  },
  {
    name: "growth",
    what: "ten thousand to a million filters with + and #",
    scenarios: ["wild-10k", "wild-100k", "wild-1m"],
    brokers: TWO,
    mostRounds: 3,
  },
  {
    name: "fresh",
    what: "filters with + and #, and no topic twice",
    scenarios: ["wild-fresh-10k", "wild-fresh-100k", "wild-fresh-1m"],
    brokers: TWO,
    mostRounds: 3,
  },
  {
    name: "half",
    what: "latency at half of the rate at which mosquitto is saturated",
    scenarios: ["half-pairs", "half-fanout", "half-fanin", "wild-half"],
    brokers: TWO,
  },
  {
    name: "links",
    what: "WebSocket and TLS beside TCP",
    scenarios: ["pairs-q0", "ws-pairs-q0", "wsj-pairs-q0", "tls-pairs-q0"],
    brokers: TWO,
  },
  {
    name: "versions",
    what: "MQTT 5 beside 3.1.1",
    scenarios: ["pairs-q0", "v5-pairs-q0", "pairs-q1", "v5-pairs-q1", "fanout-q0", "v5-fanout-q0"],
    brokers: ["sericite"],
    leastRounds: 9,
    isFresh: true,
  },
  {
    name: "v5",
    what: "MQTT 5 beside the peers that speak it",
    scenarios: ["v5-pairs-q0", "v5-pairs-q1", "v5-fanout-q0"],
    brokers: ["mosquitto", "rumqttd-v5", "hivemq-ce", "mochi", "sericite"],
  },
  {
    name: "guard",
    what: "with an ACL file of 100 rules",
    scenarios: ["pairs-q0", "pairs-q1", "fanout-q0", "fanin-q0", "churn"],
    brokers: ["sericite", "sericite-acl"],
  },
  {
    name: "memory",
    what: "memory for a connection",
    scenarios: ["connect-5k", "connect-15k", "connect-18k"],
    brokers: TWO,
    mostRounds: 2,
  },
  {
    name: "stalls",
    what: "a million retained messages; a client with 100 000 subscriptions that leaves",
    scenarios: ["retained-1m", "retained-1m-wide", "leave"],
    brokers: TWO,
    mostRounds: 3,
  },
];

/** Versions of Node that the group `nodes` sets beside each other, from the package registry. */
export const NODES = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"] as const;

/** Scenarios of the group `nodes`, which is run only where it is asked for. */
export const NODES_GROUP: Group = {
  name: "nodes",
  what: "versions of Node beside each other",
  scenarios: ["pairs-q0", "pairs-q1", "fanout-q0", "fanout-w1", "fanin-q0", "churn", "connect-5k"],
  brokers: NODES.map((version) => `sericite-node${version.split(".")[0]}`),
};

/** For a first impression: three kinds of load, few brokers, a minute or two. */
export const QUICK: readonly Group[] = [
  ["pairs", "pairs-q0", "pairs-q1"],
  ["fanout", "fanout-q0"],
  ["fanin", "fanin-q0"],
].map(([name = "", ...scenarios]) => ({
  name,
  what: GROUPS.find((group) => group.name === name)?.what ?? "",
  scenarios,
  brokers: ["mosquitto", "aedes", "sericite"],
}));

/**
 * Scenarios at a fixed rate of half of what mosquitto was saturated at, for `compare.sh`.
 *
 * @param saturation Publishes per second, by the scenario it was measured in.
 */
export function halfRateScenarios(saturation: ReadonlyMap<string, number>): Map<string, string> {
  const scenarios = new Map<string, string>();
  for (const [label, from, flags] of [
    ["half-pairs", "pairs-q0", "pairs --pubs 100 --qos 0"],
    ["half-fanout", "fanout-q0", "fanout --subs 500 --qos 0"],
    ["half-fanin", "fanin-q0", "fanin --pubs 100 --qos 0"],
    ["wild-half", "wild-10k", "wild --clients 1000 --filters 10000"],
  ] as const) {
    const rate = saturation.get(from);
    if (rate !== undefined) scenarios.set(label, `${flags} --rate ${Math.round(rate / 2)}`);
  }
  return scenarios;
}

/** The scenarios in which mosquitto is saturated first. */
export const SATURATED = ["pairs-q0", "fanout-q0", "fanin-q0", "wild-10k"] as const;
