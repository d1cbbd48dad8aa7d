import type { ProtocolVersion } from "@sericite/protocol";
import { ClientLedger } from "./client-ledger.ts";
import { EventScheduler } from "./event-scheduler.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import { NO_LINK_FAULTS } from "./faulty-link.ts";
import type { FaultyLink, LinkFaults } from "./faulty-link.ts";
import { LivingClient } from "./living-client.ts";
import { Chance } from "./random.ts";
import { simulatedBroker } from "./simulated-broker.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";
import type { SimulationResult } from "./simulation.ts";
import { FaultStorage } from "./simulation-storage.ts";

/** How often each kind of step comes. */
const WEIGHTS = {
  publish: 40,
  "client crash": 6,
  "client start": 12,
  "broker crash": 1.5,
  cut: 5,
  half: 2,
  stall: 2,
  release: 4,
  withhold: 3,
  acknowledge: 5,
  some: 35,
  settle: 10,
  moment: 15,
  seconds: 2,
} as const;

const TOPIC_NAMES = ["t/a", "t/b"] as const;
/** Longest that anything takes once nothing fails any more. Milliseconds. */
const REST_MS = 60_000;

/**
 * One run of clients that have stores: they publish and receive at QoS 1 and 2, die and come back,
 * as the broker does, on links that fail. A ledger watches. The same seed gives the same run.
 */
export class ClientSimulation {
  readonly seed: number;
  readonly steps: string[] = [];
  readonly ledger: ClientLedger = new ClientLedger();
  readonly #events: EventScheduler;
  readonly #chance: Chance;
  readonly #links: Chance;
  readonly #faults: LinkFaults;
  readonly #storage: FaultStorage;
  readonly #clients: LivingClient[];
  readonly #pairs = new Set<{ readonly near: FaultyLink; readonly far: FaultyLink }>();
  #broker: SimulatedBroker;
  #isCalm = true;

