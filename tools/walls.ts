/**
 * `npm run walls`: dependency-cruiser over the house, and a proof that it looked: a run that saw no modules, or fewer
 * rooms than there are, fails. So does a wall that lets a planted violation through.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const root = path.resolve(import.meta.dirname, '..');
process.chdir(root);

const rules = createRequire(import.meta.url)('./dependency-cruiser.cjs') as {
  forbidden: unknown[];
  options: ICruiseOptions;
};

async function inspect(baseDir: string, paths: string[]): Promise<ICruiseResult> {
  const { output } = await cruise(
    paths,
    {
      ...rules.options,
      baseDir,
      validate: true,
      ruleSet: { forbidden: rules.forbidden } as NonNullable<ICruiseOptions['ruleSet']>,
    },
    {},
    { tsConfig: extractTSConfig(path.join(root, 'tsconfig.base.json')) },
  );
  return output as ICruiseResult;
}

const describe = (result: ICruiseResult): string[] =>
  result.summary.violations.map((found) => `${found.rule.name}: ${found.from} → ${found.to}`);

const problems: string[] = [];
const result = await inspect(root, ['packages', 'tests', 'examples', 'bench']);
problems.push(...describe(result));

const rooms = readdirSync('packages').filter((name) => !name.startsWith('.'));
for (const room of rooms) {
  const seen = result.modules.some((module) => module.source.startsWith(`packages/${room}/src/`));
  if (!seen) problems.push(`walls inspected no module of packages/${room}`);
}
const crossings = result.modules
  .filter((module) => module.source.startsWith('packages/'))
  .flatMap((module) =>
    module.dependencies.map((dependency) => ({ from: module.source.split('/')[1], to: dependency.resolved })),
  )
  .filter(({ from, to }) => to.startsWith('packages/') && to.split('/')[1] !== from);
if (crossings.length === 0) problems.push('walls saw no import between rooms: it resolved nothing');

// A planted violation must be caught.
const planted = mkdtempSync(path.join(tmpdir(), 'slipway-walls-'));
try {
  for (const room of ['core', 'serve']) mkdirSync(path.join(planted, 'packages', room, 'src'), { recursive: true });
  writeFileSync(path.join(planted, 'packages/serve/src/index.ts'), 'export const answer = 42;\n');
  writeFileSync(
    path.join(planted, 'packages/core/src/index.ts'),
    "export { answer } from '../../serve/src/index.ts';\n",
  );
  const caught = describe(await inspect(planted, ['packages']));
  if (!caught.some((line) => line.startsWith('core-imports-only'))) {
    problems.push('walls did not catch a planted import of serve by core');
  }
} finally {
  rmSync(planted, { recursive: true });
}

for (const problem of problems) console.error(problem);
console.log(
  `walls: ${result.summary.totalCruised} modules, ${crossings.length} imports between ${rooms.length} rooms, ${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
