/** Code units that are copied at a step. */
const stepUnits = 1024;
/** Below it `slice` copies by itself. */
const slicedFrom = 13;

/**
 * The part of `topic` from `start` to `end`, as a string of its own. A long part that `slice` gives
 * keeps all of the topic in memory for as long as it lives itself.
 */
export function levelText(topic: string, start: number, end: number): string {
  if (end - start < slicedFrom) return topic.slice(start, end);
  let text = "";
  for (let from = start; from < end; from += stepUnits) {
    const units: number[] = [];
    for (let index = from; index < end && index < from + stepUnits; index++)
      units.push(topic.charCodeAt(index));
    text += String.fromCharCode(...units);
  }
  return text;
}
