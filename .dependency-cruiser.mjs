// DESIGN's import table: who may import whom. Checked by bin/check-imports.mjs in `npm run check`.
const ROOMS_ABOVE = {
  core: [
    'queues',
    'storage',
    'outbound',
    'servers',
    'jobs',
    'access',
    'workflows',
    'rag',
    'api',
    'workers',
    'dashboards',
    'bin',
  ],
  adapters: ['servers', 'jobs', 'access', 'workflows', 'rag', 'api', 'workers', 'dashboards', 'bin'],
  knowledge: ['api', 'workers', 'dashboards', 'bin'],
  delivery: ['bin', 'dashboards'],
};

// Pairs on one floor that may see each other, and why.
const SAME_FLOOR_ALLOWED = [
  ['workflows', 'jobs'], // a step's call of a model is a job, and the doorbell of runs is a queue
  ['dashboards', 'api'], // the page answers in the API's shapes, and shows what the API says
  ['jobs', 'servers'], // a job names the model class and the server facts that the registry knows
];

const KNOWLEDGE = ['workflows', 'rag', 'servers', 'jobs', 'access'];
const ADAPTERS = ['queues', 'storage', 'outbound'];
const DELIVERY = ['api', 'workers', 'dashboards'];

const VENDORS = {
  express: ['api', 'dashboards'],
  bullmq: ['queues'],
  ioredis: ['queues'],
  undici: ['outbound'],
  pg: ['storage'],
  '@electric-sql/pglite': ['storage'],
  '@qdrant/': ['storage'],
  '@bull-board/': ['dashboards'],
  preact: ['dashboards'],
  htm: ['dashboards'],
  uplot: ['dashboards'],
  '@dagrejs/': ['dashboards'],
  pino: ['core'],
  'prom-client': ['core'],
  '@opentelemetry/': ['core'],
  yaml: ['core'],
  croner: ['workflows'],
  '@marcbachmann/cel-js': ['workflows'],
  re2js: ['workflows'],
  ajv: ['workflows'],
  '@fastify/busboy': ['api'],
  'gpt-tokenizer': ['rag'],
  stemmer: ['rag'],
  unpdf: ['rag'],
  mammoth: ['rag'],
  '@mozilla/readability': ['rag'],
  linkedom: ['rag'],
  turndown: ['rag'],
  'csv-parse': ['rag'],
};

const room = (names) => `^(${names.join('|')})/`;

/** Value imports only: a type may be imported upwards (the interface stands in the room that needs it). */
const noValueImport = (name, from, to) => ({
  name,
  severity: 'error',
  from: { path: room(from) },
  to: { path: room(to), dependencyTypesNot: ['type-only'] },
});

const sameFloor = (floor) =>
  floor.map((name) => {
    const allowed = SAME_FLOOR_ALLOWED.filter(([from]) => from === name).map(([, to]) => to);
    const others = floor.filter((other) => other !== name && !allowed.includes(other));
    return noValueImport(`${name}-stays-in-its-room`, [name], others);
  });

export default {
  forbidden: [
    noValueImport('core-imports-no-room', ['core'], ROOMS_ABOVE.core),
    noValueImport('adapters-import-core-only', ADAPTERS, ROOMS_ABOVE.adapters),
    noValueImport('knowledge-imports-downwards', KNOWLEDGE, ROOMS_ABOVE.knowledge),
    noValueImport('delivery-imports-downwards', ['api', 'workers'], ROOMS_ABOVE.delivery),
    noValueImport('dashboards-import-downwards', ['dashboards'], ['bin']),
    ...sameFloor(ADAPTERS),
    ...sameFloor(KNOWLEDGE),
    ...sameFloor(DELIVERY),
    ...Object.entries(VENDORS).map(([vendor, rooms]) => ({
      name: `${vendor.replace(/\W/g, '')}-in-its-room`,
      severity: 'error',
      from: { path: '^[a-z]+/', pathNot: [room(rooms), '^(test|bench|chaos)/'] },
      to: { path: `node_modules/${vendor}` },
    })),
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    // What programs elsewhere take with them: no room and no package, only what every JavaScript runtime has.
    {
      name: 'sdk-imports-itself-only',
      severity: 'error',
      from: { path: '^sdk/' },
      to: { pathNot: '^sdk/' },
    },
    {
      name: 'sdk-is-for-others',
      severity: 'error',
      from: { pathNot: '^(sdk|examples|test|bench|chaos)/' },
      to: { path: '^sdk/' },
    },
    {
      name: 'product-without-tests',
      severity: 'error',
      from: { pathNot: '^(test|bench|chaos|examples)/' },
      to: { path: '^(test|bench|chaos|examples)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(data|bench/node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
