/**
 * What `npm run bench` can be told.
 */
import { parseArgs } from "node:util";
import { GROUPS, NODES_GROUP, QUICK } from "./groups.ts";
import type { Group } from "./groups.ts";

export const HELP = `Measures the broker beside others under load, says which bars it reached, draws and compares.

    npm run bench                                    everything; see the estimate it begins with
    npm run bench -- --quick                         a first impression, in two minutes
    npm run bench -- --groups pairs,links            some groups (--list shows them)
    npm run bench -- --scenarios pairs-q1 --brokers mosquitto,sericite --rounds 9
    npm run bench -- --compare docs/performance/figures.json
    npm run bench -- --from bench/results/DATE.json --write

  --groups A,B         groups to run; 'nodes' sets versions of Node beside each other
  --scenarios A,B      only these of their scenarios
  --brokers A,B        only these of their brokers
  --rounds N           default 5; odd, so that the median is one of them
  --duration TIME      measured time of a run, default 2500ms
  --warmup TIME        before it, default 1s
  --quick              three groups, 1 round, few brokers, short runs
  --out FILE           where the report goes, default bench/results/DATE.json; plots go beside it
  --add FILE           an earlier report, or the one in docs, whose groups count where this run has none (repeatable)
  --from FILE          run nothing, take this report
  --compare FILE       print new / old for each figure
  --write              put tables, plots and the figures into docs
  --list               print groups and scenarios, run nothing

Runs take turns: every broker in every round. A machine on which other programs run gives figures that
mean little; a run in which they took more than a quarter of a core is repeated.
It needs Linux and Go, and for each other broker what that one needs; one that is missing is named and left out.
`;

/** See `HELP`. */
export interface Options {
  readonly groups: readonly Group[];
  readonly rounds: number;
  readonly duration: string;
  readonly warmup: string;
  readonly quick: boolean;
  readonly out: string | undefined;
  readonly add: readonly string[];
  readonly from: string | undefined;
  readonly compare: string | undefined;
  readonly write: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

/** @throws RangeError that names what was asked for and is not there. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      groups: { type: "string" },
      scenarios: { type: "string" },
      brokers: { type: "string" },
      rounds: { type: "string" },
      duration: { type: "string" },
      warmup: { type: "string" },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      add: { type: "string", multiple: true, default: [] },
      from: { type: "string" },
      compare: { type: "string" },
      write: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new RangeError(`--rounds: expected a number from 1 on, found ${values.rounds}`);
  }
  return {
    groups: chosenGroups(values),
    rounds,
    duration: values.duration ?? (values.quick ? "1s" : "2500ms"),
    warmup: values.warmup ?? (values.quick ? "500ms" : "1s"),
    quick: values.quick,
    out: values.out,
    add: values.add,
    from: values.from,
    compare: values.compare,
    write: values.write,
    list: values.list,
    help: values.help,
  };
}

interface Choice {
  readonly groups?: string | undefined;
  readonly scenarios?: string | undefined;
  readonly brokers?: string | undefined;
  readonly quick: boolean;
}

function chosenGroups(choice: Choice): Group[] {
  const known = [...GROUPS, NODES_GROUP];
  const names = choice.groups?.split(",");
  for (const name of names ?? []) {
    if (!known.some((group) => group.name === name)) {
      throw new RangeError(
        `--groups: no group ${name}; there are ${known.map((group) => group.name).join(", ")}`,
      );
    }
  }
  const scenarios = choice.scenarios?.split(",");
  const brokers = choice.brokers?.split(",");
  const from = choice.quick
    ? QUICK
    : names === undefined
      ? GROUPS
      : known.filter(({ name }) => names.includes(name));
  const groups = from
    .map((group) => ({
      ...group,
      scenarios: group.scenarios.filter((label) => scenarios?.includes(label) ?? true),
      brokers: group.brokers.filter((broker) => brokers?.includes(broker) ?? true),
    }))
    .filter((group) => group.scenarios.length > 0 && group.brokers.length > 0);
  if (groups.length === 0) throw new RangeError("nothing is left to run; see --list");
  return groups;
}
