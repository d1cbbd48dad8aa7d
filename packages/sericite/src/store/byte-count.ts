const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A number of bytes for people: `999 B`, `1.5 MiB`, `120 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 10 ? 0 : 1)} ${units[unit]}`;
}

/** A number with its noun: `1 session`, `2 sessions`. @param plural  Default: the noun with an s. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
