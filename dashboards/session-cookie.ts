import type { Request, Response } from 'express';
import { SESSION_MS } from '../access/sessions.ts';

const NAME = 'citadel_session';
const PATH = '/dashboard';

/** The session that the browser brings; undefined without one. */
export function readSessionCookie(req: Request): string | undefined {
  for (const part of (req.headers.cookie ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === NAME && value) return value;
  }
  return undefined;
}

/** Scripts cannot read it, and pages elsewhere cannot send it. Null takes it away. */
export function setSessionCookie(req: Request, res: Response, token: string | null): void {
  const isSecure = req.secure || req.headers['x-forwarded-proto'] === 'https';
  const seconds = token === null ? 0 : SESSION_MS / 1_000;
  const fields = [
    `${NAME}=${token ?? ''}`,
    `Path=${PATH}`,
    `Max-Age=${seconds}`,
    'HttpOnly',
    'SameSite=Strict',
  ];
  res.setHeader('set-cookie', [...fields, ...(isSecure ? ['Secure'] : [])].join('; '));
}
