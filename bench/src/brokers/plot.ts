/**
 * Draws figures as SVG: bars of medians on a logarithmic axis, with a line from the least to the
 * greatest. On a logarithmic axis equal ratios have equal lengths, and brokers differ by ratios.
 */
import type { Spread } from "./run-line.ts";

/** One row of a plot: a scenario with a bar for each broker. */
export interface PlotRow {
  readonly name: string;
  readonly bars: readonly { readonly name: string; readonly spread: Spread }[];
}

const COLOURS: Readonly<Record<string, string>> = {
  sericite: "#c2410c",
  mosquitto: "#1d4ed8",
  rumqttd: "#57534e",
  "mica-mqtt": "#0f766e",
  "hivemq-ce": "#a16207",
  mochi: "#7e22ce",
  aedes: "#be185d",
};
const OTHER = "#64748b";

const WIDTH = 860;
const LEFT = 130;
const RIGHT = 110;
const BAR = 11;
const GAP = 12;
const TOP = 62;

/**
 * @param unit Stands at the axis, for example `messages per second`.
 * @returns A whole SVG file, readable on light and dark pages.
 */
export function plot(title: string, unit: string, rows: readonly PlotRow[]): string {
  const values = rows.flatMap(({ bars }) => bars.map(({ spread }) => spread));
  const least = Math.min(...values.map(({ min }) => min).filter((value) => value > 0));
  const most = Math.max(...values.map(({ max }) => max));
  if (!Number.isFinite(least) || !Number.isFinite(most)) return empty(title);
  // Bars begin a little below the least figure, so that it has a length too.
  const from = Math.log10(least) - 0.15;
  const to = Math.max(from + 0.5, Math.log10(most) + 0.02);
  const x = (value: number): number =>
    LEFT +
    ((Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)) * (WIDTH - LEFT - RIGHT);

  const shapes: string[] = [];
  let y = TOP;
  for (const { name, bars } of rows) {
    const middle = y + (bars.length * (BAR + 2)) / 2;
    shapes.push(text(LEFT - 8, middle + 4, name, "end", 12));
    for (const { name: broker, spread } of bars) {
      const colour = COLOURS[broker] ?? OTHER;
      const end = x(spread.median);
      shapes.push(
        `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR}" fill="${colour}"><title>${broker}: ${short(spread.min)} / ${short(spread.median)} / ${short(spread.max)}</title></rect>`,
        `<path d="M${x(spread.min).toFixed(1)} ${y + BAR / 2}H${x(spread.max).toFixed(1)}" stroke="#111" stroke-width="1.5"/>`,
        text(x(spread.max) + 4, y + 9, `${short(spread.median)} ${broker}`, "start", 9),
      );
      y += BAR + 2;
    }
    y += GAP;
  }
  const grid: string[] = [];
  for (const value of ticks(from, to)) {
    const at = x(value).toFixed(1);
    grid.push(
      `<path d="M${at} ${TOP - 8}V${y - GAP + 4}" stroke="#d6d3d1"/>`,
      text(Number(at), TOP - 12, short(value), "middle", 10),
    );
  }
  return svg(y + 6, [
    text(12, 20, title, "start", 15),
    text(12, 36, `${unit}; median, the line from least to greatest; logarithmic`, "start", 10),
    ...grid,
    ...shapes,
  ]);
}

function empty(title: string): string {
  return svg(60, [text(12, 20, title, "start", 15), text(12, 40, "nothing measured", "start", 10)]);
}

function svg(height: number, inner: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif">
<rect width="100%" height="100%" fill="#fff"/>
${inner.join("\n")}
</svg>
`;
}

function text(x: number, y: number, words: string, anchor: string, size: number): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" fill="#111">${safe}</text>`;
}

/** Powers of ten, and what lies between them where there are few. */
function ticks(from: number, to: number): number[] {
  const steps = to - from > 2.5 ? [1] : to - from > 1.2 ? [1, 3] : [1, 2, 5];
  const values: number[] = [];
  for (let power = Math.floor(from); power <= to; power++) {
    for (const step of steps) {
      const value = step * 10 ** power;
      if (Math.log10(value) >= from && Math.log10(value) <= to) values.push(value);
    }
  }
  return values;
}

/** A figure in few signs: 93k, 1.25M. */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e7 ? 1 : 2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(value >= 1e5 ? 0 : 1)}k`;
  return value.toFixed(value >= 100 || Number.isInteger(value) ? 0 : 2);
}
