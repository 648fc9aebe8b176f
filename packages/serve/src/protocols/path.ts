/**
 * Paths are routed raw, segment by segment: `new URL()` would collapse `..` and `%2e%2e` and so let one route pass for
 * another. A segment is decoded only after the path was split.
 */

/** The decoded segments of `/a/b%20c`; null when one is empty or not valid percent-encoded UTF-8. */
export function pathSegments(path: string): string[] | null {
  if (!path.startsWith('/')) return null;
  const segments = path.slice(1).split('/');
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i] as string;
    if (segment === '') return null;
    if (!segment.includes('%')) continue;
    try {
      segments[i] = decodeURIComponent(segment);
    } catch {
      return null;
    }
  }
  return segments;
}

/** A version number as a URL may write it (leading zeros and all); null when it is not one. */
export function versionOf(text: string): number | null {
  if (!/^\d{1,15}$/.test(text)) return null;
  return Number(text);
}
