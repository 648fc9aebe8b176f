/**
 * The walls of the house. Packages already cannot import what they do not declare (linked installs); these rules say the
 * rest: which way imports point between rooms, that a foreign library has one door, and that there are no cycles.
 */
const room = (name) => `^packages/${name}/`;
const VERBS = ['prepare', 'serve', 'ship', 'operate'];

/** room → what it may import. */
const MAY_IMPORT = {
  core: [],
  onnx: ['core'],
  runtime: ['core'],
  transform: ['core'],
  prepare: ['core', 'onnx', 'runtime', 'transform'],
  serve: ['core', 'runtime', 'transform'],
  ship: ['core'],
  operate: ['core'],
  cli: ['core', 'onnx', 'runtime', ...VERBS],
};

const oneDoor = (library, owner) => ({
  name: `one-door-${library.replace(/\W+/g, '-')}`,
  severity: 'error',
  from: { path: '^packages/', pathNot: room(owner) },
  to: { path: `node_modules/(\\.store/)?${library.replace('/', '[/+]')}` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycle',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    ...Object.entries(MAY_IMPORT).map(([from, allowed]) => ({
      name: `${from}-imports-only-${allowed.join('-') || 'nothing'}`,
      severity: 'error',
      from: { path: room(from) },
      to: { path: '^packages/', pathNot: [from, ...allowed].map(room) },
    })),
    {
      name: 'a-room-has-one-door',
      comment: 'Other rooms, tests and examples come in through src/index.ts.',
      severity: 'error',
      from: { path: '^(packages/([^/]+)|tests|examples|bench)/' },
      to: {
        path: '^packages/[^/]+/src/',
        pathNot: ['^packages/$2/', '^packages/[^/]+/src/index\\.ts$', '^packages/core/src/(?:base|schemas)\\.ts$'],
      },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/', pathNot: '\\.test\\.ts$|/testing/' },
      to: { path: '\\.test\\.ts$|/testing/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^packages/' },
      to: { couldNotResolve: true, pathNot: '^(node:|slipway$)' },
    },
    oneDoor('onnxruntime-node', 'runtime'),
    oneDoor('onnxruntime-common', 'runtime'),
    oneDoor('@bufbuild/protobuf', 'onnx'),
    oneDoor('commander', 'cli'),
    oneDoor('@huggingface/tokenizers', 'transform'),
    oneDoor('sharp', 'transform'),
    oneDoor('@uwdata/flechette', 'serve'),
    oneDoor('@fastify/busboy', 'serve'),
    oneDoor('aws4fetch', 'serve'),
    oneDoor('fast-xml-parser', 'serve'),
    oneDoor('prom-client', 'serve'),
    oneDoor('fflate', 'core'),
    oneDoor('csv-parse', 'core'),
    oneDoor('pino', 'core'),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/|/generated/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
