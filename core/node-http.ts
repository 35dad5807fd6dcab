import { createRequire } from 'node:module';

// To `import` node:http is to ask for each of its names, and one of them brings Node's own copy of undici along: 5 MB and
// 60 ms at each start.
export const { createServer } = createRequire(import.meta.url)('node:http') as typeof import('node:http');
