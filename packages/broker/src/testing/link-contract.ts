import assert from "node:assert/strict";
import { test } from "node:test";
import type { Accept, Link, LinkHandler } from "@sericite/protocol";

/** Links of one kind, for one test. */
export interface LinkHarness {
  /** Opens a link: `handler` is the dialling end's, `accept` gives the other's. */
  readonly open: (handler: LinkHandler, accept: Accept) => Promise<Link>;
  /** Lets events happen until `condition` holds. @throws where it never does. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** Lets whatever is under way happen. */
  readonly quiet: () => Promise<void>;
  readonly close: () => void | Promise<void>;
}

/** A handler that writes down what it is told. */
class Recorder implements LinkHandler {
  link: Link | undefined;
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  writable = 0;
  closed = 0;
  afterClose = 0;
  /** Set while a call to the link is under way: the handler must not be called then. */
  isCalling = false;
  calledInside = 0;

  onData(bytes: Uint8Array, start: number, end: number): void {
    this.#called();
    this.chunks.push(bytes.slice(start, end));
    this.bytes += end - start;
  }

  onWritable(): void {
    this.#called();
    this.writable += 1;
  }

  onClose(): void {
    this.#called();
    this.closed += 1;
  }

  /** Calls the link and notes whether it called back from inside. */
  calling<T>(work: (link: Link) => T): T {
    this.isCalling = true;
    try {
      return work(this.link as Link);
    } finally {
      this.isCalling = false;
    }
  }

  received(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.chunks));
  }

  #called(): void {
    if (this.isCalling) this.calledInside += 1;
    if (this.closed > 0) this.afterClose += 1;
  }
}

/** `count` bytes that tell their place. */
function pattern(count: number, from: number = 0): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) bytes[i] = (from + i + ((from + i) >> 8)) & 0xff;
  return bytes;
}

/**
 * The contract of `Link`, as tests: run it on each kind of link.
 *
 * @param kind  Its name, for the names of the tests.
 */
export function linkContract(
  kind: string,
  harness: () => LinkHarness | Promise<LinkHarness>,
): void {
  const on = (
    name: string,
    run: (near: Recorder, far: Recorder, harness: LinkHarness) => Promise<void>,
  ): void => {
    test(`${kind} link: ${name}`, async () => {
      const links = await harness();
      try {
        const near = new Recorder();
        const far = new Recorder();
        near.link = await links.open(near, (link) => {
          far.link = link;
          return far;
        });
        await links.until(() => far.link !== undefined);
        await run(near, far, links);
        await links.quiet();
        for (const recorder of [near, far]) {
          assert.equal(
            recorder.calledInside,
            0,
            "a handler was called from inside a call to the link",
          );
          assert.equal(recorder.afterClose, 0, "a handler was called after onClose");
          assert.ok(recorder.closed <= 1, "onClose came twice");
        }
      } finally {
        await links.close();
      }
    });
  };

  on("bytes arrive in order, both ways", async (near, far, { until }) => {
    let sent = 0;
    for (let size = 1; size < 3000; size += 97) {
      near.calling((link) => link.write(pattern(size, sent)));
      far.calling((link) => link.write(pattern(size, sent)));
      sent += size;
    }
    await until(() => near.bytes === sent && far.bytes === sent);
    assert.deepEqual(near.received(), pattern(sent, 0));
    assert.deepEqual(far.received(), pattern(sent, 0));
  });

  on(
    "bytes are the writer's again once write returned true",
    async (near, far, { until, quiet }) => {
      let sent = 0;
      while (sent < 5000) {
        const bytes = pattern(100, sent);
        const taken = near.calling((link) => link.write(bytes));
        sent += bytes.length;
        if (taken) bytes.fill(0);
        else await quiet();
      }
      await until(() => far.bytes === sent);
      assert.deepEqual(far.received(), pattern(sent));
    },
  );

  on(
    "a write that returned false is followed by onWritable when all has left",
    async (near, far, { until }) => {
      far.calling((link) => link.pause());
      let sent = 0;
      while (near.calling((link) => link.write(pattern(65536, sent)))) {
        sent += 65536;
        assert.ok(sent < 1 << 28, "a link to an end that does not read takes bytes without bound");
      }
      sent += 65536;
      assert.equal(near.writable, 0);
      assert.ok((near.link as Link).unsentBytes > 0);
      far.calling((link) => link.resume());
      await until(() => far.bytes === sent && near.writable > 0);
      assert.equal((near.link as Link).unsentBytes, 0);
      assert.equal(near.writable, 1);
      assert.deepEqual(far.received(), pattern(sent));
    },
  );

  on(
    "a paused end gets data at most once more, and all of it when it resumes",
    async (near, far, { until, quiet }) => {
      near.calling((link) => link.write(pattern(10)));
      await until(() => far.bytes === 10);
      const before = far.chunks.length;
      far.calling((link) => link.pause());
      for (let i = 0; i < 5; i += 1) {
        near.calling((link) => link.write(pattern(10, 10 + 10 * i)));
        await quiet();
      }
      assert.ok(far.chunks.length <= before + 1, "data kept coming to a paused end");
      far.calling((link) => link.resume());
      await until(() => far.bytes === 60);
      assert.deepEqual(far.received(), pattern(60));
    },
  );

  on("end sends what was written, then closes both ends", async (near, far, { until }) => {
    for (let i = 0; i < 20; i += 1) near.calling((link) => link.write(pattern(1000, 1000 * i)));
    near.calling((link) => link.end());
    await until(() => far.closed === 1 && near.closed === 1);
    assert.deepEqual(far.received(), pattern(20_000));
  });

  on(
    "destroy closes both ends, and neither is told anything after",
    async (near, far, { until, quiet }) => {
      near.calling((link) => link.write(pattern(100)));
      near.calling((link) => link.destroy());
      await until(() => far.closed === 1 && near.closed === 1);
      await quiet();
      assert.ok(far.bytes <= 100);
    },
  );

  on("destroy after end closes at once", async (near, far, { until }) => {
    near.calling((link) => link.end());
    near.calling((link) => link.destroy());
    await until(() => far.closed === 1 && near.closed === 1);
  });

  on("calls on a closed link do nothing", async (near, far, { until, quiet }) => {
    near.calling((link) => link.destroy());
    await until(() => far.closed === 1 && near.closed === 1);
    for (const end of [near, far]) {
      end.calling((link) => link.write(pattern(10)));
      end.calling((link) => link.pause());
      end.calling((link) => link.resume());
      end.calling((link) => link.end());
      end.calling((link) => link.destroy());
    }
    await quiet();
    assert.equal((near.link as Link).unsentBytes, 0);
  });

  on("nothing is sent after end", async (near, far, { until }) => {
    near.calling((link) => link.write(pattern(10)));
    near.calling((link) => link.end());
    near.calling((link) => link.write(pattern(10)));
    await until(() => far.closed === 1);
    assert.equal(far.bytes, 10);
  });

  on("each end knows how its peer came", async (near, far) => {
    for (const end of [near, far]) {
      const { listener, transport } = (end.link as Link).peer;
      assert.equal(typeof listener, "string");
      assert.ok(["tcp", "tls", "websocket", "unix", "memory"].includes(transport));
    }
  });
}
