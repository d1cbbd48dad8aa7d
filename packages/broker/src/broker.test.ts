import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { connect } from "@sericite/client";
import { ConnectionError, UsageError } from "@sericite/protocol";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";
import type { BrokerOptions } from "./broker-options.ts";
import type { Position, Store, StoreState } from "./engine/ports.ts";
import type { Recovery, StoreRecord } from "./engine/records.ts";
import { RawSocket } from "./raw-socket.test-support.ts";

async function withBroker(
  options: BrokerOptions,
  body: (broker: Broker, port: number) => Promise<void>,
): Promise<void> {
  await using broker = await createBroker(options);
  const { port } = await broker.listen({ port: 0 });
  await body(broker, port);
}

/** Waits for what no event tells of. */
async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 1000) throw new Error("it never came true");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A store whose `durable` the test moves. */
class ManualStore implements Store {
  readonly isVolatile = false;
  durable: Position = 0;
  state: StoreState = "ok";
  onDurable: (() => void) | undefined;
  onState: (() => void) | undefined;
  isClosed = false;
  #position = 0;
  open(recovery: Recovery): Promise<void> {
    recovery.numbers(0, 0);
    return Promise.resolve();
  }
  append(_record: StoreRecord): Position {
    return ++this.#position;
  }
  endTurn(): void {}
  keepAll(): void {
    this.durable = this.#position;
    this.onDurable?.();
  }
  enter(state: StoreState): void {
    this.state = state;
    this.onState?.();
  }
  readQueue(): Promise<never> {
    return Promise.reject(new Error("not in this test"));
  }
  readMessage(): Promise<never> {
    return Promise.reject(new Error("not in this test"));
  }
  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

const subscribe = (topicFilter: string, qos: 0 | 1 | 2) =>
  ({ type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter, qos }] }) as const;

// --- publish

