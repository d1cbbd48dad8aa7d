import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { after, test } from "node:test";
import { readIntoSharedBuffer } from "./on-read.ts";

const server: Server = createServer({ pauseOnConnect: true });
after(() => server.close());

/** Both ends of a connection; the accepted one is paused. */
async function connection(): Promise<{ near: Socket; accepted: Socket }> {
  if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [accepted] = (await once(server, "connection")) as [Socket];
  return { near, accepted };
}

/** What a socket reads: buffers as they come, and their text. */
class Reads {
  readonly buffers = new Set<ArrayBufferLike>();
  text = "";
  #wake: () => void = () => undefined;

  readonly take = (length: number, buffer: Uint8Array): true => {
    this.buffers.add(buffer.buffer);
    this.text += Buffer.from(buffer.subarray(0, length)).toString();
    this.#wake();
    return true;
  };

  async until(text: string): Promise<void> {
    while (this.text !== text) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

test("this Node lets accepted sockets read into one buffer: no 'data' events, no buffer for each read", async () => {
  const reads = new Reads();
  for (let round = 0; round < 2; round++) {
    reads.text = "";
    const { near, accepted } = await connection();
    readIntoSharedBuffer(accepted, reads.take);
    assert.equal(accepted.listenerCount("data"), 0);
    accepted.resume();
    near.write("one");
    await reads.until("one");
    near.write("two");
    await reads.until("onetwo");
    near.destroy();
    await once(accepted, "close");
  }
  assert.equal(reads.buffers.size, 1);
});

test("a socket that is not as expected reads by 'data' events", async () => {
  const { near, accepted } = await connection();
  const { _handle: handle } = accepted as Socket & { _handle?: object };
  Object.defineProperty(handle, "useUserBuffer", { value: undefined });
  const reads = new Reads();
  readIntoSharedBuffer(accepted, reads.take);
  assert.equal(accepted.listenerCount("data"), 1);
  accepted.resume();
  near.write("one");
  await reads.until("one");
  near.destroy();
  await once(accepted, "close");
});
