/** Numbers for people: the same figure reads the same in the terminal, the page and the reasons. */

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Three significant digits; decimal units, as disks and registries count. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would round to "1000".
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : significant(value)} ${UNITS[unit] ?? ''}`;
}

/** A duration from milliseconds: µs, ms or s. */
export function formatMs(ms: number): string {
  if (ms < 0.9995) return `${significant(ms * 1000)} µs`;
  if (ms < 999.5) return `${significant(ms)} ms`;
  return `${significant(ms / 1000)} s`;
}

/** `98.93 %` */
export function formatShare(share: number, digits = 2): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** A change against a reference: `−51 %`, `+3 %`, `±0 %`, and `×91` where percentages stop telling. */
export function formatChange(value: number, reference: number): string {
  if (reference === 0) return '–';
  if (value / reference >= 10) return `×${significant(value / reference, 2)}`;
  const change = Math.round((value / reference - 1) * 100);
  return change === 0 ? '±0 %' : `${change > 0 ? '+' : '−'}${Math.abs(change)} %`;
}

/** A ratio of times as people say it: `1.9× slower`, `3.5× faster`. */
export function formatSpeed(ratio: number): string {
  return ratio >= 1 ? `${significant(ratio, 2)}× slower` : `${significant(1 / ratio, 2)}× faster`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `sha256:0123456789ab` */
export function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}

/** At least `digits` significant digits, never an exponent. */
export function significant(value: number, digits = 3): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  // The exponent after rounding: 0.9996 to three digits is 1.00, not 1.000.
  const whole = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits))))) + 1;
  return value.toFixed(Math.max(0, Math.min(6, digits - whole)));
}

export const points = (value: number): string => `${(value * 100).toFixed(2)} points`;
export const decibels = (value: number): string => (value >= NO_NOISE_DB ? 'no noise' : `${value.toFixed(1)} dB`);

/** Stands for the infinite ratio of identical outputs, which JSON cannot say. */
export const NO_NOISE_DB = 999;

/** `Intel(R) Xeon(R) CPU @ 2.70GHz` without what only a lawyer reads. */
export function formatCpu(model: string): string {
  return model
    .replaceAll(/\((?:R|TM)\)|\bCPU\b/gi, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
