// How well a take follows what was asked for, as the engine measured it on its sound: in a word, and in a line.

const percent = (v) => `${Math.round(100 * v)} %`;
const MEASURES = {
  intensity_error_db: ["off the curve", (v) => `${v.toFixed(1)} dB`, (v) => `±${v.toFixed(1)} dB`, "Distance of the level from the curve, root mean square"],
  melody_accuracy: ["melody heard", percent, (v) => `melody ${percent(v)}`, "Share of the time in which the strongest pitch is the melody's"],
  text_similarity: ["like the prompt", (v) => v.toFixed(2), (v) => `prompt ${v.toFixed(2)}`, "Likeness of sound and words, 1 at most"],
  style_similarity: ["like the file", (v) => v.toFixed(2), (v) => `file ${v.toFixed(2)}`, "Likeness of sound and reference, 1 at most"],
  form_error: ["off the form", (v) => v.toFixed(3), (v) => `form ${v.toFixed(3)} off`, "Distance of the sound's likeness to itself from the form's, squared"],
};

/** [{name, value, short, title}] of what was measured of a report. */
export function measured(report) {
  return Object.entries(report?.adherence || {})
    .filter(([name, value]) => value !== null && name in MEASURES)
    .map(([name, value]) => {
      const [label, long, short, title] = MEASURES[name];
      return { name: label, value: long(value), short: short(value), title };
    });
}
