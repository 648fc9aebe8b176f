import { completionScript, SHELLS } from '../frame/completion.ts';
import { choiceArgument, defineVerb, type Verb } from '../frame/declare.ts';

/** @param verbs all of them, this one included */
export const completion = (verbs: () => readonly Verb[]): Verb =>
  defineVerb({
    name: 'completion',
    group: 'Help',
    summary: 'print a completion script for your shell',
    description: 'Prints a script that completes verbs, flags and file names in bash, zsh or fish.',
    arguments: { shell: choiceArgument(SHELLS, 'The shell to complete in.') },
    options: {},
    examples: [
      {
        command: 'eval "$(slipway completion bash)"',
        description: 'this shell, now; put it into ~/.bashrc to keep it',
      },
      { command: 'slipway completion fish > ~/.config/fish/completions/slipway.fish', description: 'fish' },
    ],
    run(context, { shell }) {
      const script = completionScript(shell, verbs());
      context.result({ shell, script }, () => script.trimEnd());
      return Promise.resolve(undefined);
    },
  });
