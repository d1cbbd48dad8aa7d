/**
 * What `tools/compare-micro.mjs` needs of statistics, apart from it so that it can be tested.
 */

/** The middle value; of an even number the mean of the middle two. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Interval for the centre of a few values by Wilcoxon's signed ranks: it asks nothing of their
 * distribution but symmetry, and from 15 values on one that went astray cannot move a bound far.
 *
 * @param {readonly number[]} values
 * @param {number} confidence For example 0.99.
 * @returns The centre (Hodges and Lehmann's) and the bounds; infinite bounds if there are too few
 *   values for this confidence (fewer than 8 at 0.99).
 */
export function rankInterval(values, confidence) {
  const means = [];
  values.forEach((a, i) => {
    for (const b of values.slice(i)) means.push((a + b) / 2);
  });
  means.sort((a, b) => a - b);
  const cut = rankCut(values.length, (1 - confidence) / 2);
  return {
    low: cut === 0 ? -Infinity : means[cut - 1],
    middle: median(means),
    high: cut === 0 ? Infinity : means[means.length - cut],
  };
}

/** How many of the means of pairs may be left out on each side: 0 if none, then there is no bound. */
function rankCut(n, tail) {
  // ways[s]: subsets of the ranks 1…n whose sum is s.
  const ways = [1];
  for (let rank = 1; rank <= n; rank++) {
    for (let sum = (rank * (rank + 1)) / 2; sum >= rank; sum--) {
      ways[sum] = (ways[sum] ?? 0) + (ways[sum - rank] ?? 0);
    }
  }
  let cut = 0;
  for (let below = ways[0]; below / 2 ** n <= tail; below += ways[cut]) cut++;
  return cut;
}

/**
 * What an interval of the logarithm of a ratio of times says.
 *
 * A true change of `threshold` and no change at all lie equally far from the line between them,
 * which is half the threshold: so both are told with the same certainty.
 *
 * @param {{ low: number, high: number }} interval
 * @param {number} threshold For example 0.05.
 * @returns {"SLOWER" | "faster" | "same" | "unsure"}
 */
export function verdict(interval, threshold) {
  const line = Math.log(1 + threshold) / 2;
  if (interval.low > line) return "SLOWER";
  if (interval.high < -line) return "faster";
  if (interval.low > -2 * line && interval.high < 2 * line) return "same";
  return "unsure";
}
