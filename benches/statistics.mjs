// Figures from many short turns on a machine that does other things too.

/** Of the values, the share at each end that is left out of a mean: turns that something disturbed. */
const TRIMMED = 0.2;
/** Draws of rounds, from which an interval is taken. */
const DRAWS = 1000;

const sorted = (values) => values.toSorted((one, other) => one - other);

export function trimmedMean(values) {
  const cut = Math.floor(values.length * TRIMMED);
  const kept = sorted(values).slice(cut, values.length - cut);
  return kept.reduce((sum, value) => sum + value, 0) / kept.length;
}

/** The value below which this part of them lies. */
export const percentile = (values, part) => at(sorted(values), part);

const at = (values, part) => values[Math.round((values.length - 1) * part)];

/**
 * What `figure` makes of all rounds, and between what it lies for nine of ten draws of rounds with
 * replacement. `figure` takes a function that returns values of the same rounds for each of its
 * series, so that what disturbed a round disturbs all series alike.
 */
export function estimate(rounds, figure) {
  const random = generator();
  const draw = () => {
    const chosen = Array.from({ length: rounds }, () => Math.floor(random() * rounds));
    return figure((series) => chosen.map((round) => series[round]));
  };
  const draws = sorted(Array.from({ length: DRAWS }, draw));
  return { value: figure((series) => series), low: at(draws, 0.05), high: at(draws, 0.95) };
}

// Always the same draws, so that the same figures print the same (Lehmer's generator).
function generator() {
  let state = 20261126;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** The values in another order. */
export function shuffled(values) {
  const left = [...values];
  for (let at = left.length - 1; at > 0; at -= 1) {
    const other = Math.floor(Math.random() * (at + 1));
    [left[at], left[other]] = [left[other], left[at]];
  }
  return left;
}
