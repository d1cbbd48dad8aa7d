import assert from "node:assert/strict";
import type { QoS } from "@sericite/protocol";
import { EventScheduler } from "./event-scheduler.ts";
import { FaultMedium, FaultStore, NO_STORE_FAULTS } from "./fault-store.ts";
import { NO_LINK_FAULTS } from "./faulty-link.ts";
import { Chance } from "./random.ts";
import { RawClient } from "./raw-client.ts";
import { simulatedCluster } from "./simulated-cluster.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";

/** How late an envelope comes at most. Milliseconds. */
const BUS_DELAY = 40;
const STORE = { ...NO_STORE_FAULTS, delay: 0.5, delayMaximumMs: 20 };

/** A cluster with its clients, led by a seed or by a test. */
export class ClusterWorld {
  readonly chance: Chance;
  readonly events: EventScheduler;
  readonly network;
  readonly nodes: readonly SimulatedBroker[];
  /** Reason Codes of connections that ended: "client-id 0x8e". */
  readonly ends: string[] = [];
  /** Clients that were told that there is no session of theirs. */
  readonly begun: string[] = [];
  readonly #process;

  constructor(seed: number, nodes: number, isStored: boolean) {
    this.chance = Chance.ofSeed(seed);
    this.events = new EventScheduler(this.chance.fork().random);
    this.#process = this.events.process("clients");
    const ports = this.events.process("ports");
    const cluster = simulatedCluster(this.events, this.chance.fork(), {
      nodes,
      busDelayMaximumMs: BUS_DELAY,
      broker: () => ({
        ...(isStored
          ? { store: new FaultStore(ports, this.chance, new FaultMedium(), STORE) }
          : {}),
        onLog: (level, event, fields) => {
          if (level === "error") throw new Error(`${event} ${JSON.stringify(fields)}`);
        },
      }),
    });
    this.network = cluster.network;
    this.nodes = cluster.nodes;
    for (const { engine } of this.nodes) {
      engine.events.on("clientConnected", ({ clientId, sessionPresent }) => {
        if (!sessionPresent) this.begun.push(clientId);
      });
      engine.events.on("clientDisconnected", ({ clientId, reasonCode }) =>
        this.ends.push(`${clientId} 0x${reasonCode.toString(16)}`),
      );
    }
    this.events.advance(1000);
  }

  connect(client: RawClient, node: number, cleanStart = false): void {
    client.connect(this.nodes[node]!.link(this.#process, { faults: NO_LINK_FAULTS }), {
      cleanStart,
      keepAlive: 0,
      sessionExpiryInterval: 3600,
      receiveMaximum: 5,
    });
  }

  /** Makes a client that is connected. */
  client(clientId: string, node: number): RawClient {
    const client = new RawClient(clientId, 5);
    this.connect(client, node);
    this.events.advance(200);
    assert.ok(client.isConnected, `${clientId} is not connected`);
    return client;
  }

  subscribe(client: RawClient, topicFilter: string): void {
    client.subscribe([{ topicFilter, qos: 2, retainHandling: 2 }], undefined);
  }

  /** Long enough for everything that is under way where nothing is cut off. */
  rest(): void {
    this.events.advance(20_000);
  }

  /** Indexes of the nodes that have the session. */
  owners(clientId: string): number[] {
    return [...this.nodes.keys()].filter(
      (node) => this.nodes[node]!.engine.sessions.get(clientId) !== undefined,
    );
  }
}

/** Publishes a message that is not retained. */
export function publish(client: RawClient, topicName: string, payload: string, qos: QoS): void {
  client.publish({ topicName, payload, qos, retain: false });
}
