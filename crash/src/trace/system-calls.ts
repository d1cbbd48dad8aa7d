/** One system call of a trace. `begun` and `ended` are places in one order for all calls. */
export interface SystemCall {
  readonly name: string;
  /** What the file descriptor is: a path, or `socket:[…]`. */
  readonly target: string;
  /** What was read or written; empty where nothing was. */
  readonly bytes: Buffer;
  readonly begun: number;
  readonly ended: number;
  readonly result: number;
}

/**
 * Flags for `strace` that give what `readSystemCalls` reads. The traced program is the process that
 * is spawned, and the tracer stands beside it.
 *
 * @param file  Where the trace goes.
 */
export function straceFlags(file: string): string[] {
  const calls = "read,readv,write,writev,pwrite64,pwritev";
  return [
    ...["-D", "-f", "-q", "-y", "-xx", "-s", "1000000", "-o", file],
    ...["-e", `trace=${calls},fdatasync,fsync`, "-e", "signal=none"],
  ];
}

/** Reads a trace of `strace -f -y -xx`. Calls come in the order in which they began. */
export function readSystemCalls(trace: string): SystemCall[] {
  const calls: { call: SystemCall; begun: number }[] = [];
  const unfinished = new Map<string, { text: string; begun: number }>();
  let index = 0;
  for (const line of trace.split("\n")) {
    index += 1;
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    if (rest.endsWith("<unfinished ...>")) {
      unfinished.set(thread, { text: rest.slice(0, -"<unfinished ...>".length), begun: 2 * index });
      continue;
    }
    const first = resumed === null ? undefined : unfinished.get(thread);
    unfinished.delete(thread);
    const text = (first?.text ?? "") + (resumed?.[1] ?? rest);
    const begun = first?.begun ?? 2 * index;
    const call = parse(text, begun, 2 * index + 1);
    if (call !== undefined) calls.push({ call, begun });
  }
  return calls.toSorted((a, b) => a.begun - b.begun).map(({ call }) => call);
}

function parse(text: string, begun: number, ended: number): SystemCall | undefined {
  const head = /^(\w+)\(\d+<([^>]*)>/.exec(text);
  const tail = /\)\s+= (-?\d+)/.exec(text);
  if (head === null || tail === null) return undefined;
  const result = Number(tail[1]);
  const parts = Array.from(text.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g), ([, hex, cut]) => {
    if (cut !== undefined) throw new Error(`the trace cuts a string: ${text.slice(0, 80)}`);
    return Buffer.from((hex ?? "").replaceAll("\\x", ""), "hex");
  });
  // A write may take less than it was given, and what was not read is garbage.
  const bytes = Buffer.concat(parts).subarray(0, Math.max(0, result));
  return { name: head[1]!, target: plain(head[2]!), bytes, begun, ended, result };
}

/** A path that `-xx` spells in hex. */
function plain(target: string): string {
  return target.replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
