import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "./address.ts";
import type { ServerReferencePolicy } from "./servers.ts";
import { Servers, referredAddress } from "./servers.ts";

function servers(...names: string[]): Servers {
  return new Servers(names.map((name) => parseAddress(`mqtt://${name}`)));
}

const hostOf = (of: Servers): string | undefined => of.current?.host;

test("each server has its turn after the failure of the one before it; all in a row are a round", () => {
  const list = servers("a", "b", "c");
  const seen: (string | boolean | undefined)[] = [];
  for (let i = 0; i < 4; i++) seen.push(hostOf(list), list.failed());
  assert.deepEqual(seen, ["a", false, "b", false, "c", true, "a", false]);
});

test("after a lost connection the next server has its turn, and a new round begins", () => {
  const list = servers("a", "b");
  list.failed();
  list.connected();
  list.lost();
  assert.equal(hostOf(list), "a");
  assert.deepEqual([list.failed(), list.failed()], [false, true]);
});

test("without addresses each failure is a round", () => {
  const list = new Servers([]);
  assert.equal(list.current, undefined);
  assert.equal(list.failed(), true);
});

test("0x9C leads to another server until that fails, 0x9D puts it in the place of this one", () => {
  const list = servers("a", "b");
  assert.equal(list.redirect(parseAddress("mqtt://x"), false), true);
  assert.equal(hostOf(list), "x");
  assert.equal(list.failed(), false);
  assert.equal(hostOf(list), "b");
  list.redirect(parseAddress("mqtt://y"), true);
  assert.equal(hostOf(list), "y");
  list.failed();
  list.failed();
  assert.equal(hostOf(list), "y");
});

test("more than five redirections in a row are not followed at once, until a connection lasts", () => {
  const list = servers("a");
  const to = parseAddress("mqtt://x");
  const followed = Array.from({ length: 7 }, () => list.redirect(to, false));
  assert.deepEqual(followed, [true, true, true, true, true, false, false]);
  list.steady();
  assert.equal(list.redirect(to, false), true);
});

const from = "mqtts://user:secret@old.example:8884";

for (const [reference, expected, server = from] of [
  ["new.example", "mqtts://new.example:8883"],
  ["new.example:1234", "mqtts://new.example:1234"],
  ["10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883", "mqtts://10.10.151.22:8883"],
  ["mqtt://plain.example [fe80::1]:1883", "mqtts://[fe80::1]:1883"],
  ["new.example", "ws://new.example:80/mqtt", "ws://old.example:81/mqtt"],
  ["mqtt://plain.example", undefined],
  ["h:99999", undefined],
  ["", undefined],
  ["new.example", undefined, "unix:/run/mqtt.sock"],
] as const) {
  test(`Server Reference ${JSON.stringify(reference)} of ${server} leads to ${expected}`, () => {
    const address = referredAddress(reference, false, true, parseAddress(server));
    assert.equal(address?.url, expected);
    if (address !== undefined && server === from) assert.equal(address.password, "secret");
  });
}

test("a policy says where a Server Reference leads, or that it is not followed", () => {
  const go = (policy: ServerReferencePolicy): string | undefined =>
    referredAddress("r", true, policy, parseAddress(from))?.url;
  assert.equal(go(false), undefined);
  assert.equal(
    go(() => undefined),
    undefined,
  );
  assert.equal(
    go((reference, isPermanent) => `mqtt://${reference}.${isPermanent}`),
    "mqtt://r.true:1883",
  );
  assert.throws(() => go(() => "nonsense"), { code: "ERR_USAGE" });
});
