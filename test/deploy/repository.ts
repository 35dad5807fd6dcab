import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT_URL = new URL('../../', import.meta.url);

export const ROOT = fileURLToPath(ROOT_URL);
export const read = (path: string) => readFileSync(new URL(path, ROOT_URL), 'utf8');
export const isThere = (path: string) => existsSync(new URL(path, ROOT_URL));
export const listFiles = (path: string) => readdirSync(new URL(path, ROOT_URL));

/** Whether `citadel <command>` is a command. */
export const isCommand = (name: string) => isThere(`bin/commands/${name}.ts`);
