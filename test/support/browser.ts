import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, onTestFinished } from "vitest";

/** A real browser, where the distribution has one: Debian's Chromium, without a window. */

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

/** Whether there is one; a suite that needs it is skipped without, and says so by its title. */
export const hasBrowser = executablePath !== undefined;
if (!hasBrowser) console.warn("no Chromium is installed: what a browser shows is not tested");

/** It has no business elsewhere: what it would look up by itself is turned off, and every name but localhost fails. */
const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
];

let started: Promise<Browser> | undefined;

/** One browser for all tests of a file; it ends with them. */
export function useBrowser(): void {
  afterAll(async () => {
    const browser = await started;
    started = undefined;
    await browser?.close();
  });
}

export interface OpenedPage {
  readonly page: Page;
  /** What the page complains of: errors of scripts, refusals by its policy, requests that failed. */
  readonly complaints: readonly string[];
  /** Every address that was asked. */
  readonly requests: readonly string[];
}

/** A page of a person of its own: no cookie, no cache of another test. The server's own certificate is taken. */
export async function openPage(options: BrowserContextOptions = {}): Promise<OpenedPage> {
  started ??= chromium.launch({ executablePath: executablePath ?? "", args: flags });
  const browser = await started;
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  page.on("request", (request) => requests.push(request.url()));
  return { page, complaints, requests };
}
