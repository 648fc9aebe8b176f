/** docs/reference/errors.md: the error table. */
import { errorTable } from '@slipway/core';

export function errorsReference(): string {
  const rows = Object.entries(errorTable)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { message, http, grpc, exit, remedy }]) =>
      [`<a id="${code.toLowerCase()}"></a>\`${code}\``, cell(message), cell(remedy), http, grpc, exit].join(' | '),
    );
  return `# Errors

Every failure has a code, which never changes its meaning. The command line prints it with what to do; servers answer with
the HTTP or gRPC status; \`{words}\` are filled in with what was met.

| code | what happened | what to do | HTTP | gRPC | exit |
| --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}
`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
