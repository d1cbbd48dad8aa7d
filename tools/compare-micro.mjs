/**
 * Compares the micro-benchmarks of two versions and tells a regression from noise.
 *
 *     npm run bench:compare -- BASE [CANDIDATE] [--only TEXT] [--files codec,routing]
 *                              [--threshold 5] [--max-launches 20] [--rounds 24] [--plant PERCENT]
 *
 * `--checkouts A,B` takes two folders that are built already; BASE and CANDIDATE then only name them.
 *
 * BASE and CANDIDATE are git revisions; without CANDIDATE the working tree is compared, changes
 * that are not committed included. Each is built in a temporary checkout of its own.
 *
 * How it measures. Both builds run at the same time, but only one of them works at any moment:
 * the rounds take turns (base, candidate, candidate, base, …), so that both find the machine in
 * the same state. What disturbs a round only adds time, so that a launch's ratio is that of the
 * least times of its two sides. Processes are launched anew several times, since the layout of
 * memory and the compiler's choices differ between launches more than between rounds.
 *
 * How it decides. The true ratio lies within the printed interval with 99 % confidence (Wilcoxon's
 * signed ranks over the launches). Launches are added until the interval decides, or
 * until `--max-launches`:
 *
 *     SLOWER   the interval lies wholly above half the threshold (5 %: above 1.025)
 *     faster   the interval lies wholly below minus half the threshold
 *     same     the interval lies wholly within the threshold
 *     unsure   none of these: too noisy; run again on a quieter machine or with more launches
 *
 * `--plant 5` makes the candidate pretend to be 5 % slower: it shows that the comparison would
 * see it. The exit code is 1 if anything is slower.
 */
import { fork } from "node:child_process";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildCheckout, temporaryFolder } from "./checkout.mjs";
import { compiledBenchmark, findMicroBenchmarks } from "./micro-benchmarks.mjs";
import { rankInterval, median, verdict } from "./paired-statistics.mjs";

const CONFIDENCE = 0.99;
const MIN_LAUNCHES = 8;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "" },
    files: { type: "string", default: "" },
    threshold: { type: "string", default: "5" },
    "max-launches": { type: "string", default: "20" },
    rounds: { type: "string", default: "24" },
    "round-ms": { type: "string", default: "15" },
    checkouts: { type: "string", default: "" },
    plant: { type: "string", default: "0" },
  },
});
const [base, candidate] = positionals;
if (base === undefined) {
  console.error(
    "usage: npm run bench:compare -- BASE [CANDIDATE]     (see tools/compare-micro.mjs)",
  );
  process.exit(2);
}
const threshold = Number(flags.threshold) / 100;
const maxLaunches = Math.max(MIN_LAUNCHES, Number(flags["max-launches"]));

const folder = temporaryFolder("compare");
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

/** A running benchmark process that does a round when it is told to. */
class Runner {
  #child;
  #inbox = [];
  #waiting;
  #printed = "";

  constructor(checkout, name, environment) {
    const args = ["--rounds", flags.rounds, "--round-ms", flags["round-ms"]];
    if (flags.only !== "") args.push("--only", flags.only);
    this.#child = fork(compiledBenchmark(checkout, name), args, {
      execArgv: ["--expose-gc"],
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (text) => (this.#printed += text));
    }
    this.#child.on("message", (message) => this.#give(message));
    this.#child.on("exit", (code) =>
      this.#give(
        code === 0 ? { end: true } : { error: `${name} ended with ${code}\n${this.#printed}` },
      ),
    );
  }

  #give(message) {
    if (this.#waiting === undefined) this.#inbox.push(message);
    else this.#waiting(message);
    this.#waiting = undefined;
  }

  /** The next thing it says: `ready` for a round, `done` with one, or `end`. */
  async next() {
    const message =
      this.#inbox.shift() ?? (await new Promise((resolve) => (this.#waiting = resolve)));
    if (message.error !== undefined) throw new Error(message.error);
    return message;
  }

  /** Does the round that it is ready for; gives nanoseconds for one operation. */
  async round() {
    this.#child.send("go");
    return (await this.next()).ns;
  }

  kill() {
    this.#child.kill("SIGKILL");
  }
}

