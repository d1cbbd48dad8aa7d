import assert from "node:assert/strict";
import { test } from "node:test";
import { describeClient, listClients } from "./client-list.ts";
import { TestBroker } from "./test-broker.test-support.ts";

const kept = { properties: { sessionExpiryInterval: 1000 } };

function pagesOf(broker: TestBroker, limit: number): string[][] {
  const pages: string[][] = [];
  let after: string | undefined;
  do {
    const page = listClients(broker.engine, { after, limit });
    pages.push(page.clients.map(({ clientId }) => clientId));
    after = page.next;
  } while (after !== undefined);
  return pages;
}

for (const [count, limit] of [
  [0, 10],
  [1, 10],
  [10, 10],
  [11, 10],
  [25, 10],
  [25, 1],
  [25, 1000],
] as const) {
  test(`${count} clients in pages of ${limit}: each once, no page is longer`, () => {
    const broker = new TestBroker();
    const names = Array.from({ length: count }, (_, i) => `c${i}`);
    for (const name of names) broker.connect(name);
    const pages = pagesOf(broker, limit);
    assert.deepEqual(pages.flat(), names);
    assert.ok(pages.every((page) => page.length <= limit));
    assert.ok(pages.length <= Math.max(1, Math.ceil(count / limit)));
  });
}

test("clients that come and go between pages: nobody is given twice, and those who stay are all given", () => {
  const broker = new TestBroker();
  const clients = Array.from({ length: 40 }, (_, i) => broker.connect(`c${i}`));
  const first = listClients(broker.engine, { limit: 10 });
  for (let i = 0; i < 40; i += 2) clients[i]!.leave();
  for (let i = 0; i < 10; i++) broker.connect(`new${i}`);
  const seen = first.clients.map(({ clientId }) => clientId);
  let after = first.next;
  while (after !== undefined) {
    const page = listClients(broker.engine, { after, limit: 7 });
    seen.push(...page.clients.map(({ clientId }) => clientId));
    after = page.next;
  }
  assert.equal(new Set(seen).size, seen.length);
  for (let i = 11; i < 40; i += 2) assert.ok(seen.includes(`c${i}`), `c${i}`);
});

test("what is known of a client: connected, with messages waiting and in flight; then away", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, {
    username: "u",
    keepAlive: 30,
    properties: { sessionExpiryInterval: 1000, receiveMaximum: 2 },
  });
  client.subscribe("a", 1);
  client.subscribe("b", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 5; i++) publisher.sendPublish("a", "x", { qos: 1, id: i });
  broker.settle();
  const session = broker.engine.sessions.get("c")!;
  assert.deepEqual(describeClient(broker.engine, session), {
    clientId: "c",
    username: "u",
    isConnected: true,
    protocolVersion: 5,
    peer: client.brokerLink.peer,
    keepAlive: 30,
    sessionExpiryInterval: 1000,
    subscriptions: 2,
    queued: 3,
    inFlight: 2,
  });
  client.drop();
  assert.deepEqual(describeClient(broker.engine, session), {
    clientId: "c",
    username: "u",
    isConnected: false,
    protocolVersion: undefined,
    peer: undefined,
    keepAlive: 0,
    sessionExpiryInterval: 1000,
    subscriptions: 2,
    queued: 3,
    inFlight: 2,
  });
});

test("a limit that is none gives a page that is not too long; a cursor that is none is refused", () => {
  const broker = new TestBroker();
  for (let i = 0; i < 150; i++) broker.connect(`c${i}`, 5, kept);
  assert.equal(listClients(broker.engine, {}).clients.length, 100);
  assert.equal(listClients(broker.engine, { limit: 0 }).clients.length, 1);
  assert.equal(listClients(broker.engine, { limit: -5 }).clients.length, 1);
  assert.ok(listClients(broker.engine, { limit: Number.NaN }).clients.length <= 100);
  assert.throws(() => listClients(broker.engine, { after: "nonsense" }), { code: "ERR_USAGE" });
  assert.deepEqual(listClients(broker.engine, { after: "999999" }), {
    clients: [],
    next: undefined,
  });
});
