/** Wording that notes of several passes share. */

/** `a, b, c and 4 more` */
export function listNames(names: readonly string[], limit = 4): string {
  const shown = names.slice(0, limit).join(', ');
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown;
}

/** `1 tensor`, `2 tensors`; `1 bias`, `2 biases` with the plural given. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** `58.9 %` */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
