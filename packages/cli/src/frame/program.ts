/**
 * The declarations of the verbs as a commander program: it parses and writes help; running is left to the caller. A wrong
 * command line becomes USAGE, with what was probably meant.
 */
import { fail, suggest } from '@slipway/core';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { BadValue, flagOf, GROUPS, type Verb } from './declare.ts';
import type { Style } from './style.ts';

/** What the command line asks for. */
export type Request =
  | { readonly kind: 'run'; readonly verb: Verb; readonly given: Readonly<Record<string, unknown>> }
  | { readonly kind: 'help'; readonly verb: Verb | null; readonly text: string }
  | { readonly kind: 'version' };

const JSON_FLAG = 'Print one JSON document on stdout, and nothing else there.';

/** @throws USAGE */
export function parse(verbs: readonly Verb[], argv: readonly string[], style: Style): Request {
  const asked: { request: Request | null } = { request: null };
  let help = '';
  const program = new Command('slipway');
  const configure = (command: Command): Command =>
    command
      .exitOverride()
      .helpOption('-h, --help', 'Show help.')
      .option('--json', JSON_FLAG)
      .configureOutput({
        writeOut: (text) => (help += text),
        writeErr: (text) => (help += text),
        outputError: () => undefined,
        getOutHelpWidth: () => style.width,
        getErrHelpWidth: () => style.width,
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      })
      .configureHelp({ styleTitle: style.bold, subcommandTerm: (sub) => sub.name() });
  configure(program)
    .description('Takes a trained AI model to production and keeps it there.')
    .usage('<verb> [options]')
    .option('-V, --version', 'Print the version.')
    .helpCommand(false)
    .addHelpText('after', '\nStart with `slipway init model.onnx`, or `slipway VERB --help` for examples.')
    .action((options: { version?: boolean }) => {
      asked.request =
        options.version === true ? { kind: 'version' } : { kind: 'help', verb: null, text: program.helpInformation() };
    });
  for (const group of GROUPS) {
    for (const verb of verbs.filter((candidate) => candidate.group === group)) {
      const command = configure(program.command(verb.name)).helpGroup(`${group}:`);
      declare(command, verb, style);
      command.action((...passed: unknown[]) => {
        const positional = Object.fromEntries(Object.keys(verb.arguments).map((name, i) => [name, passed[i]]));
        asked.request = {
          kind: 'run',
          verb,
          given: { ...absent(verb), ...positional, ...command.opts<Record<string, unknown>>() },
        };
      });
    }
  }
  const first = argv.find((word) => !word.startsWith('-'));
  if (first === 'help') return parse(verbs, [...argv.filter((word) => word !== 'help'), '--help'], style);
  if (first !== undefined && !verbs.some((verb) => verb.name === first)) {
    const meant = suggest(
      first,
      verbs.map((verb) => verb.name),
    );
    throw fail('USAGE', { problem: `unknown verb "${first}"${meant}` });
  }
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const verb = verbs.find((candidate) => candidate.name === first) ?? null;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', verb, text: help.trimEnd() };
    throw fail('USAGE', { problem: explain(error.message) }, { cause: error });
  }
  return asked.request ?? { kind: 'help', verb: null, text: program.helpInformation() };
}

function declare(command: Command, verb: Verb, style: Style): void {
  command.summary(verb.summary).description(verb.description);
  for (const [name, argument] of Object.entries(verb.arguments)) {
    const declared = new Argument(argument.required ? `<${name}>` : `[${name}]`, argument.description);
    if (argument.choices !== null) declared.choices(argument.choices);
    command.addArgument(declared);
  }
  for (const [key, option] of Object.entries(verb.options)) {
    const declared = new Option(
      option.value === null ? flagOf(key) : `${flagOf(key)} <${option.value}>`,
      option.description,
    );
    if (option.value !== null) {
      declared.argParser((text: string, before: unknown) => {
        const value = checked(option.parse, text);
        return option.repeatable ? [...((before as unknown[] | undefined) ?? []), value] : value;
      });
    }
    if (option.fallback !== null) declared.default(option.parse(option.fallback), option.fallback);
    command.addOption(declared);
  }
  if (verb.examples.length > 0) {
    const lines = verb.examples.map((example) => `  ${style.dim(`# ${example.description}`)}\n  ${example.command}`);
    command.addHelpText('after', `\n${style.bold('Examples:')}\n${lines.join('\n')}`);
  }
}

/** What `run` sees for options that were not written and have no default. */
function absent(verb: Verb): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(verb.options).map(([key, option]) => [
      key,
      option.repeatable ? [] : option.value === null ? false : undefined,
    ]),
  );
}

function checked(read: (text: string) => unknown, text: string): unknown {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof BadValue) throw new InvalidArgumentError(`It ${error.message}.`);
    throw error;
  }
}

/** Commander's message as a sentence of ours. */
function explain(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (?:one of )?(.+?)\?\)/s, ', did you mean "$1"?')
    .replace(/\.$/, '');
}