/** One launch of both builds; adds the ratio of each benchmark to `ratios`. */
async function launch(name, checkouts, ratios, number) {
  const runners = [
    new Runner(checkouts[0], name, {}),
    new Runner(checkouts[1], name, { BENCH_PLANT: String(Number(flags.plant) / 100) }),
  ];
  const pairs = new Map();
  try {
    // What each says next. Only one works at a time: warming up and clearing away included.
    const says = [];
    const order = number % 2 === 0 ? [0, 1] : [1, 0];
    for (const side of order) says[side] = await runners[side].next();
    for (let pair = 0; !says[0].end || !says[1].end; pair++) {
      const benchmark = says[0].ready;
      if (benchmark === undefined || benchmark !== says[1].ready) {
        throw new Error(`${name}: the two versions measure different things; choose with --only`);
      }
      const ns = [0, 0];
      for (const side of pair % 2 === 0 ? order : order.toReversed()) {
        ns[side] = await runners[side].round();
        says[side] = await runners[side].next();
      }
      pairs.set(benchmark, [...(pairs.get(benchmark) ?? []), ns]);
    }
  } finally {
    for (const runner of runners) runner.kill();
  }
  for (const [benchmark, values] of pairs) {
    const entry = ratios.get(benchmark) ?? { logs: [], baseNs: [], candidateNs: [] };
    const least = [0, 1].map((side) => Math.min(...values.map((ns) => ns[side])));
    entry.logs.push(Math.log(least[1] / least[0]));
    entry.baseNs.push(least[0]);
    entry.candidateNs.push(least[1]);
    ratios.set(benchmark, entry);
  }
}

const checkouts =
  flags.checkouts === ""
    ? [
        buildCheckout(base, folder, "base", ["bench"]),
        buildCheckout(candidate, folder, "candidate", ["bench"]),
      ]
    : flags.checkouts.split(",");
const inBase = findMicroBenchmarks(checkouts[0]);
const files = findMicroBenchmarks(checkouts[1])
  .filter((name) => inBase.includes(name))
  .filter((name) => flags.files === "" || flags.files.split(",").includes(name));
if (files.length === 0) {
  console.error("the two versions have no micro-benchmark in common");
  process.exit(2);
}

console.log(
  `${candidate ?? "the working tree"} against ${base}: ${CONFIDENCE * 100} % intervals of the ratio of times, threshold ${flags.threshold} %`,
);
let slower = 0;
for (const name of files) {
  const ratios = new Map();
  let open = true;
  for (let launches = 0; launches < maxLaunches && open;) {
    await launch(name, checkouts, ratios, launches);
    launches++;
    open =
      launches < MIN_LAUNCHES ||
      [...ratios.values()].some(
        ({ logs }) => verdict(rankInterval(logs, CONFIDENCE), threshold) === "unsure",
      );
  }
  for (const [benchmark, { logs, baseNs, candidateNs }] of ratios) {
    const interval = rankInterval(logs, CONFIDENCE);
    const word = verdict(interval, threshold);
    if (word === "SLOWER") slower++;
    const ratio = [interval.low, interval.middle, interval.high].map((log) =>
      Math.exp(log).toFixed(3),
    );
    console.log(
      `${word.padEnd(7)} ${benchmark.padEnd(48)} ${median(baseNs).toFixed(1).padStart(10)} -> ${median(candidateNs).toFixed(1).padStart(10)} ns   x ${ratio[1]}  (${ratio[0]} to ${ratio[2]}, ${logs.length} launches)`,
    );
  }
}
process.exitCode = slower > 0 ? 1 : 0;
