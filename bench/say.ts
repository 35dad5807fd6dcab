export function say(line: string): void {
  console.error(`bench: ${line}`);
}
