import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

const ANSWER_LIMIT_MS = 10_000;

/** Sends bytes as they are and reads one answer until the server closes the connection: ask it to, or be wrong. */
export async function sendRaw(url: string, ...pieces: (string | Buffer)[]): Promise<RawAnswer> {
  return parseAnswer(await talk(url, pieces));
}

/** Sends `first`, and `then` once `sign` has come back; all that came until the server closed the connection. */
export function sendOnSign(url: string, first: string, sign: string, then: string): Promise<string> {
  let sent = false;
  return talk(url, [first], (socket, received) => {
    if (sent || !received.includes(sign)) return;
    sent = true;
    socket.write(then);
  });
}

function talk(
  url: string,
  pieces: readonly (string | Buffer)[],
  onData: (socket: Socket, received: string) => void = () => {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let received = '';
    socket
      .setEncoding('utf8')
      .setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error('no answer in time')));
    socket.on('connect', () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.on('data', (text: string) => {
      received += text;
      onData(socket, received);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
  });
}

/** Sends `text` and cuts the connection once it is out. */
export function cutAfter(url: string, text: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.on('error', reject);
    socket.write(text, () => socket.destroy());
    socket.on('close', () => resolve());
  });
}

/** A request's head: `GET /path` with these headers, and the wish that the connection be closed after the answer. */
export function rawHead(request: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({ connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return [`${request} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers),
    body: rest.join('\r\n\r\n'),
  };
}
