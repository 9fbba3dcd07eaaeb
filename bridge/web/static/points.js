// Points of an intensity curve, [{beat, db}] by beat. Plain functions.

const TOLERANCE_DB = 0.8;

/** The curve at a beat: linear between points, ends held; null without points. */
export function curveAt(points, beat) {
  if (!points.length) return null;
  if (beat <= points[0].beat) return points[0].db;
  for (let k = 1; k < points.length; k++) {
    const [a, b] = [points[k - 1], points[k]];
    if (beat <= b.beat) return a.db + ((b.db - a.db) * (beat - a.beat)) / (b.beat - a.beat);
  }
  return points.at(-1).db;
}

/** Fewer points that stay within TOLERANCE_DB of all of them (Ramer, Douglas and Peucker). */
export function simplified(points) {
  if (points.length < 3) return points;
  const [a, b] = [points[0], points.at(-1)];
  let worst = 0;
  let at = 0;
  points.forEach((p, k) => {
    const off = Math.abs(p.db - (a.db + ((b.db - a.db) * (p.beat - a.beat)) / (b.beat - a.beat)));
    if (off > worst) [worst, at] = [off, k];
  });
  if (worst <= TOLERANCE_DB) return [a, b];
  return [...simplified(points.slice(0, at + 1)).slice(0, -1), ...simplified(points.slice(at))];
}
