/**
 * Damages copies of a real data directory, and opens each: the newest segment is cut at every byte of
 * its last batch, and single bits are flipped anywhere. A cut gives back all but the last batch; a
 * flipped bit gives that, or everything, or is refused by the name of the file.
 *
 *     npm run crash:torn [-- --seed N] [--kills N] [--flips N] [--keep]
 */
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Chance } from "@sericite/broker/testing";
import { framesOf, newestSegment } from "../segment-file.ts";
import { DamagedCopies } from "./damaged-copies.ts";
import { MARKED, OFFLINE, realDirectory } from "./real-directory.ts";
import type { StoreContent } from "./store-content.ts";

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    kills: { type: "string", default: "6" },
    flips: { type: "string", default: "300" },
    keep: { type: "boolean", default: false },
  },
});
let passed = 0;
const failed: string[] = [];

const directory = await realDirectory(Number(flags.seed), Number(flags.kills));
const copies = new DamagedCopies(directory);
const segment = newestSegment(directory)!;
const bytes = copies.read(segment);
const cutAt = framesOf(bytes).at(-1)!.offset;
const whole = await undamaged(bytes);
const before = await undamaged(bytes.subarray(0, cutAt));
console.log(
  `${copies.names.length} files, ${copies.bytes} bytes, ${whole.entries.size} messages in queues`,
);

judge(
  whole.waitingFor(OFFLINE).length === MARKED,
  `${whole.waitingFor(OFFLINE).length} of ${MARKED} acknowledged messages are there`,
);
judge(
  before.waitingFor(OFFLINE).length >= MARKED - 1 && !isSame(before, whole),
  "without its last batch it has not all but what that brought",
);
await cutEverywhere();
await flipBits();
judge(copies.changed().length === 0, `starts changed ${copies.changed().join(", ")}`);

copies.remove();
if (flags.keep || failed.length > 0) console.log(`data directory: ${directory}`);
else rmSync(directory, { recursive: true });
console.log(`\n${passed} passed, ${failed.length} failed`);
process.exit(failed.length === 0 ? 0 : 1);

/** What a directory holds of which nothing is damaged. */
async function undamaged(ofSegment: Uint8Array): Promise<StoreContent> {
  const outcome = await copies.open(segment, ofSegment);
  if (outcome instanceof Error) throw outcome;
  return outcome;
}

async function cutEverywhere(): Promise<void> {
  for (let length = cutAt; length < bytes.length; length += 1) {
    const outcome = await copies.open(segment, bytes.subarray(0, length));
    const what = `${segment} cut at byte ${length} of ${bytes.length}`;
    if (outcome instanceof Error) judge(false, `${what}: ${outcome.stack}`);
    else judge(isSame(outcome, before), `${what}: not what was there before the last batch`);
  }
  console.log(`cut at each of the last ${bytes.length - cutAt} bytes`);
}

async function flipBits(): Promise<void> {
  const chance = Chance.ofSeed(Number(flags.seed));
  const counts = { refused: 0, toldAsDamaged: 0, withoutLastBatch: 0, withoutEffect: 0 };
  for (let flip = 0; flip < Number(flags.flips); flip += 1) {
    const name = chance.pick(copies.names);
    const flipped = copies.read(name);
    const at = chance.integer(0, flipped.length - 1);
    flipped[at] = flipped[at]! ^ (1 << chance.integer(0, 7));
    const outcome = await copies.open(name, flipped);
    const what = `${name}, a bit of byte ${at} of ${flipped.length} flipped`;
    if (outcome instanceof Error) {
      judge(isNamed(outcome, name), `${what}: ${outcome.stack}`);
      counts.refused += 1;
    } else if (isSame(outcome, whole)) {
      passed += 1;
      counts.withoutEffect += 1;
    } else if (isSame(outcome, before)) {
      judge(name === segment, `${what}: the last batch of ${segment} is missing`);
      counts.withoutLastBatch += 1;
    } else {
      judge(isAllButUnreadable(outcome), `${what}: other content, and nobody is told of damage`);
      counts.toldAsDamaged += 1;
    }
  }
  console.log(`${flags.flips} bits flipped: ${JSON.stringify(counts)}`);
}

function isSame(one: StoreContent, other: StoreContent): boolean {
  return (
    one.state === other.state &&
    one.unreadable.size === other.unreadable.size &&
    one.entries.size === other.entries.size &&
    [...one.entries].every(([place, text]) => other.entries.get(place) === text)
  );
}

/** Everything is there, but for messages that the store itself says are damaged. */
function isAllButUnreadable({ state, entries, unreadable }: StoreContent): boolean {
  if (state !== whole.state || unreadable.size === 0) return false;
  return [...whole.entries].every(
    ([place, text]) => entries.get(place) === text || unreadable.has(place),
  );
}

/** Whether an error says which file is damaged. */
function isNamed(error: Error, name: string): boolean {
  return (
    (error as { code?: string }).code === "ERR_STORE_DAMAGED" && error.message.startsWith(name)
  );
}

function judge(isRight: boolean, otherwise: string): void {
  if (isRight) {
    passed += 1;
    return;
  }
  failed.push(otherwise);
  if (failed.length <= 10) console.log(`FAILED  ${otherwise}`);
}
