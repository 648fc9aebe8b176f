/** Reads the model `argv[2]` and writes it to `argv[3]`; prints the code of the error, or `ok`. */
import { SlipwayError } from '@slipway/core';
import { readModelFile, writeModelFile } from '../file.ts';

const [source = '', target = ''] = process.argv.slice(2);
try {
  await writeModelFile(target, await readModelFile(source));
  process.stdout.write('ok\n');
} catch (error) {
  if (!(error instanceof SlipwayError)) throw error;
  process.stdout.write(`${error.code} ${error.message}\n`);
}
