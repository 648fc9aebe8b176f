#!/usr/bin/env node
// Slipway runs on Node 24. Where an older Node started this file, hand over to the Node 24 that npm installed beside it.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Compiled code is kept between runs: `slipway --help` takes 0.1 s instead of 0.2 s.
  nodeModule.enableCompileCache();
  const source = join(here, '../src/main.ts');
  const { main } = await import(existsSync(source) ? source : join(here, '../dist/main.js'));
  process.exitCode = await main(process.argv.slice(2));
} else {
  const node = findNode();
  if (node === undefined) {
    const why = `this is ${process.version}, and node-linux-${process.arch} is not installed`;
    process.stderr.write(`slipway needs Node.js 24 or newer; ${why}.
`);
    process.exitCode = 1;
  } else {
    const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? 128 + (signal === 'SIGINT' ? 2 : 15);
    });
  }
}

function findNode() {
  try {
    const manifest = nodeModule
      .createRequire(import.meta.url)
      .resolve(`node-${process.platform}-${process.arch}/package.json`);
    const node = join(dirname(manifest), 'bin/node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}
