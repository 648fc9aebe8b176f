/**
 * Where labels point. A label moves when the version it is wanted at is ready, and not before: until then it points where it
 * did. So a label can be written down before its version exists, and moving one never has a moment in which it points at
 * nothing.
 */

/**
 * @param wanted label → version, as the source, the settings and the operators say
 * @param bound where the labels point now
 * @param ready whether a version answers
 */
export function bindLabels(
  wanted: ReadonlyMap<string, number>,
  bound: ReadonlyMap<string, number>,
  ready: (version: number) => boolean,
): ReadonlyMap<string, number> {
  const next = new Map<string, number>();
  for (const [label, version] of wanted) {
    const now = bound.get(label);
    next.set(label, now !== undefined && !ready(version) && ready(now) ? now : version);
  }
  return next;
}
