import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { connect } from "../index.ts";
import type * as Sericite from "./index.ts";
import { World, withoutChromium } from "./chromium.test-support.ts";
import { sessionStoreContract } from "../testing/session-store.contract.ts";

/** The client in the page: what stands in `evaluate` runs there. */
declare const sericite: typeof Sericite;
declare const stores: Map<number, Sericite.SessionStore>;

const skip = withoutChromium;
let world: World;
let page: Page;
let count = 0;

before(async () => {
  if (skip !== false) return;
  world = await World.start();
  ({ page } = await world.page());
  await page.evaluate("globalThis.stores = new Map()");
});
after(async () => {
  if (skip === false) await world[Symbol.asyncDispose]();
});

/** A store in the page, called from here; bytes go there and back as base64. */
function remoteStore(name: string): Sericite.SessionStore {
  const id = ++count;
  return {
    open: async () => {
      const records = await page.evaluate(
        async ({ name, id }) => {
          const store = sericite.indexedDbStore(name);
          stores.set(id, store);
          return [...(await store.open())].map(([key, value]): [string, string] => {
            let text = "";
            for (const byte of value) text += String.fromCharCode(byte);
            return [key, btoa(text)];
          });
        },
        { name, id },
      );
      return new Map(
        records.map(([key, value]) => [key, new Uint8Array(Buffer.from(value, "base64"))]),
      );
    },
    write: (changes) =>
      page.evaluate(
        ({ id, plain }) => {
          const bytes = (text: string): Uint8Array =>
            Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
          const changes = plain.map(([key, value]) => ({
            key,
            value: value === null ? undefined : bytes(value),
          }));
          return stores.get(id)!.write(changes);
        },
        {
          id,
          plain: changes.map(({ key, value }): [string, string | null] => [
            key,
            value === undefined ? null : Buffer.from(value).toString("base64"),
          ]),
        },
      ),
    close: () => page.evaluate((id) => stores.get(id)!.close(), id),
  };
}

if (skip === false) {
  sessionStoreContract("IndexedDB in Chromium", () => {
    const name = `contract-${++count}`;
    return { open: () => remoteStore(name), remove: () => undefined };
  });
}

test(
  "Chromium: a reload loses no message that the store took, and doubles none",
  { skip },
  async () => {
    const received: number[] = [];
    await using receiver = await connect({ url: world.url });
    await receiver.subscribe("reload", (message) => void received.push(Number(message.text())), {
      qos: 2,
    });
    const { page: own, context } = await world.page();
    const options = { url: world.url, clientId: "reloaded", inFlightMaximum: 2 };
    for (let round = 0; round < 3; round++) {
      await own.evaluate(
        async ({ options, round }) => {
          const store = sericite.indexedDbStore("reload");
          const client = await sericite.connect({ ...options, store });
          for (let index = 0; index < 50; index++) {
            client
              .publish("reload", String(round * 50 + index), { qos: 2 })
              .catch(() => "the page goes away");
          }
          await client.flush();
        },
        { options, round },
      );
      await own.reload();
      await own.waitForFunction("globalThis.sericite !== undefined");
    }
    await own.evaluate(async (options) => {
      const store = sericite.indexedDbStore("reload");
      const client = await sericite.connect({ ...options, store });
      await client.disconnect();
    }, options);
    assert.deepEqual(
      received,
      Array.from({ length: 150 }, (_, index) => index),
    );
    await context.close();
  },
);

test("Chromium: a second page is told that the first has the store", { skip }, async () => {
  const first = remoteStore("shared");
  await first.open();
  await assert.rejects(remoteStore("shared").open(), /another page has the session store/);
  await first.close();
});
