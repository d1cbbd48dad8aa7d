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
  /** Ends what the dialling end sends, and lets it read on; absent where the transport has no such thing. */
  readonly halfClose?: (near: Link) => void;
  /** Cuts the dialling end off without a farewell; absent where the transport has no such thing. */
  readonly abort?: (near: Link) => void;
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
  /** Called after bytes were noted, with the link to do what a handler may do. */
  whenData: ((link: Link) => void) | undefined;
  /** Called when the link is writable again. */
  whenWritable: ((link: Link) => void) | undefined;
  /** Set while a call to the link is under way: the handler must not be called then. */
  isCalling = false;
  calledInside = 0;

  onData(bytes: Uint8Array, start: number, end: number): void {
    this.#called();
    this.chunks.push(bytes.slice(start, end));
    this.bytes += end - start;
    if (this.whenData !== undefined) this.calling(this.whenData);
  }

  onWritable(): void {
    this.#called();
    this.writable += 1;
    if (this.whenWritable !== undefined) this.calling(this.whenWritable);
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
    return new Uint8Array(Buffer.concat(this.chunks));
  }

  #called(): void {
    if (this.isCalling) this.calledInside += 1;
    if (this.closed > 0) this.afterClose += 1;
  }
}

/** Bytes that tell their place; they begin again after 64 KiB. */
const period = Uint8Array.from({ length: 65536 }, (_, at) => at + (at >> 8));

/** `count` bytes that tell their place. */
function pattern(count: number, from: number = 0): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const start = (from + at) % period.length;
    const part = period.subarray(start, start + count - at);
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Whether two runs of bytes are equal; `deepEqual` takes seconds on megabytes. */
function assertEqualBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  assert.equal(actual.length, expected.length);
  const differs = actual.findIndex((byte, at) => byte !== expected[at]);
  assert.fail(`byte ${differs} differs`);
}

