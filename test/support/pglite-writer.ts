// A program: writes rows into the PGlite directory its argument names, one after another, and prints each number once
// it is acknowledged. Runs until it is killed.
import { argv, stdout } from 'node:process';
import { createPglitePool } from '../../storage/pglite-pool.ts';

const pool = await createPglitePool({ dataDir: argv[2] });
await pool.exec('CREATE TABLE IF NOT EXISTS public.written (n integer PRIMARY KEY)');
for (let n = 1; ; n += 1) {
  if (n % 3 === 0) {
    await pool.transaction((tx) => tx.query('INSERT INTO public.written VALUES ($1)', [n]));
  } else {
    await pool.query('INSERT INTO public.written VALUES ($1)', [n]);
  }
  stdout.write(`${n}\n`);
}
