import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Request, Response } from 'express';

/** An answer that stays the same as long as the process lives: kept packed too, and not sent to who has it. */
export interface StableReply {
  send(req: Request, res: Response): void;
}

export function createStableReply(contentType: string, text: string): StableReply {
  const plain = Buffer.from(text);
  const packed = gzipSync(plain, { level: 9 });
  const etag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`;

  return {
    send(req, res) {
      res.setHeader('etag', etag);
      res.setHeader('cache-control', 'no-cache');
      res.setHeader('x-content-type-options', 'nosniff');
      res.vary('accept-encoding');
      if (namesTag(req.get('if-none-match'), etag)) {
        res.writeHead(304).end();
        return;
      }
      const isPacked = req.acceptsEncodings('gzip') === 'gzip';
      if (isPacked) res.setHeader('content-encoding', 'gzip');
      const body = isPacked ? packed : plain;
      res.writeHead(200, { 'content-type': contentType, 'content-length': body.length });
      res.end(body);
    },
  };
}

function namesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}
