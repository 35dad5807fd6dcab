const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Whether a request was meant for this machine by a program or page on it. Without keys this is all that keeps a web
 * page elsewhere, open in the user's browser, from calling Citadel (by its Origin, or by DNS rebinding: its Host).
 */
export function isLocalRequest(host: string | undefined, origin: string | undefined): boolean {
  if (host === undefined || !isLoopbackName(hostnameOf(`http://${host}`))) return false;
  return origin === undefined || isLoopbackName(hostnameOf(origin));
}

function isLoopbackName(name: string | null): boolean {
  if (name === null) return false;
  return LOOPBACK_NAMES.has(name) || name.endsWith('.localhost') || /^127(\.\d{1,3}){3}$/.test(name);
}

function hostnameOf(url: string): string | null {
  return URL.parse(url)?.hostname.toLowerCase() ?? null;
}
