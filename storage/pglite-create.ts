// A program of its own: creates a database in the directory that its first argument names, and ends.
import { argv } from 'node:process';
import { PGlite } from '@electric-sql/pglite';

const db = await PGlite.create({ dataDir: argv[2] });
await db.close();
