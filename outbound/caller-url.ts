import { AppError } from '../core/errors.ts';

/** A URL that a caller has Citadel call. Throws `invalid_request` for another scheme, and for credentials in it. */
export function parseCallerUrl(text: string, base?: string): URL {
  const url = URL.parse(text, base);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.username || url.password) {
    throw new AppError('invalid_request', 'A URL is of http or https, without a name and password in it.', {
      param: 'url',
    });
  }
  return url;
}
