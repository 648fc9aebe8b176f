/**
 * Runs the table of `oip-checks.ts` against a server: `node tests/conformance/oip.ts http://127.0.0.1:8501 MODEL`. One line per
 * check; exits 1 when one fails.
 */
import { CHECKS, subjectAt } from './oip-checks.ts';

const [url, model] = process.argv.slice(2);
if (url === undefined || model === undefined) {
  console.error('usage: node tests/conformance/oip.ts URL MODEL');
  process.exit(2);
}
const subject = await subjectAt(url.replace(/\/$/, ''), model);
let failed = 0;
for (const { extension, title, run } of CHECKS) {
  const name = `${extension ?? 'protocol'}: ${title}`;
  if (extension !== null && !subject.extensions.includes(extension)) {
    console.log(`-    ${name} (not offered)`);
    continue;
  }
  try {
    await run(subject);
    console.log(`ok   ${name}`);
  } catch (error) {
    failed++;
    console.log(
      `FAIL ${name}\n     ${String(error instanceof Error ? error.message : error).replaceAll('\n', '\n     ')}`,
    );
  }
}
console.log(failed === 0 ? 'conforms' : `${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
