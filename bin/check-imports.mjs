// Checks the import table (.dependency-cruiser.mjs), and that the checker has seen the whole repo: it reports
// "no violations" also when it could read nothing.
import { execFileSync } from 'node:child_process';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import config from '../.dependency-cruiser.mjs';

const sources = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '');

const { output } = await cruise(
  sources,
  { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true },
  null,
  { tsConfig: extractTSConfig('tsconfig.json') },
);

const seen = output.modules.filter((module) => sources.includes(module.source)).length;
const { violations } = output.summary;
for (const { rule, from, to } of violations) console.error(`${rule.name}: ${from} → ${to}`);
if (seen < sources.length) console.error(`Only ${seen} of ${sources.length} files were seen.`);
if (violations.length > 0 || seen < sources.length) process.exit(1);
console.log(`imports: ${seen} files, no violations`);
