// `npm run docs`: writes the pages of docs/ that are made of the program.
import { writeFileSync } from 'node:fs';
import { configurationPage } from './configuration-page.ts';

writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
console.log('docs/configuration.md');
