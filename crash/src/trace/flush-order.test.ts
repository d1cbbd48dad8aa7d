import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeAcknowledgement, encodeConnect, encodePublish } from "../wire/encode.ts";
import { flushOrder } from "./flush-order.ts";
import { readSystemCalls } from "./system-calls.ts";

const hex = (bytes: Buffer | string): string =>
  Buffer.from(bytes as string)
    .toString("hex")
    .replaceAll(/../g, "\\x$&");
const socket = `9<${hex("socket:[77]")}>`;
const segment = `21<${hex("/data/00000001.log")}>`;

const connect = encodeConnect({ version: 4, clientId: "c", cleanStart: true });
const publish = encodePublish(4, {
  topicName: "t",
  payload: Buffer.from("the marker"),
  qos: 1,
  retain: false,
  dup: false,
  packetIdentifier: 3,
});
const puback = encodeAcknowledgement("puback", 3);

const CONNECT = `10 read(${socket}, "${hex(connect)}", 65536) = ${connect.length}`;
const PUBLISH = `10 read(${socket}, "${hex(publish)}", 65536) = ${publish.length}`;
const WRITE = `12 pwrite64(${segment}, "${hex("frame the marker end")}", 20, 32) = 20`;
const OTHER = `12 pwrite64(${segment}, "${hex("frame of others")}", 15, 32) = 15`;
const FLUSH = `13 fdatasync(${segment}) = 0`;
const FLUSH_BEGINS = `13 fdatasync(${segment} <unfinished ...>`;
const FLUSH_ENDS = `13 <... fdatasync resumed>) = 0`;
const FLUSH_FAILS = `13 fdatasync(${segment}) = -1 EIO (Input/output error)`;
const PUBACK = `10 write(${socket}, "${hex(puback)}", 4) = 4`;

for (const [name, lines, isEarly] of [
  ["write, flush, acknowledgement", [PUBLISH, WRITE, FLUSH, PUBACK], false],
  ["the flush in two parts", [PUBLISH, WRITE, FLUSH_BEGINS, FLUSH_ENDS, PUBACK], false],
  ["no flush", [PUBLISH, WRITE, PUBACK], true],
  ["a flush that began before the write", [PUBLISH, FLUSH_BEGINS, WRITE, FLUSH_ENDS, PUBACK], true],
  ["a flush that has not ended", [PUBLISH, WRITE, FLUSH_BEGINS, PUBACK, FLUSH_ENDS], true],
  ["a flush that failed", [PUBLISH, WRITE, FLUSH_FAILS, PUBACK], true],
  ["a flush before the write", [PUBLISH, FLUSH, WRITE, PUBACK], true],
  ["the write of something else", [PUBLISH, OTHER, FLUSH, PUBACK], true],
  ["an older write of the same", [WRITE, FLUSH, PUBLISH, PUBACK], true],
] as const)
  test(`${name}: ${isEarly ? "the acknowledgement is early" : "it is covered"}`, () => {
    const { covered, early } = flushOrder(readSystemCalls([CONNECT, ...lines].join("\n")));
    assert.deepEqual(early, isEarly ? ['puback for "the marker"'] : []);
    assert.equal(covered["puback"] ?? 0, isEarly ? 0 : 1);
  });

test("what the process says on its standard output is no packet", () => {
  // Its first two bytes are those of a PUBLISH, and its third the length of a topic that is not there.
  const line = Buffer.from(`2 ${"a line of the log ".repeat(4)}\n`);
  const said = `10 write(1<${hex("socket:[12]")}>, "${hex(line)}", ${line.length}) = ${line.length}`;
  const { covered, early } = flushOrder(
    readSystemCalls([said, CONNECT, PUBLISH, WRITE, FLUSH, PUBACK].join("\n")),
  );
  assert.deepEqual(early, []);
  assert.deepEqual(covered, { puback: 1 });
});
