// A program: locks the directory its argument names, prints `locked` or why not, and holds it until it is killed.
import { argv, stdin, stdout } from 'node:process';
import { lockDirectory } from '../../storage/directory-lock.ts';

try {
  await lockDirectory(argv[2] ?? '');
  stdout.write('locked\n');
  stdin.resume();
} catch (error) {
  stdout.write(`${(error as Error).message}\n`);
}