/** Writes `total` bytes in pieces of `size`, as fast as the link takes them. */
function stream(
  from: Recorder,
  total: number,
  size: number,
): { readonly sent: () => number; readonly largest: () => number } {
  let sent = 0;
  let largest = 0;
  const fill = (link: Link): void => {
    while (sent < total) {
      const bytes = pattern(Math.min(size, total - sent), sent);
      sent += bytes.length;
      const taken = link.write(bytes);
      largest = Math.max(largest, link.unsentBytes);
      if (!taken) return;
    }
  };
  from.whenWritable = fill;
  from.calling(fill);
  return { sent: () => sent, largest: () => largest };
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

  on(
    "an end that pauses when data comes gets it at most once more, however much came at once",
    async (near, far, { until, quiet }) => {
      const bytes = pattern(60_000);
      far.whenData = (link) => link.pause();
      near.calling((link) => link.write(bytes));
      await until(() => far.chunks.length > 0);
      await quiet();
      assert.ok(far.chunks.length <= 2, `${far.chunks.length} times data came to a paused end`);
      for (let calls = 0; far.bytes < bytes.length && calls < 100; calls += 1) {
        const before = far.chunks.length;
        far.calling((link) => link.resume());
        await until(() => far.chunks.length > before);
        await quiet();
        assert.ok(far.chunks.length <= before + 2);
      }
      assertEqualBytes(far.received(), bytes);
      // An end that stays paused does not see the other one go.
      far.whenData = undefined;
      far.calling((link) => link.resume());
    },
  );

  on("single bytes arrive in order, both ways", async (near, far, { until, quiet }) => {
    for (let i = 0; i < 400; i += 1) {
      near.calling((link) => link.write(pattern(1, i)));
      far.calling((link) => link.write(pattern(1, i)));
      if (i % 100 === 0) await quiet();
    }
    await until(() => near.bytes === 400 && far.bytes === 400);
    assert.deepEqual(near.received(), pattern(400));
    assert.deepEqual(far.received(), pattern(400));
  });

  on("10 MiB in one write arrive whole, both ways", async (near, far, { until }) => {
    const bytes = pattern(10 * 1024 * 1024);
    near.calling((link) => link.write(bytes));
    far.calling((link) => link.write(bytes));
    await until(() => near.bytes === bytes.length && far.bytes === bytes.length);
    assertEqualBytes(near.received(), bytes);
    assertEqualBytes(far.received(), bytes);
  });

  on(
    "a writer that heeds what write returns is held up by a slow reader, and nothing is lost",
    async (near, far, { until, quiet }) => {
      const total = 12 * 1024 * 1024;
      const piece = 32 * 1024;
      far.whenData = (link) => link.pause();
      const writer = stream(near, total, piece);
      for (let i = 0; i < 20; i += 1) {
        far.calling((link) => link.resume());
        await quiet();
      }
      assert.ok(writer.sent() < total, "all was taken though the other end hardly read");
      far.whenData = undefined;
      far.calling((link) => link.resume());
      await until(() => far.bytes === total);
      assertEqualBytes(far.received(), pattern(total));
      assert.ok(writer.largest() <= 1024 * 1024, `${writer.largest()} bytes were held at once`);
    },
  );

  on("a direction that is full does not hold up the other", async (near, far, { until }) => {
    far.calling((link) => link.pause());
    const writer = stream(near, 1 << 26, 65536);
    assert.ok(writer.sent() < 1 << 26);
    far.calling((link) => link.write(pattern(5000)));
    await until(() => near.bytes === 5000);
    near.calling((link) => link.destroy());
    far.calling((link) => link.destroy());
    await until(() => far.closed === 1 && near.closed === 1);
  });

  on(
    "a handler may write, pause and resume from inside its calls",
    async (near, far, { until }) => {
      far.whenData = (link) => {
        link.pause();
        link.write(far.chunks.at(-1)!);
        link.resume();
      };
      near.calling((link) => link.write(pattern(10_000)));
      await until(() => near.bytes === 10_000);
      assert.deepEqual(near.received(), pattern(10_000));
    },
  );

  on("a handler may destroy from inside its calls", async (near, far, { until }) => {
    far.whenData = (link) => link.destroy();
    for (let i = 0; i < 5; i += 1) near.calling((link) => link.write(pattern(100)));
    await until(() => far.closed === 1 && near.closed === 1);
  });

  on(
    "a paused end gets what was sent before the other's end once it resumes, then the close",
    async (near, far, { until, quiet }) => {
      far.calling((link) => link.pause());
      for (let i = 0; i < 10; i += 1) near.calling((link) => link.write(pattern(100, 100 * i)));
      near.calling((link) => link.end());
      await quiet();
      assert.equal(far.closed, 0, "the close overtook what was sent before");
      far.calling((link) => link.resume());
      await until(() => far.closed === 1 && near.closed === 1);
      assert.deepEqual(far.received(), pattern(1000));
    },
  );

  on(
    "destroy loses nothing but the end of what was written",
    async (near, far, { until, quiet }) => {
      far.calling((link) => link.pause());
      const total = stream(near, 1 << 24, 65536).sent();
      near.calling((link) => link.destroy());
      await quiet();
      far.calling((link) => link.resume());
      await until(() => far.closed === 1 && near.closed === 1);
      assert.ok(far.bytes <= total);
      assertEqualBytes(far.received(), pattern(far.bytes));
      assert.equal((near.link as Link).unsentBytes, 0);
    },
  );

  on(
    "what came before a half close is handed over, then both ends close",
    async (near, far, links) => {
      if (links.halfClose === undefined) return;
      near.calling((link) => link.write(pattern(5000)));
      far.calling((link) => link.write(pattern(3000)));
      links.halfClose(near.link as Link);
      await links.until(() => far.closed === 1 && near.closed === 1);
      assert.deepEqual(far.received(), pattern(5000));
      assert.deepEqual(near.received(), pattern(3000));
    },
  );

  on(
    "an end that is cut off closes the other once, whatever it was at",
    async (near, far, links) => {
      if (links.abort === undefined) return;
      near.calling((link) => link.pause());
      stream(far, 1 << 26, 65536);
      links.abort(near.link as Link);
      await links.until(() => far.closed === 1 && near.closed === 1);
      assert.equal(far.writable, 0, "it was told that bytes left which were lost");
      assert.equal((far.link as Link).unsentBytes, 0);
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
