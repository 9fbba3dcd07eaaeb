// What is drawn of sound: peaks, levels and spectra by columns. Plain functions on Float32Arrays.

export const ROWS = 96;
const SIZE = 2048;
const LOW_HZ = 40;
const HIGH_HZ = 16000;
const FLOOR_DB = -78;

const cosines = new Float32Array(SIZE / 2);
const sines = new Float32Array(SIZE / 2);
const hann = new Float32Array(SIZE);
const reversed = new Uint16Array(SIZE);
for (let k = 0; k < SIZE / 2; k++) {
  cosines[k] = Math.cos((2 * Math.PI * k) / SIZE);
  sines[k] = Math.sin((2 * Math.PI * k) / SIZE);
}
for (let k = 0; k < SIZE; k++) {
  hann[k] = 0.5 - 0.5 * Math.cos((2 * Math.PI * k) / SIZE);
  for (let bit = 1, value = k; bit < SIZE; bit <<= 1, value >>= 1) reversed[k] = (reversed[k] << 1) | (value & 1);
}

/** In place: the discrete Fourier transform of re + i im, both of SIZE values (radix 2). */
function transform(re, im) {
  for (let k = 0; k < SIZE; k++) {
    const other = reversed[k];
    if (other > k) [re[k], re[other], im[k], im[other]] = [re[other], re[k], im[other], im[k]];
  }
  for (let half = 1; half < SIZE; half <<= 1) {
    const stride = SIZE / 2 / half;
    for (let block = 0; block < SIZE; block += 2 * half) {
      for (let k = 0; k < half; k++) {
        const a = block + k;
        const b = a + half;
        const c = cosines[k * stride];
        const s = -sines[k * stride];
        const x = re[b] * c - im[b] * s;
        const y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

const edgesOf = (rate) =>
  Array.from({ length: ROWS + 1 }, (_, k) => {
    const hz = LOW_HZ * (Math.min(HIGH_HZ, rate / 2) / LOW_HZ) ** (k / ROWS);
    return Math.round((hz * SIZE) / rate);
  });

/** Strongest bin of each of ROWS bands (log frequency, lowest first) in `columns` places: 0 (floor) to 255 (full scale). */
export function spectra(mono, rate, columns) {
  const out = new Uint8Array(columns * ROWS);
  const edges = edgesOf(rate);
  const re = new Float32Array(SIZE);
  const im = new Float32Array(SIZE);
  for (let column = 0; column < columns; column++) {
    const first = Math.round(((column + 0.5) * mono.length) / columns) - SIZE / 2;
    im.fill(0);
    for (let k = 0; k < SIZE; k++) re[k] = (mono[first + k] || 0) * hann[k];
    transform(re, im);
    for (let row = 0; row < ROWS; row++) {
      let power = 0;
      const end = Math.max(edges[row] + 1, edges[row + 1]);
      for (let bin = edges[row]; bin < end; bin++) power = Math.max(power, re[bin] * re[bin] + im[bin] * im[bin]);
      const db = 10 * Math.log10(power / (SIZE / 4) ** 2 + 1e-12) + row * 0.16; // a little light for the treble
      out[column * ROWS + row] = 255 * Math.max(0, Math.min(1, (db - FLOOR_DB) / -FLOOR_DB)) ** 1.5;
    }
  }
  return out;
}

/** Lowest, highest sample and effective value of each of `columns` stretches: [3 x columns]. */
export function peaks(mono, columns) {
  const out = new Float32Array(3 * columns);
  for (let column = 0; column < columns; column++) {
    const first = Math.floor((column * mono.length) / columns);
    const end = Math.max(first + 1, Math.floor(((column + 1) * mono.length) / columns));
    let low = 0;
    let high = 0;
    let power = 0;
    for (let k = first; k < end && k < mono.length; k++) {
      const x = mono[k];
      low = Math.min(low, x);
      high = Math.max(high, x);
      power += x * x;
    }
    out.set([low, high, Math.sqrt(power / (end - first))], 3 * column);
  }
  return out;
}

/** Mean power of both channels over one second around each of `places` (frames), in dBFS with a floor of -60. */
export function levels(channels, rate, places) {
  const length = channels[0].length;
  const step = Math.max(1, Math.round(rate / 1000));
  const sums = new Float64Array(Math.ceil(length / step) + 1);
  for (let block = 0; block + 1 < sums.length; block++) {
    let power = 0;
    for (const channel of channels) {
      const x = channel[Math.min(length - 1, block * step + (block % step))];
      power += x * x;
    }
    sums[block + 1] = sums[block] + power / channels.length;
  }
  return places.map((frame) => {
    const first = Math.max(0, Math.round((frame - rate / 2) / step));
    const end = Math.min(sums.length - 1, Math.round((frame + rate / 2) / step));
    const power = end > first ? (sums[end] - sums[first]) / (end - first) : 0;
    return Math.max(-60, 10 * Math.log10(power + 1e-12));
  });
}
