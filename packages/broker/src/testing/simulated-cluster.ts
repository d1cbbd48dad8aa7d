import type { Bus, Claim, Envelope, Ownership, Position } from "../engine/ports.ts";
import { Answer } from "./answer.ts";
import type { EventScheduler, SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";
import { simulatedBroker } from "./simulated-broker.ts";
import type { SimulatedBroker, SimulatedBrokerOptions } from "./simulated-broker.ts";

/** What is between the nodes of a simulated cluster: it can be split in two. */
export class SimulatedNetwork {
  #cutOff: ReadonlySet<string> = new Set();
  /** Called after the two parts can reach each other again. */
  readonly onHeal: (() => void)[] = [];

  /** Cuts these nodes off from the others. */
  split(nodes: readonly string[]): void {
    this.#cutOff = new Set(nodes);
  }

  heal(): void {
    this.#cutOff = new Set();
    for (const tell of this.onHeal) tell();
  }

  get isSplit(): boolean {
    return this.#cutOff.size > 0;
  }

  isConnected(one: string, other: string): boolean {
    return this.#cutOff.has(one) === this.#cutOff.has(other);
  }
}

interface Carried {
  readonly envelope: Envelope;
  readonly position: Position;
  isTaken: boolean;
}

/** From one node to another. What is not known to be taken is kept, and carried again after a split. */
interface Route {
  readonly to: string;
  readonly waiting: Carried[];
  /** Index of what goes next. */
  next: number;
  isRunning: boolean;
}

/** A bus between the nodes of a simulation: it delays, repeats, and waits while the network is split. */
export class SimulatedBus implements Bus {
  onDurable: Bus["onDurable"] = undefined;
  onEnvelope: Bus["onEnvelope"] = undefined;
  readonly #node: string;
  readonly #nodes: ReadonlyMap<string, SimulatedBus>;
  readonly #network: SimulatedNetwork;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #delayMaximumMs: number;
  readonly #routes = new Map<string, Route>();
  #sent: Position = 0;
  #durable: Position = 0;

  /**
   * @param nodes  Buses of all nodes by name; this one adds itself.
   * @param process  Its events happen there, and not in one of a node.
   */
  constructor(
    node: string,
    nodes: Map<string, SimulatedBus>,
    network: SimulatedNetwork,
    process: SimulatedProcess,
    chance: Chance,
    delayMaximumMs: number,
  ) {
    this.#node = node;
    this.#nodes = nodes;
    this.#network = network;
    this.#process = process;
    this.#chance = chance;
    this.#delayMaximumMs = delayMaximumMs;
    nodes.set(node, this);
    network.onHeal.push(() => {
      for (const route of this.#routes.values()) this.#again(route);
    });
  }

  get durable(): Position {
    return this.#durable;
  }

  send(envelope: Envelope): Position {
    this.#sent += 1;
    let route = this.#routes.get(envelope.to);
    if (route === undefined) {
      route = { to: envelope.to, waiting: [], next: 0, isRunning: false };
      this.#routes.set(envelope.to, route);
    }
    route.waiting.push({ envelope, position: this.#sent, isTaken: false });
    this.#run(route);
    return this.#sent;
  }

  close(): Promise<void> {
    return Answer.after(this.#process, 0, () => undefined);
  }

  #again(route: Route): void {
    route.next = 0;
    this.#run(route);
  }

  #run(route: Route): void {
    if (route.isRunning || route.next >= route.waiting.length) return;
    route.isRunning = true;
    this.#process.post(
      () => {
        route.isRunning = false;
        if (!this.#network.isConnected(this.#node, route.to)) return;
        // The connection broke and was made anew: it begins with what it does not know to be taken.
        if (this.#chance.happens(0.02)) route.next = 0;
        const carried = route.waiting[route.next];
        if (carried === undefined) return; // Taken meanwhile.
        route.next += 1;
        this.#deliver(route, carried);
        this.#run(route);
      },
      this.#chance.integer(0, this.#delayMaximumMs),
    );
  }

  #deliver(route: Route, carried: Carried): void {
    this.#nodes.get(route.to)?.onEnvelope?.(carried.envelope, () => {
      this.#process.post(
        () => {
          // Lost on the way, where the network was split meanwhile.
          if (this.#network.isConnected(this.#node, route.to)) this.#take(route, carried);
        },
        this.#chance.integer(0, this.#delayMaximumMs),
      );
    });
  }

  #take(route: Route, carried: Carried): void {
    carried.isTaken = true;
    while (route.waiting[0]?.isTaken === true) {
      route.waiting.shift();
      route.next = Math.max(0, route.next - 1);
    }
    let durable = this.#sent;
    for (const { waiting } of this.#routes.values())
      if (waiting[0] !== undefined) durable = Math.min(durable, waiting[0].position - 1);
    if (durable === this.#durable) return;
    this.#durable = durable;
    this.onDurable?.();
  }
}

interface Owned {
  readonly node: string;
  readonly epoch: number;
}

/**
 * Who owns which session, as each node knows it. Nodes that can reach each other know the same;
 * after a split both parts are told what the other did, and the higher epoch holds.
 */
export class SimulatedDirectory {
  readonly #network: SimulatedNetwork;
  readonly #owners = new Map<string, Map<string, Owned>>();
  readonly #ownerships = new Map<string, SimulatedOwnership>();
  // One counter for all: as with epochs made of time and node, those of both parts differ.
  #epoch = 0;

  constructor(network: SimulatedNetwork) {
    this.#network = network;
    network.onHeal.push(() => this.#join());
  }

  /** What a node claims sessions with. */
  join(node: string, ownership: SimulatedOwnership): void {
    this.#owners.set(node, new Map());
    this.#ownerships.set(node, ownership);
  }

  /** Grants a claim: the node is the owner for all that it can reach. */
  claim(node: string, clientId: string): Claim {
    const owner = this.#owners.get(node)?.get(clientId);
    this.#epoch += 1;
    const epoch = this.#epoch;
    for (const owners of this.#reachable(node)) owners.set(clientId, { node, epoch });
    const isElsewhere =
      owner !== undefined && owner.node !== node && this.#network.isConnected(node, owner.node);
    return { epoch, from: isElsewhere ? owner.node : undefined };
  }

  /** A node that began anew has the session from its store, where nobody claimed it meanwhile. */
  restore(node: string, clientId: string, epoch: number): Claim {
    this.#epoch = Math.max(this.#epoch, epoch);
    for (const owners of this.#reachable(node))
      if ((owners.get(clientId)?.epoch ?? 0) < epoch) owners.set(clientId, { node, epoch });
    return { epoch };
  }

  /** The session of this claim is no more. */
  release(node: string, clientId: string, { epoch }: Claim): void {
    for (const owners of this.#reachable(node))
      if (owners.get(clientId)?.epoch === epoch) owners.delete(clientId);
  }

  #reachable(node: string): Map<string, Owned>[] {
    return [...this.#owners]
      .filter(([other]) => this.#network.isConnected(node, other))
      .map(([, owners]) => owners);
  }

  #join(): void {
    const all = [...this.#owners.values()];
    for (const clientId of new Set(all.flatMap((owners) => [...owners.keys()]))) {
      const known = all.flatMap((owners) => owners.get(clientId) ?? []);
      const highest = known.reduce((a, b) => (b.epoch > a.epoch ? b : a));
      for (const owners of all) owners.set(clientId, highest);
      const others = new Set(known.map(({ node }) => node));
      others.delete(highest.node);
      const ownership = this.#ownerships.get(highest.node);
      for (const from of others) ownership?.onFound?.(clientId, { epoch: highest.epoch, from });
    }
  }
}

/** Ownership of one node of a simulation. Every claim is answered late. */
export class SimulatedOwnership implements Ownership {
  onFound: Ownership["onFound"] = undefined;
  readonly #node: string;
  readonly #directory: SimulatedDirectory;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;

  constructor(
    node: string,
    directory: SimulatedDirectory,
    process: SimulatedProcess,
    chance: Chance,
  ) {
    this.#node = node;
    this.#directory = directory;
    this.#process = process;
    this.#chance = chance;
    directory.join(node, this);
  }

  claim(clientId: string): Promise<Claim> {
    return Answer.after(this.#process, this.#chance.integer(0, 20), () =>
      this.#directory.claim(this.#node, clientId),
    );
  }

  restore(clientId: string, epoch: number): Claim {
    return this.#directory.restore(this.#node, clientId, epoch);
  }

  release(clientId: string, claim: Claim): void {
    this.#directory.release(this.#node, clientId, claim);
  }
}

/** Engines that are one broker, with what is between them. */
export interface SimulatedCluster {
  readonly network: SimulatedNetwork;
  readonly nodes: readonly SimulatedBroker[];
}

/** How a simulated cluster is made. */
export interface SimulatedClusterOptions {
  readonly nodes: number;
  /** What each of them is made with; called with its index. */
  readonly broker: (node: number) => SimulatedBrokerOptions;
  /** How late an envelope comes at most. Milliseconds. */
  readonly busDelayMaximumMs: number;
}

/** Makes brokers that are one: nodes `node-0`, `node-1`, … */
export function simulatedCluster(
  events: EventScheduler,
  chance: Chance,
  options: SimulatedClusterOptions,
): SimulatedCluster {
  const network = new SimulatedNetwork();
  const process = events.process("network");
  const buses = new Map<string, SimulatedBus>();
  const directory = new SimulatedDirectory(network);
  const names = Array.from({ length: options.nodes }, (_, index) => `node-${index}`);
  const nodes = names.map((node, index) =>
    simulatedBroker(events, chance.fork(), {
      bus: new SimulatedBus(
        node,
        buses,
        network,
        process,
        chance.fork(),
        options.busDelayMaximumMs,
      ),
      ownership: new SimulatedOwnership(node, directory, process, chance.fork()),
      cluster: { node, others: names.filter((other) => other !== node) },
      ...options.broker(index),
    }),
  );
  return { network, nodes };
}