  constructor(seed: number) {
    this.seed = seed;
    this.#chance = Chance.ofSeed(seed);
    const plan = this.#chance.fork();
    this.#links = this.#chance.fork();
    this.#events = new EventScheduler(this.#chance.fork().random);
    const delayMaximumMs = plan.pick([1, 20, 100]);
    this.#faults = {
      delay: plan.pick([0, 0.1, 0.5]),
      delayMaximumMs,
      split: plan.pick([0, 0.3]),
      hold: plan.pick([0, 0.3]),
    };
    this.#storage = new FaultStorage(this.#chance.fork(), {
      delay: plan.pick([0, 0.3]),
      delayMaximumMs,
    });
    this.#broker = this.#startBroker();
    const storeFaults = { delay: plan.pick([0, 0.3, 1]), delayMaximumMs };
    const client = (clientId: string, isSubscriber: boolean): LivingClient =>
      new LivingClient({
        clientId,
        version: plan.pick<ProtocolVersion>([3, 4, 5, 5]),
        isSubscriber,
        events: this.#events,
        chance: this.#chance.fork(),
        ledger: this.ledger,
        storeFaults,
        link: (process) => this.#link(process),
      });
    this.#clients = [
      client("s0", true),
      ...Array.from({ length: plan.integer(1, 2) }, (_, index) => client(`p${index}`, false)),
      ...(plan.happens(0.4) ? [client("s1", true)] : []),
    ];
  }

  /** Runs all steps, then lets everything come to rest. Stops at the first complaint. */
  async run(): Promise<SimulationResult> {
    const { complaints } = this.ledger;
    try {
      // All are there and have subscribed before the first message.
      for (const client of this.#clients) client.start();
      await this.#events.advanceAsync(5000);
      this.#isCalm = false;
      const count = this.#chance.integer(60, 200);
      for (let step = 0; step < count && complaints.length === 0; step += 1)
        await this.#step(this.#chance.weighted(WEIGHTS));
      if (complaints.length === 0) await this.#rest();
    } catch (error) {
      this.ledger.complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    for (const client of this.#clients) client.crash();
    return { seed: this.seed, steps: this.steps, complaints, events: this.#events.ran };
  }

  async #step(kind: keyof typeof WEIGHTS): Promise<void> {
    const chance = this.#chance;
    const client = chance.pick(this.#clients);
    switch (kind) {
      case "publish": {
        if (!client.isOpen || !client.clientId.startsWith("p")) return;
        const qos = chance.pick([1, 2, 2] as const);
        const payload = client.publish(chance.pick(TOPIC_NAMES), qos);
        return this.#note(`QoS ${qos}: ${payload}`);
      }
      case "client crash":
        if (!client.isAlive) return;
        this.#note(`${client.clientId} dies`);
        return client.crash();
      case "client start":
        if (client.isAlive) return;
        this.#note(`${client.clientId} is started again`);
        return client.start();
      case "broker crash":
        return this.#crashBroker();
      case "cut":
      case "half":
      case "stall":
        return this.#spoil(kind);
      case "release":
        return this.#release();
      case "withhold":
        this.#note(`${client.clientId} withholds acknowledgements`);
        client.isWithholding = true;
        return;
      case "acknowledge":
        this.#note(`${client.clientId} acknowledges`);
        return client.acknowledge();
      case "some":
        return this.#events.runAsync(chance.integer(1, 6));
      case "settle":
        return this.#events.settleAsync();
      case "moment":
        return this.#pass(chance.integer(1, 100));
      case "seconds":
        return this.#pass(chance.integer(1000, 15_000));
      default:
    }
  }

  #pass(ms: number): Promise<void> {
    this.#note(`${ms} ms pass`);
    return this.#events.advanceAsync(ms);
  }

  #startBroker(): SimulatedBroker {
    const process = this.#events.process("broker");
    return simulatedBroker(this.#events, this.#links, {
      process,
      store: this.#storage.open(process),
      onLog: (level, event, fields) => {
        if (level === "error")
          this.ledger.complain(`the broker logged ${event}: ${JSON.stringify(fields)}`);
      },
    });
  }

  async #crashBroker(): Promise<void> {
    const kind = this.#chance.pick(["kill", "power"] as const);
    this.#note(`the broker crashes: ${kind}`);
    this.#broker.crash();
    this.#storage.crash(kind);
    await this.#events.advanceAsync(this.#chance.pick([0, 10, 3000]));
    this.#broker = this.#startBroker();
    this.#note("the broker is started again");
  }

  #spoil(kind: "cut" | "half" | "stall"): void {
    this.#forgetClosed();
    if (this.#pairs.size === 0) return;
    const { near, far } = this.#chance.pick([...this.#pairs]);
    const isNear = this.#chance.happens(0.5);
    const end = isNear ? near : far;
    this.#note(`${near.process.name}, ${isNear ? "its own" : "the broker's"} end: ${kind}`);
    if (kind === "stall") end.stall();
    else end.cut(kind === "cut");
  }

  #release(): void {
    for (const { near, far } of this.#pairs) {
      near.release();
      far.release();
    }
  }

  #link(process: SimulatedProcess): FaultyLink {
    this.#forgetClosed();
    const faults = this.#isCalm ? NO_LINK_FAULTS : this.#faults;
    return this.#broker.link(
      process,
      { faults },
      (near, far) => void this.#pairs.add({ near, far }),
    );
  }

  #forgetClosed(): void {
    for (const pair of this.#pairs)
      if (pair.near.isClosed && pair.far.isClosed) this.#pairs.delete(pair);
  }

  /** Takes all faults away, has everybody come back, and lets everything finish. */
  async #rest(): Promise<void> {
    this.#note("rest");
    this.#isCalm = true;
    this.#storage.calm();
    this.#release();
    for (const { near, far } of this.#pairs) {
      near.faults = far.faults = NO_LINK_FAULTS;
      if (near.isClosed !== far.isClosed) (near.isClosed ? far : near).cut(true);
    }
    for (const client of this.#clients) {
      client.isSlow = false;
      client.acknowledge();
      client.start();
    }
    await this.#events.advanceAsync(REST_MS);
    this.ledger.atRest();
    for (const client of this.#clients) client.checkAtRest();
  }

  #note(text: string): void {
    this.steps.push(`${String(this.#events.clock.now()).padStart(9)} ms  ${text}`);
  }
}

/** Runs one seed. */
export function simulateClients(seed: number): Promise<SimulationResult> {
  return new ClientSimulation(seed).run();
}
