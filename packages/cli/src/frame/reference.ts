/** docs/reference/cli.md, from the same declarations as the parser and `--help`. */
import { EXIT } from '@slipway/core';
import { flagOf, GROUPS, type Verb } from './declare.ts';

const MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  error: 'it failed',
  usage: 'the command line or the configuration is wrong',
  notFound: 'a file, release, model or config does not exist',
  auth: 'not allowed',
  conflict: 'something else is in the way: a lock, a port, a folder',
  timeout: 'it took too long',
  gateFailed: 'no candidate passed the gates, or golden samples differ',
  interrupted: 'stopped by SIGINT',
};

export function cliReference(verbs: readonly Verb[]): string {
  const codes = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${MEANING[name as keyof typeof EXIT]} |`);
  return `# The command line

\`slipway VERB [options]\`. Every verb has \`--help\` with examples, and \`--json\`, which prints one JSON document on
stdout and nothing else there. Progress and logs go to stderr. Colours appear on a terminal only, and never with \`NO_COLOR\`.

A failure is \`CODE: what happened\` and \`fix: what to do\` on stderr; with \`--json\` it is
\`{"error": {"code", "message", "remedy", "params"}}\` on stdout. [Every code](errors.md).

| exit code | meaning |
| --- | --- |
${codes.join('\n')}

${GROUPS.map(
  (group) =>
    `## ${group}\n\n${verbs
      .filter((verb) => verb.group === group)
      .map(section)
      .join('\n')}`,
).join('\n')}`;
}

function section(verb: Verb): string {
  const names = Object.entries(verb.arguments).map(([name, { required }]) => (required ? `<${name}>` : `[${name}]`));
  const args = Object.entries(verb.arguments).map(([name, argument]) => {
    const choices =
      argument.choices === null ? '' : ` One of ${argument.choices.map((choice) => `\`${choice}\``).join(', ')}.`;
    return `| \`${name}\` | ${cell(argument.description)}${choices} | |`;
  });
  const options = Object.entries(verb.options).map(([key, option]) => {
    const written = option.value === null ? flagOf(key) : `${flagOf(key)} <${option.value}>`;
    return `| \`${cell(written)}\` | ${cell(option.description)} | ${option.fallback === null ? '' : `\`${option.fallback}\``} |`;
  });
  const rows = [...args, ...options];
  const table = rows.length === 0 ? '' : `| | | default |\n| --- | --- | --- |\n${rows.join('\n')}\n\n`;
  const examples = verb.examples.map(({ command, description }) => `# ${description}\n${command}`).join('\n');
  return `### slipway ${[verb.name, ...names].join(' ')}\n\n${verb.description}\n\n${table}\`\`\`sh\n${examples}\n\`\`\`\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
