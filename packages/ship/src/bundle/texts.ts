/** The files of a bundle that people read or run. */

/** Needs a POSIX shell and nothing else: no PATH, no node, no network. */
export function runScript(model: string): string {
  return `#!/bin/sh
# Serve "${model}". Takes the options of \`slipway serve\`: ./run --port 9000 --host 0.0.0.0
case "$0" in
  */*) here="\${0%/*}" ;;
  *) here=. ;;
esac
exec "$here/bin/node" "$here/app/node_modules/slipway/bin/slipway.js" serve --model "${model}=$here/models/${model}" "$@"
`;
}

export function readme(options: {
  model: string;
  reference: string;
  digest: string;
  platform: string;
  inputs: readonly string[];
}): string {
  return `# ${options.model}, ready to serve

\`\`\`
./run                     # TensorFlow Serving and Open Inference Protocol on 127.0.0.1:8501, over gRPC on :8500, metrics on :8502
./run --port 9000 --host 0.0.0.0
\`\`\`

Everything it needs is in this folder: Node.js, the server, ONNX Runtime and the model. It runs on ${options.platform} with glibc
2.28 or newer, without npm and without a network. Move or copy the folder as you like.

- Release: ${options.reference}, ${options.digest}
- Inputs: ${options.inputs.join(', ')}
- The server reproduces the golden samples of the release before it answers.
- \`MANIFEST.json\` lists every file with its SHA-256, and every package with its licence.
`;
}
