// What follows a port (`http://a:80/x@y`) is no password; anything else up to the last @ may be one.
// Bounded, since a text of many `x://x:` would otherwise be searched to its end from each of them.
const URL_PASSWORD = /([a-z][a-z0-9+.-]{0,20}:\/\/[^\s:@/]{0,256}):(?!\d{1,5}[/?#])[^\s"'<>]{0,1000}@/gi;
const QUERY_SECRET = /([?&](?:api[_-]?key|key|token|access_token|password|secret|signature)=)[^&\s"'#]+/gi;
const AUTHORIZATION = /\b(bearer|basic)\s+[\w.~+/=-]{6,}/gi;
const KNOWN_KEY = /\b(ck|sk|pk|rk|gsk|hf|ghp|whsec)[-_][\w-]{12,}/g;

/** `text` with whatever looks like a URL's password, a bearer key or an API key replaced by `***`. */
export function maskSecrets(text: string): string {
  return text
    .replace(URL_PASSWORD, '$1:***@')
    .replace(QUERY_SECRET, '$1***')
    .replace(AUTHORIZATION, '$1 ***')
    .replace(KNOWN_KEY, '$1-***');
}
