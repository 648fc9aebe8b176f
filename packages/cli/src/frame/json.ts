/** JSON that people can read too: objects over lines, arrays that hold only scalars on one. */
export function formatJson(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    if (value.every((member) => typeof member !== 'object' || member === null)) {
      return `[${value.map(scalar).join(', ')}]`;
    }
    return `[\n${value.map((member) => deeper + formatJson(member, deeper)).join(',\n')}\n${indent}]`;
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  if (members.length === 0) return '{}';
  return `{\n${members.map(([key, member]) => `${deeper}${JSON.stringify(key)}: ${formatJson(member, deeper)}`).join(',\n')}\n${indent}}`;
}

/** As JSON.stringify has it inside an array: what JSON cannot say is null. */
const scalar = (value: unknown): string => (value === undefined ? 'null' : JSON.stringify(value));
