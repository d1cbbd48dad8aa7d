import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { ClusterWorld } from "./cluster-world.test-support.ts";
import type { RawClient } from "./raw-client.ts";

const SEEDS = 200;
const STEPS = 60;

interface Sent {
  readonly text: string;
  readonly publisher: string;
  readonly topicName: string;
  readonly qos: QoS;
}

/** One run: clients come and go at two or three nodes, and a small ledger knows what has to arrive. */
class ClusterSimulation {
  readonly #world: ClusterWorld;
  readonly #seed: number;
  readonly #publishers: RawClient[] = [];
  readonly #subscribers: RawClient[] = [];
  readonly #members: RawClient[] = [];
  readonly #sent: Sent[] = [];
  /** Subscribers that had a session on both sides of a partition. */
  readonly #torn = new Set<RawClient>();
  /** Clients that came back, at this node or another: they may send, or be sent, a QoS 1 message again. */
  readonly #moved = new Set<string>();
  readonly #maySplit: boolean;

  constructor(seed: number) {
    this.#seed = seed;
    const nodes = seed % 3 === 0 ? 3 : 2;
    this.#world = new ClusterWorld(seed, nodes, seed % 2 === 0);
    this.#maySplit = seed % 4 === 0;
    const { chance } = this.#world;
    const node = (): number => chance.integer(0, nodes - 1);
    for (const name of ["s0", "s1"]) this.#subscribers.push(this.#world.client(name, node()));
    for (const name of ["g0", "g1", "g2"]) this.#members.push(this.#world.client(name, node()));
    for (const name of ["p0", "p1"]) this.#publishers.push(this.#world.client(name, node()));
    for (const client of this.#subscribers) this.#world.subscribe(client, "t/#");
    for (const client of this.#members) this.#world.subscribe(client, "$share/g/g/+");
    this.#world.rest();
    this.#world.begun.length = 0;
  }

  run(): void {
    for (let step = 0; step < STEPS; step += 1) {
      this.#step();
      this.#beginAnew();
    }
    const { network, events } = this.#world;
    network.heal();
    this.#world.rest();
    this.#beginAnew();
    for (const client of this.#subscribers) client.releaseAcknowledgements();
    // A CONNECT may have waited in vain for what was on the other side.
    for (const client of [...this.#subscribers, ...this.#publishers, ...this.#members])
      for (let tries = 0; tries < 3 && !client.isConnected; tries += 1) {
        this.#world.connect(client, 0);
        events.advance(2000);
      }
    this.#world.rest();
    this.#check();
  }

  #step(): void {
    const { chance, events, network, nodes } = this.#world;
    const node = chance.integer(0, nodes.length - 1);
    const subscriber = chance.pick(this.#subscribers);
    switch (
      chance.weighted({
        publish: 12,
        time: 6,
        move: 2,
        leave: 1,
        hold: 1,
        wander: 1,
        roam: 1,
        split: 1,
      })
    ) {
      case "publish":
        for (let i = chance.integer(1, 4); i > 0; i -= 1) this.#publish();
        return;
      case "time":
        return events.advance(chance.integer(0, 100));
      case "move":
        // One that still hears the other part would not know which of two sessions it goes on with.
        if (this.#maySplit) subscriber.link?.cut(true);
        return this.#world.connect(subscriber, node);
      case "leave":
        return subscriber.link?.cut(true);
      case "hold":
        if (subscriber.isWithholding) subscriber.releaseAcknowledgements();
        else subscriber.isWithholding = true;
        return;
      case "wander": {
        // A session that is begun anew has no claim to what was not acknowledged.
        if (this.#maySplit) return;
        const publisher = chance.pick(this.#publishers);
        this.#moved.add(publisher.clientId);
        return this.#world.connect(publisher, node);
      }
      case "roam": {
        if (this.#maySplit) return;
        const member = chance.pick(this.#members);
        this.#moved.add(member.clientId);
        return this.#world.connect(member, node);
      }
      case "split":
        if (!this.#maySplit) return;
        if (network.isSplit) network.heal();
        else network.split([`node-${node}`]);
        return;
    }
  }

  /** Who was told that there is no session subscribes again, before anything else is published. */
  #beginAnew(): void {
    for (const clientId of this.#world.begun.splice(0)) {
      const client = this.#subscribers.find((one) => one.clientId === clientId);
      if (client === undefined) continue;
      this.#torn.add(client);
      this.#world.subscribe(client, "t/#");
      this.#world.events.advance(1000);
    }
  }

  #publish(): void {
    const { chance } = this.#world;
    const publisher = chance.pick(this.#publishers);
    if (!publisher.isConnected || publisher.outgoing.size > 40) return;
    const topicName = chance.pick(["t/0", "t/1", "g/0", "r/0"]);
    const qos = chance.integer(0, 2) as QoS;
    const payload = `${publisher.clientId}-${this.#sent.length}`;
    publisher.publish({ topicName, payload, qos, retain: topicName === "r/0" });
    const text = `${qos} ${topicName} ${payload}`;
    this.#sent.push({ text, publisher: publisher.clientId, topicName, qos });
  }

  #check(): void {
    for (const { clientId, outgoing, isConnected } of this.#publishers)
      assert.ok(isConnected && outgoing.size === 0, this.#say(`${clientId} still waits`));
    for (const client of this.#subscribers) {
      assert.ok(client.isConnected, this.#say(`${client.clientId} is not connected`));
      this.#checkSubscriber(client);
    }
    const byMembers = this.#members.flatMap(({ received }) => received);
    for (const sent of this.#sent.filter(({ topicName }) => topicName === "g/0"))
      this.#checkCount(sent, byMembers, this.#moved.size === 0, "the group");
    for (const { clientId } of [...this.#subscribers, ...this.#publishers, ...this.#members])
      assert.equal(this.#world.owners(clientId).length, 1, this.#say(`owners of ${clientId}`));
    const kept = this.#world.nodes.map(({ engine }) => {
      const message = engine.retained.get("r/0");
      return message === undefined ? "" : new TextDecoder().decode(message.payload());
    });
    assert.equal(new Set(kept).size, 1, this.#say(`retained: ${kept.join(", ")}`));
  }

  #checkSubscriber(client: RawClient): void {
    const { received, clientId } = client;
    const wanted = this.#sent.filter(({ topicName }) => topicName.startsWith("t/"));
    const texts = new Set(wanted.map(({ text }) => text));
    for (const text of received) assert.ok(texts.has(text), this.#say(`${clientId} got ${text}`));
    if (this.#torn.has(client)) {
      // Two sessions by one name: what waited on both sides may come twice, and a client that goes
      // to and fro between them may take a QoS 2 message of one for a repeat of the other's.
      for (const { qos, text } of wanted)
        assert.ok(qos !== 1 || received.includes(text), this.#say(`${clientId} never got ${text}`));
      return;
    }
    for (const sent of wanted) this.#checkCount(sent, received, false, clientId);
    for (const publisher of this.#publishers)
      for (const topicName of ["t/0", "t/1"]) {
        const line = wanted.filter(
          (sent) => sent.publisher === publisher.clientId && sent.topicName === topicName,
        );
        const places = line.map(({ text }) => received.indexOf(text)).filter((at) => at >= 0);
        const sorted = places.toSorted((a, b) => a - b);
        assert.deepEqual(places, sorted, this.#say(`${clientId} got ${topicName} out of order`));
      }
  }

  /** @param isOnce  Nobody had reason to send it again. */
  #checkCount({ text, qos }: Sent, received: string[], isOnce: boolean, who: string): void {
    const count = received.filter((other) => other === text).length;
    const [least, most] = [qos === 0 ? 0 : 1, qos === 1 && !isOnce ? Infinity : 1];
    assert.ok(count >= least && count <= most, this.#say(`${who} got ${text} ${count} times`));
  }

  #say(what: string): string {
    return `seed ${this.#seed}: ${what}`;
  }
}

test(`two or three nodes are one broker, whatever happens: seeds 1 to ${SEEDS}`, () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) new ClusterSimulation(seed).run();
});
