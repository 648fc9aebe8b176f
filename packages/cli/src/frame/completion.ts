/**
 * Completion scripts for shells, written from the declarations: verbs, then the flags of the verb, then what its values can be.
 * They run no program of ours while the user types.
 */
import { flagOf, type Option, type Verb } from './declare.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, verbs: readonly Verb[]): string {
  return { bash, zsh, fish }[shell](verbs);
}

const flagsOf = (verb: Verb): string[] => [...Object.keys(verb.options).map(flagOf), '--json', '--help'];
const takesValue = (option: Option<unknown>): boolean => option.value !== null;

/** What a shell may offer in the place of an argument. */
const firstArgument = (verb: Verb): { files: boolean; choices: readonly string[] } => {
  const [argument] = Object.values(verb.arguments);
  return { files: argument?.completes !== 'nothing' && argument !== undefined, choices: argument?.choices ?? [] };
};

function bash(verbs: readonly Verb[]): string {
  const values = verbs.flatMap((verb) =>
    Object.entries(verb.options)
      .filter(([, option]) => takesValue(option))
      .map(([key, option]) => {
        const offer =
          option.choices !== null
            ? `COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$current"))`
            : option.completes === 'nothing'
              ? 'COMPREPLY=()'
              : `COMPREPLY=($(compgen -${option.completes === 'file' ? 'f' : 'd'} -- "$current"))`;
        return `    '${verb.name} ${flagOf(key)}') ${offer}; return ;;`;
      }),
  );
  const verbLines = verbs.map((verb) => {
    const { files, choices } = firstArgument(verb);
    const plain = `compgen -W '${choices.join(' ')}'${files ? ' -f' : ''} -- "$current"`;
    return `    ${verb.name}) flags='${flagsOf(verb).join(' ')}'; [[ $current == -* ]] || { COMPREPLY=($(${plain})); return; } ;;`;
  });
  return `# bash completion for slipway. Add to ~/.bashrc:  eval "$(slipway completion bash)"
_slipway() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" verb="\${COMP_WORDS[1]}" flags=''
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W '${verbs.map((verb) => verb.name).join(' ')} --help --version' -- "$current"))
    return
  fi
  case "$verb $previous" in
${values.join('\n')}
  esac
  case "$verb" in
${verbLines.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$flags" -- "$current"))
}
complete -o filenames -F _slipway slipway
`;
}

function zsh(verbs: readonly Verb[]): string {
  const quote = (text: string): string =>
    text.replaceAll("'", "'\\''").replaceAll('[', '\\[').replaceAll(']', '\\]').replaceAll(':', '\\:');
  const offer = (completes: string, choices: readonly string[] | null): string =>
    choices !== null
      ? `(${choices.join(' ')})`
      : completes === 'file'
        ? '_files'
        : completes === 'directory'
          ? '_files -/'
          : ' ';
  const cases = verbs.map((verb) => {
    const options = Object.entries(verb.options).map(([key, option]) => {
      const value = takesValue(option) ? `:value:${offer(option.completes, option.choices)}` : '';
      return `'${option.repeatable ? '*' : ''}${flagOf(key)}[${quote(option.description)}]${value}'`;
    });
    const positional = Object.entries(verb.arguments).map(
      ([name, argument], i) => `'${i + 1}:${name}:${offer(argument.completes, argument.choices)}'`,
    );
    const specs = [...options, "'--json[Print one JSON document]'", "'--help[Show help]'", ...positional];
    return `    ${verb.name}) _arguments ${specs.join(' ')} ;;`;
  });
  return `#compdef slipway
# zsh completion for slipway. Add to ~/.zshrc:  eval "$(slipway completion zsh)"
_slipway() {
  local -a verbs=(
${verbs.map((verb) => `    '${verb.name}:${quote(verb.summary)}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
compdef _slipway slipway
`;
}

function fish(verbs: readonly Verb[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = verbs.flatMap((verb) => {
    const when = quote(`__fish_seen_subcommand_from ${verb.name}`);
    const { files, choices } = firstArgument(verb);
    const options = Object.entries(verb.options).map(([key, option]) => {
      const takes = !takesValue(option)
        ? ''
        : option.choices !== null
          ? ` -x -a ${quote(option.choices.join(' '))}`
          : option.completes === 'nothing'
            ? ' -x'
            : ' -r -F';
      return `complete -c slipway -n ${when} -l ${flagOf(key).slice(2)}${takes} -d ${quote(option.description)}`;
    });
    return [
      `complete -c slipway -n __fish_use_subcommand -a ${verb.name} -d ${quote(verb.summary)}`,
      ...(files ? [`complete -c slipway -n ${when} -F`] : []),
      ...(choices.length > 0 ? [`complete -c slipway -n ${when} -a ${quote(choices.join(' '))}`] : []),
      ...options,
    ];
  });
  return `# fish completion for slipway. Save as ~/.config/fish/completions/slipway.fish
complete -c slipway -f
complete -c slipway -l json -d 'Print one JSON document'
complete -c slipway -l help -d 'Show help'
${lines.join('\n')}
`;
}
