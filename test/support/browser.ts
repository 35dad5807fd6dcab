import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Service } from './services.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const OWN_ADDRESS = /^(http:\/\/127\.0\.0\.1:|data:)/;

const executable = findExecutable();

export const chromiumService: Service = {
  name: 'Chromium',
  isInstalled: executable !== null,
  install: 'apt-get install chromium (or set CHROMIUM_PATH)',
};

/** A page of a real browser, and what its console said of broken rules. */
export interface WatchedPage {
  page: Page;
  /** Violations of the Content-Security-Policy, exceptions that nothing caught, and whatever was asked of another host. */
  problems: string[];
}

export function startBrowser(): Promise<Browser> {
  if (executable === null) throw new Error('Chromium is not installed.');
  // Tests may run as root, where Chromium has no sandbox; a container's shared memory may be small.
  return chromium.launch({
    executablePath: executable,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

export async function openWatchedPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems: string[] = [];
  page.on('console', (message) => {
    if (/Content.Security.Policy|violates/i.test(message.text())) problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => {
    if (!OWN_ADDRESS.test(request.url())) problems.push(`asked for ${request.url()}`);
  });
  return { page, problems };
}

function findExecutable(): string | null {
  const { CHROMIUM_PATH, PATH = '' } = process.env;
  if (CHROMIUM_PATH !== undefined) return existsSync(CHROMIUM_PATH) ? CHROMIUM_PATH : null;
  const candidates = PATH.split(delimiter).flatMap((place) => NAMES.map((name) => join(place, name)));
  return candidates.find((file) => existsSync(file)) ?? null;
}
