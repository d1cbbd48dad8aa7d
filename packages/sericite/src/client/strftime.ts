const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const two = (value: number): string => String(value).padStart(2, "0");
const space = (value: number): string => String(value).padStart(2, " ");
const dayOfYear = (time: Date): number =>
  Math.round(
    (Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) -
      Date.UTC(time.getFullYear(), 0, 1)) /
      86_400_000,
  );

/** Time zone as `+0100`. */
function zone(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

/** What each letter gives, in local time: those of strftime(3) in the C locale, and N, the nanoseconds. */
const letters: Readonly<Record<string, (time: Date) => string>> = {
  a: (time) => days[time.getDay()]!.slice(0, 3),
  A: (time) => days[time.getDay()]!,
  b: (time) => months[time.getMonth()]!.slice(0, 3),
  h: (time) => months[time.getMonth()]!.slice(0, 3),
  B: (time) => months[time.getMonth()]!,
  c: (time) => timeText(time, ["a", "b", "e", "T", "Y"], " "),
  C: (time) => two(Math.floor(time.getFullYear() / 100)),
  d: (time) => two(time.getDate()),
  D: (time) => timeText(time, ["m", "d", "y"], "/"),
  x: (time) => timeText(time, ["m", "d", "y"], "/"),
  e: (time) => space(time.getDate()),
  F: (time) => timeText(time, ["Y", "m", "d"], "-"),
  H: (time) => two(time.getHours()),
  I: (time) => two(time.getHours() % 12 || 12),
  j: (time) => String(dayOfYear(time) + 1).padStart(3, "0"),
  k: (time) => space(time.getHours()),
  l: (time) => space(time.getHours() % 12 || 12),
  m: (time) => two(time.getMonth() + 1),
  M: (time) => two(time.getMinutes()),
  n: () => "\n",
  N: (time) => String(time.getMilliseconds() * 1_000_000).padStart(9, "0"),
  p: (time) => (time.getHours() < 12 ? "AM" : "PM"),
  P: (time) => (time.getHours() < 12 ? "am" : "pm"),
  r: (time) => `${timeText(time, ["I", "M", "S"], ":")} ${timeText(time, ["p"], "")}`,
  R: (time) => timeText(time, ["H", "M"], ":"),
  s: (time) => String(Math.floor(time.getTime() / 1000)),
  S: (time) => two(time.getSeconds()),
  t: () => "\t",
  T: (time) => timeText(time, ["H", "M", "S"], ":"),
  X: (time) => timeText(time, ["H", "M", "S"], ":"),
  u: (time) => String(time.getDay() || 7),
  w: (time) => String(time.getDay()),
  y: (time) => two(time.getFullYear() % 100),
  Y: (time) => String(time.getFullYear()),
  z: zone,
  Z: (time) => /\(([^)]+)\)/.exec(time.toString())?.[1] ?? zone(time),
};

/** Letters that `strftime` knows. */
export const timeLetters: ReadonlySet<string> = new Set(Object.keys(letters));

/** One part of a time as strftime(3) writes it. @param letter  One of `timeLetters`. */
export function strftime(time: Date, letter: string): string {
  return letters[letter]!(time);
}

/** Local time as ISO 8601 with the time zone: `2020-05-06T22:12:00+0100`. */
export function isoTime(time: Date, fraction = ""): string {
  return `${strftime(time, "F")}T${strftime(time, "T")}${fraction}${zone(time)}`;
}

function timeText(time: Date, parts: readonly string[], between: string): string {
  return parts.map((letter) => strftime(time, letter)).join(between);
}
