import { fail, openStore, type Release } from '@slipway/core';
import { defineVerb, optionalArgument, type Verb } from '../frame/declare.ts';
import { table } from '../frame/table.ts';
import { bytes, shortDigest } from '../frame/units.ts';
import { storeDirectory } from '../project.ts';
import * as shared from './shared.ts';

export const releases: Verb = defineVerb({
  name: 'releases',
  group: 'Prepare a model',
  summary: 'list what is in the store',
  description:
    'Lists the releases of the store: name, version, aliases, size, when they were made, and the digest that names them.',
  arguments: { name: optionalArgument('Only the releases of this model.') },
  options: { store: shared.store, config: shared.config },
  examples: [
    { command: 'slipway releases', description: 'all of them' },
    { command: "slipway releases digits --json | jq -r '.releases[-1].digest'", description: 'digest of the newest' },
    { command: "slipway releases digits --json | jq '.releases[-1].lineage'", description: 'how it came to be' },
  ],
  async run(context, given) {
    const store = await openStore(await storeDirectory(context, given));
    const all = await store.list();
    const found = given.name === undefined ? all : all.filter((release) => release.name === given.name);
    if (given.name !== undefined && found.length === 0) {
      throw fail('RELEASE_NOT_FOUND', { reference: given.name, store: store.directory });
    }
    const aliased = found.some((release) => release.aliases.length > 0);
    context.result({ store: store.directory, releases: found.map(summary) }, (style) =>
      found.length === 0
        ? `No releases in ${store.directory} yet. Make one with \`slipway build\`.`
        : table(
            [
              { title: 'release' },
              ...(aliased ? [{ title: 'aliases' }] : []),
              { title: 'size', align: 'right' },
              { title: 'made (UTC)' },
              { title: 'from', shrinks: true },
              { title: 'digest' },
            ],
            found.map((release) => [
              style.bold(`${release.name}:${release.version}`),
              ...(aliased ? [release.aliases.map((alias) => `@${alias}`).join(' ')] : []),
              bytes(release.bytes),
              release.createdAt.slice(0, 16).replace('T', ' '),
              passesOf(release),
              shortDigest(release.digest),
            ]),
            style,
          ),
    );
    return undefined;
  },
});

function summary(release: Release): Record<string, unknown> {
  const { name, version, aliases, digest, bytes: size, createdAt } = release;
  return {
    name,
    version,
    aliases,
    digest,
    bytes: size,
    createdAt,
    passes: passes(release),
    lineage: release.manifest.lineage,
  };
}

/** Importing is a step of the lineage, and happens to all. */
const passes = (release: Release): string[] =>
  release.manifest.lineage.steps.map((step) => step.pass).filter((pass) => pass !== 'import');

const passesOf = (release: Release): string => passes(release).join(', ') || 'source';
