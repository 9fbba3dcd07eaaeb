// Bars and beats of a draft, and where they lie on screen. Beats are quarters from the first new bar.

/** Quarters in a bar of a meter "n/d". */
export function barQuarters(meter) {
  const [n, d] = meter.split("/").map(Number);
  return n > 0 && d > 0 ? (n * 4) / d : 4;
}

/** Quarters in a beat as it is counted: the meter's own note. */
export const beatQuarters = (meter) => 4 / (Number(meter.split("/")[1]) || 4);

export const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
export const snap = (x, grid) => Math.round(x / grid) * grid;

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const pitchName = (pitch) => `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
export const isBlack = (pitch) => [1, 3, 6, 8, 10].includes(pitch % 12);

/** "2.3" for the third beat of the second bar. */
export function place(beat, meter) {
  const bar = Math.floor(beat / barQuarters(meter) + 1e-9);
  const inside = (beat - bar * barQuarters(meter)) / beatQuarters(meter) + 1;
  return `${bar + 1}.${Number(inside.toFixed(2))}`;
}

/** The axis that all lanes share: how many bars it has, and how wide each is. */
export function axis(draft, takes, width) {
  const bars = Math.max(draft.bars || 1, ...takes.filter(Boolean).map((take) => take.bars));
  const bar = Math.max(width / bars, bars > 16 ? 44 : 0);
  return { bars, bar, width: Math.round(bar * bars) };
}

export const seconds = (s) => (s < 1 ? `${Math.round(s * 1000)} ms` : `${s.toFixed(s < 10 ? 2 : 1)} s`);