test("a message of the embedding program reaches subscribers, and its receipt says how many", () =>
  withBroker({}, async (broker, port) => {
    const raw = await RawSocket.connect(port, "c");
    raw.send(subscribe("a/#", 2));
    await raw.take(1);
    assert.deepEqual(await broker.publish("a/b", "text"), { sessions: 1 });
    assert.deepEqual(await broker.publish("a/c", Uint8Array.of(0x78), { qos: 1 }), { sessions: 1 });
    assert.deepEqual(
      await broker.publish("a/d", "x", {
        qos: 2,
        properties: { contentType: "t", messageExpiryInterval: 60 },
      }),
      { sessions: 1 },
    );
    assert.deepEqual(await broker.publish("b", "x"), { sessions: 0 });
    const lines = (await raw.take(3)).map((line) => line.replace(/ #\d+/, ""));
    assert.deepEqual(lines, [
      "PUBLISH a/b 'text' qos0",
      "PUBLISH a/c 'x' qos1",
      `PUBLISH a/d 'x' qos2 {"messageExpiryInterval":60,"contentType":"t"}`,
    ]);
    raw.destroy();
  }));

test("`to` names the only receiver, which must have subscribed; such a message is not retained", () =>
  withBroker({}, async (broker, port) => {
    const [one, other] = await Promise.all(
      ["one", "other"].map((clientId) => RawSocket.connect(port, clientId)),
    );
    for (const raw of [one!, other!]) {
      raw.send(subscribe("a", 0));
      await raw.take(1);
    }
    assert.deepEqual(await broker.publish("a", "x", { to: "one", retain: true }), { sessions: 1 });
    assert.deepEqual(await broker.publish("b", "x", { to: "one" }), { sessions: 0 });
    await broker.publish("a", "all");
    assert.deepEqual(await one!.take(2), ["PUBLISH a 'x' qos0", "PUBLISH a 'all' qos0"]);
    assert.deepEqual(await other!.take(1), ["PUBLISH a 'all' qos0"]);
    assert.equal(broker.gauges.retainedMessages, 0);
    one!.destroy();
    other!.destroy();
  }));

test("the payload is copied: the caller may use its memory again at once", () =>
  withBroker({}, async (broker, port) => {
    const raw = await RawSocket.connect(port, "c");
    raw.send(subscribe("a", 0));
    await raw.take(1);
    const payload = Buffer.from("before");
    const published = broker.publish("a", payload);
    payload.fill("#");
    await published;
    assert.deepEqual(await raw.take(1), ["PUBLISH a 'before' qos0"]);
    raw.destroy();
  }));

test("a Topic Name that is none, and properties that PUBLISH cannot have, are the caller's mistakes", () =>
  withBroker({ settings: { limits: { topicLevels: 3 } } }, async (broker) => {
    for (const topicName of ["", "a/#", "+", "a\0", "1/2/3/4", "\ud800"]) {
      await assert.rejects(
        broker.publish(topicName, "x"),
        (error) => error instanceof UsageError && error.code === "ERR_TOPIC_NAME",
        topicName,
      );
    }
    await assert.rejects(
      broker.publish("a", "x", { properties: { receiveMaximum: 1 } }),
      UsageError,
    );
    // From JavaScript, where no compiler is in the way.
    for (const [payload, options] of [
      [5, {}],
      [undefined, {}],
      ["x", { qos: 3 }],
      ["x", { qos: "1" }],
    ] as const) {
      await assert.rejects(broker.publish("a", payload as string, options as object), {
        code: "ERR_USAGE",
      });
    }
    assert.equal(broker.counters.messagesRouted, 0);
  }));

test("publish settles when the message is kept", async () => {
  const store = new ManualStore();
  await withBroker({ store }, async (broker) => {
    let isSettled = false;
    const published = broker.publish("a", "x", { retain: true }).then(() => (isSettled = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isSettled, false);
    await broker.publish("b", "passing");
    assert.equal(isSettled, false);
    store.keepAll();
    await published;
  });
  assert.equal(store.isClosed, true);
});

test("a store that refuses refuses what it would have to keep, and nothing else", async () => {
  const store = new ManualStore();
  await withBroker({ store }, async (broker) => {
    store.enter("refusing");
    await assert.rejects(
      () => broker.publish("a", "x", { retain: true }),
      (error) => error instanceof ConnectionError && error.code === "ERR_STORE_REFUSING",
    );
    assert.equal(broker.gauges.retainedMessages, 0);
    assert.deepEqual(await broker.publish("a", "x"), { sessions: 0 });
    store.enter("ok");
    const kept = broker.publish("a", "x", { retain: true });
    store.keepAll();
    await kept;
  });
});

// --- who is let in

test("auth.username and auth.password let that user in, and nobody else", () =>
  withBroker(
    { settings: { auth: { username: "user", password: "secret" } } },
    async (_broker, port) => {
      const connect = async (username?: string, password?: string): Promise<string[]> => {
        const raw = await RawSocket.open(port, 5);
        raw.send({
          type: "connect",
          protocolVersion: 5,
          clientId: "c",
          cleanStart: true,
          keepAlive: 0,
          username,
          password: password === undefined ? undefined : Buffer.from(password),
        });
        const told = await raw.take(1);
        raw.destroy();
        return told;
      };
      assert.deepEqual(await connect("user", "secret"), ["CONNACK 0x00"]);
      assert.deepEqual(await connect("user", "Secret"), ["CONNACK 0x86"]);
      assert.deepEqual(await connect("user"), ["CONNACK 0x86"]);
      assert.deepEqual(await connect("other", "secret"), ["CONNACK 0x86"]);
      assert.deepEqual(await connect(), ["CONNACK 0x87"]);
    },
  ));

test("an authenticator may be a function, at once or with a promise", async () => {
  for (const answer of [
    (yes: boolean) => yes,
    (yes: boolean) => Promise.resolve(yes),
    (yes: boolean) => ({ accepted: yes }) as const,
  ]) {
    await withBroker(
      { authenticator: ({ clientId }) => answer(clientId === "yes") as boolean },
      async (_broker, port) => {
        (await RawSocket.connect(port, "yes")).destroy();
        await assert.rejects(() => RawSocket.connect(port, "no"), /0x86/);
      },
    );
  }
});

// --- looking and acting

test("clients are listed page by page, described by name, and disconnected", () =>
  withBroker({}, async (broker, port) => {
    const raws: RawSocket[] = [];
    for (let i = 0; i < 5; i++) raws.push(await RawSocket.connect(port, `c${i}`));
    const page = await broker.clients({ limit: 3 });
    const rest = await broker.clients({ limit: 3, after: page.next });
    assert.deepEqual(
      [...page.clients, ...rest.clients].map(({ clientId }) => clientId),
      ["c0", "c1", "c2", "c3", "c4"],
    );
    assert.equal(rest.next, undefined);
    assert.equal((await broker.client("c1"))!.peer!.address, "127.0.0.1");
    assert.equal(await broker.client("nobody"), undefined);
    assert.equal(await broker.disconnectClient("nobody"), false);
    assert.equal(await broker.disconnectClient("c1"), true);
    assert.deepEqual(await raws[1]!.untilClosed(), ["DISCONNECT 0x98", "CLOSED"]);
    await until(() => broker.gauges.connections === 4);
    assert.deepEqual(broker.gauges, {
      connections: 4,
      sessions: 4,
      subscriptions: 0,
      retainedMessages: 0,
      retainedBytes: 0,
    });
    for (const raw of raws) raw.destroy();
  }));

test("events are listened to until they are not", () =>
  withBroker({}, async (broker, port) => {
    const seen: string[] = [];
    {
      using _listening = broker.on("clientConnected", ({ clientId }) => seen.push(clientId));
      (await RawSocket.connect(port, "one")).destroy();
    }
    (await RawSocket.connect(port, "two")).destroy();
    assert.deepEqual(seen, ["one"]);
  }));

test("reconfigure puts live settings in force at once, names those that wait, and takes all or none", () =>
  withBroker({}, async (broker, port) => {
    const before = await RawSocket.connect(port, "before");
    const { changed, needRestart } = await broker.reconfigure({
      limits: { topicLevels: 2 },
      listen: { backlog: 1 },
      mqtt: { receiveMaximum: broker.settings.mqtt.receiveMaximum },
    });
    assert.deepEqual(changed, ["limits.topicLevels"]);
    assert.deepEqual(needRestart, ["listen.backlog"]);
    before.sendHex("30 08 0005'a/b/c' 00");
    assert.deepEqual(await before.untilClosed(), ["DISCONNECT 0x90", "CLOSED"]);
    await assert.rejects(
      () => broker.reconfigure({ limits: { topicLevels: 5 }, mqtt: { receiveMaximum: 0 } }),
      UsageError,
    );
    assert.equal(broker.settings.limits.topicLevels, 2);
  }));

// --- listening

test("reconfigure takes other rewrite rules and auto-subscriptions: in force for what comes next; what is not given stays, and a wrong one changes nothing", async () => {
  await using broker = await createBroker({
    rewrite: [{ action: "all", from: "old/#", pattern: /^old\/(.+)$/, to: "one/$1" }],
    autoSubscribe: [{ topicFilter: "one/#" }],
  });
  const { port } = await broker.listen({ port: 0 });
  /** A client with the Topic Names of what it got, without having subscribed to anything. */
  const connectOne = async () => {
    const topicNames: string[] = [];
    const onUnclaimedMessage = ({ topicName }: { topicName: string }): number =>
      topicNames.push(topicName);
    const client = await connect(`mqtt://127.0.0.1:${port}`, { onUnclaimedMessage });
    return { client, topicNames };
  };
  const before = await connectOne();
  await before.client.publish("old/a", "x", { qos: 1 });

  const rewrite = [{ action: "all", from: "old/#", pattern: /^old\/(.+)$/, to: "two/$1" }] as const;
  await assert.rejects(
    broker.reconfigure({}, { rewrite, autoSubscribe: [{ topicFilter: "a/#/b" }] }),
    { code: "ERR_AUTO_SUBSCRIBE" },
  );
  await before.client.publish("old/b", "x", { qos: 1 });
  assert.deepEqual(await broker.reconfigure({}, { rewrite }), {
    changed: ["rewrite"],
    needRestart: [],
  });
  const same = { rewrite, autoSubscribe: [{ topicFilter: "one/#" }] };
  assert.deepEqual((await broker.reconfigure({}, same)).changed, []);
  await before.client.publish("old/c", "x", { qos: 1 });
  assert.deepEqual(
    (await broker.reconfigure({}, { autoSubscribe: [{ topicFilter: "two/#" }] })).changed,
    ["autoSubscribe"],
  );
  const after = await connectOne();
  await after.client.publish("old/d", "x", { qos: 1 });
  await until(() => after.topicNames.length > 0);
  // The client that was there keeps what it had.
  assert.deepEqual(before.topicNames, ["one/a", "one/b"]);
  assert.deepEqual(after.topicNames, ["two/d"]);
  await Promise.all([before.client.disconnect(), after.client.disconnect()]);
});

test("a port in use is told as ERR_LISTEN, with the system's error", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await using broker = await createBroker();
  await assert.rejects(
    () => broker.listen({ port }),
    (error) =>
      error instanceof ConnectionError &&
      error.code === "ERR_LISTEN" &&
      (error.cause as NodeJS.ErrnoException).code === "EADDRINUSE" &&
      error.message.includes(String(port)),
  );
  await new Promise((resolve) => server.close(resolve));
  assert.deepEqual(broker.listeners, []);
});

test("several brokers live in one process, each with its own listeners, clients and messages", async () => {
  const brokers = await Promise.all([createBroker(), createBroker(), createBroker()]);
  const raws = await Promise.all(
    brokers.map(async (broker) => {
      const { port } = await broker.listen({ port: 0 });
      const raw = await RawSocket.connect(port, "same");
      raw.send(subscribe("a", 0));
      await raw.take(1);
      return raw;
    }),
  );
  await Promise.all(brokers.map((broker, i) => broker.publish("a", String(i))));
  for (const [i, raw] of raws.entries())
    assert.deepEqual(await raw.take(1), [`PUBLISH a '${i}' qos0`]);
  await Promise.all(brokers.map((broker) => broker.close()));
  for (const raw of raws) assert.deepEqual(await raw.untilClosed(), ["DISCONNECT 0x8b", "CLOSED"]);
});

// --- the end

test("close stops listening, tells clients to leave, sends what was on its way, and frees the port", async () => {
  const store = new ManualStore();
  const broker = await createBroker({ store });
  const { port } = await broker.listen({ port: 0 });
  const raws = await Promise.all(
    ([3, 4, 5] as const).map((version) => RawSocket.connect(port, `c${version}`, version)),
  );
  raws[2]!.send(subscribe("a", 0));
  await raws[2]!.take(1);
  const published = broker.publish("a", "x".repeat(100_000));
  await Promise.all([published, broker.close()]);
  assert.deepEqual(await raws[0]!.untilClosed(), ["CLOSED"]);
  assert.deepEqual(await raws[1]!.untilClosed(), ["CLOSED"]);
  assert.deepEqual(await raws[2]!.untilClosed(), [
    "PUBLISH a (100000 bytes) qos0",
    "DISCONNECT 0x8b",
    "CLOSED",
  ]);
  assert.equal(store.isClosed, true);
  await assert.rejects(() => RawSocket.open(port));
  const again = createServer();
  await new Promise<void>((resolve) => again.listen(port, "127.0.0.1", resolve));
  await new Promise((resolve) => again.close(resolve));
});

test("close settles within its time, whatever the clients do", async () => {
  const broker = await createBroker({ settings: { session: { slowConsumerTimeout: 0 } } });
  const { port } = await broker.listen({ port: 0 });
  const stuck = await RawSocket.connect(port, "stuck", 4);
  stuck.send(subscribe("a", 0));
  await stuck.take(1);
  stuck.socket.pause();
  for (let i = 0; i < 20; i++) await broker.publish("a", Buffer.alloc(1024 * 1024));
  const silent = await RawSocket.open(port);
  const begun = performance.now();
  await broker.close({ timeoutMs: 200 });
  assert.ok(performance.now() - begun < 5000);
  stuck.destroy();
  await until(() => broker.gauges.connections === 0);
  silent.destroy();
});

test("a closed broker takes nothing more; closing it again settles when it is closed", async () => {
  const broker = await createBroker();
  const { port } = await broker.listen({ port: 0 });
  const raw = await RawSocket.connect(port, "c");
  const closing = broker.close();
  const again = broker.close();
  await again;
  assert.equal(broker.gauges.connections, 0, "the second call settled too early");
  await closing;
  raw.destroy();
  for (const call of [
    () => broker.listen({ port: 0 }),
    async () => broker.publish("a", "x"),
    () => broker.subscribe("a", () => undefined),
  ]) {
    await assert.rejects(
      call,
      (error) => error instanceof UsageError && error.code === "ERR_BROKER_CLOSED",
    );
  }
});

test("options, hooks and events that do not exist are refused by name", async () => {
  await assert.rejects(
    createBroker({ setting: {} } as object),
    /createBroker: there is no setting; there are settings, /,
  );
  await assert.rejects(
    createBroker({ hooks: { authorisePublish: () => false } as object }),
    /hooks: there is no authorisePublish; there are authorizeConnection, /,
  );
  await assert.rejects(createBroker({ hooks: [{}, { onPublish: () => false } as object] }), {
    code: "ERR_USAGE",
  });
  await using broker = await createBroker();
  assert.throws(
    () => broker.on("clientconnected" as "clientConnected", () => undefined),
    /there is no event clientconnected; there are connectionOpened, /,
  );
  await assert.rejects(broker.clients({ after: "junk" }), { code: "ERR_USAGE" });
});

test("close settles in a process that has nothing else to do, after a link that never ends", async () => {
  const program = `
    import { createBroker } from ${JSON.stringify(import.meta.resolve("./broker.js"))};
    const broker = await createBroker();
    const nothing = () => undefined;
    const link = {
      peer: { listener: "here", transport: "memory" }, unsentBytes: 0,
      write: () => true, pause: nothing, resume: nothing, end: nothing, destroy: nothing,
    };
    broker.engine.accept(link);
    await broker.close({ timeoutMs: 20 });
    console.log("closed");`;
  const words = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  assert.equal(stdout, "closed\n");
});
