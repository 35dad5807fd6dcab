// A program: listens on the port of 127.0.0.1 that its argument names, with the shortest queue, and prints `listening`.
import { createServer } from 'node:net';
import { argv, stdout } from 'node:process';

createServer().listen({ port: Number(argv[2]), host: '127.0.0.1', backlog: 1 }, () => {
  stdout.write('listening\n');
});
