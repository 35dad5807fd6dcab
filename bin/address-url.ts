/** The URL of a process that listens there, with an IPv6 address in brackets. */
export function addressUrl({ host, port }: { host: string; port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
