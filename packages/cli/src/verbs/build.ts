import { performance } from 'node:perf_hooks';
import type { BuildProgress, BuildStage } from '@slipway/prepare';
import type { Context } from '../frame/context.ts';
import { defineVerb, text, type Verb } from '../frame/declare.ts';
import { failureDocument, failureText } from '../frame/failure.ts';
import { milliseconds } from '../frame/units.ts';
import { loadConfig } from '../project.ts';
import * as shared from './shared.ts';

export const build: Verb = defineVerb({
  name: 'build',
  group: 'Prepare a model',
  summary: 'make candidates, measure them, gate them, release the best',
  description:
    'Imports the model of the config, applies every recipe, measures size, accuracy and latency of each candidate on this machine, checks the gates, and adds the winner to the store as a release. Writes a report as JSON and HTML. Exit code 7 when no candidate passed the gates.',
  arguments: {},
  options: {
    config: shared.config,
    store: text('directory', 'Where the release goes. Default: the store of the config.', 'directory'),
  },
  examples: [
    { command: 'slipway build', description: 'the project in this directory' },
    {
      command: "slipway build --json | jq '.report.candidates[] | {name, verdict, reason}'",
      description: 'verdicts for a script',
    },
  ],
  async run(context, given) {
    const { build: runBuild, renderReport } = await import('@slipway/prepare');
    const config = await loadConfig(context, given.config, given.store);
    const done = await runBuild(config, { signal: context.signal, progress: progressOf(context) });
    const { report, release, failure, files } = done;
    const document = {
      report,
      release: release === null ? null : { name: release.name, version: release.version, digest: release.digest },
      files,
      ...(failure === null ? {} : failureDocument(failure)),
    };
    context.result(document, (style) =>
      [
        renderReport(report, style),
        '',
        `${style.dim('report')}  ${files.html}`,
        ...(release === null
          ? []
          : [
              `${style.dim('next')}    slipway serve · slipway predict ${release.name} · slipway bench ${release.name}`,
            ]),
      ].join('\n'),
    );
    if (failure === null) return undefined;
    if (!context.json) context.note(failureText(failure, context.styleOfNotes));
    return failure.exitCode;
  },
});

const STAGE: Readonly<Record<BuildStage, string>> = {
  import: 'Importing',
  data: 'Reading data',
  search: 'Searching',
  passes: 'Applying passes',
  evaluate: 'Evaluating',
  measure: 'Measuring',
  release: 'Releasing',
};
const REFRESH_MS = 100;

/** On a terminal one live line; elsewhere a line per stage, with the time the last one took. */
function progressOf(context: Context): (event: BuildProgress) => void {
  let stage: BuildStage | null = null;
  let stageSince = performance.now();
  let shownAt = 0;
  return (event) => {
    const now = performance.now();
    if (event.stage !== stage) {
      context.progress(null);
      if (stage !== null) {
        context.note(`${STAGE[stage].padEnd(16)} ${context.styleOfNotes.dim(milliseconds(now - stageSince))}`);
      }
      stage = event.stage;
      stageSince = now;
    } else if (now - shownAt < REFRESH_MS) return;
    shownAt = now;
    if (!context.live) return;
    const share = `${Math.round(event.fraction * 100)} %`.padStart(5);
    const what = [event.candidate, event.detail].filter((part) => part !== null && part !== '').join(': ');
    context.progress(`${STAGE[event.stage].padEnd(16)} ${share}  ${what}`);
  };
}
