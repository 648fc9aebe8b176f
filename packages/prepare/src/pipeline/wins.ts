/**
 * A candidate that does not deliver what its passes are for is no win, even when it breaks no gate: a "compressed" model that is
 * not smaller, an "optimized" one that is slower. It is refused, unless the user asked for that trade, which is said
 * in one of four ways:
 *
 *   allow      `allow: ['larger']`, `allow: ['slower']`
 *   objective  the one that is asked for is better, measurably, and pays for the other
 *   gates      a bound on size says how large is small enough, a bound on latency how slow is fast enough
 *   recipe     passes that claim neither (`batch.dynamic`) owe nothing
 *
 * "Slower" is a measurement: the interval of the paired ratio lies beyond what two processes of one file differ by.
 */
import type { Config, PassName, PassSpec } from '@slipway/core';
import { formatBytes, formatSpeed } from '../report/format.ts';
import { judgeRatio } from '../validate/compare.ts';
import type { Contender } from './choose.ts';

export type Claim = 'smaller' | 'faster';

type Family<P extends string> = P extends `${infer F}.${string}` ? F : P;

/** What the passes of a family are for. A new family must say what it claims: the type asks for it. */
const CLAIMS: Readonly<Record<Family<PassName>, readonly Claim[]>> = {
  prune: ['smaller'],
  quantize: ['smaller'],
  precision: ['smaller'],
  simplify: ['faster'],
  fuse: ['faster'],
  optimize: ['faster'],
  batch: [],
};

/** What a recipe claims. Where speed is the objective, whoever computes in fewer bits does it for speed. */
export function claimsOf(passes: readonly PassSpec[], objective: Config['objective']): ReadonlySet<Claim> {
  const families = passes.map(({ pass }) => pass.split('.')[0] as Family<PassName>);
  const claims = new Set(families.flatMap((family) => CLAIMS[family]));
  if (objective === 'latency' && families.includes('quantize')) claims.add('faster');
  return claims;
}

/** What refusal looks at of the config. */
export type Trade = Pick<Config, 'objective' | 'gates' | 'allow'>;

/**
 * Why a candidate that breaks no gate is not a win all the same, or null.
 * @param better true when the candidate is measurably better than the source in what the objective looks at
 */
export function refusal(contender: Contender, source: Contender, trade: Trade, better: boolean): string | null {
  if (contender === source) return null;
  const claims = claimsOf(contender.report.passes, trade.objective);
  const pays = (other: Config['objective']): boolean => trade.objective !== other && better;
  if (claims.has('smaller') && !allowsLarger(trade) && !pays('size')) {
    const larger = notSmaller(contender, source);
    if (larger !== null) return larger;
  }
  if (claims.has('faster') && !allowsSlower(trade) && !pays('latency')) {
    const slower = isSlower(contender);
    if (slower !== null) return slower;
  }
  return null;
}

const allowsLarger = ({ allow, gates }: Trade): boolean =>
  allow.includes('larger') || gates.bytes !== undefined || gates.compressedBytes !== undefined;

const allowsSlower = ({ allow, gates }: Trade): boolean =>
  allow.includes('slower') || gates.p50Ms !== undefined || gates.p99Ms !== undefined || gates.slowdown !== undefined;

function notSmaller({ report }: Contender, source: Contender): string | null {
  const [own, reference] = [report.size, source.report.size];
  if (own === null || reference === null) return null;
  if (own.bytes < reference.bytes || own.compressedBytes < reference.compressedBytes) return null;
  const sizes = `${formatBytes(own.bytes)} against ${formatBytes(reference.bytes)}`;
  return `refused: its passes are for size, and it is not smaller than source, neither on disk (${sizes}) nor compressed; allow: ['larger'] would take it`;
}

function isSlower({ report }: Contender): string | null {
  const ratio = report.latency?.versusSource ?? null;
  if (ratio === null || judgeRatio(ratio) !== 'greater') return null;
  return `refused: its passes are for speed, and it is ${formatSpeed(ratio.ratio)} than source; allow: ['slower'] would take it`;
}
