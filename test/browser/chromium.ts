import { existsSync } from "node:fs";

/** What the test uses of playwright-core, whose own types need those of a browser. */
export interface Page {
  goto(url: string): Promise<unknown>;
  fill(selector: string, text: string): Promise<void>;
  check(selector: string): Promise<void>;
  click(selector: string): Promise<void>;
  locator(selector: string): Locator;
  content(): Promise<string>;
  close(): Promise<void>;
}

export interface Locator {
  waitFor(options: { readonly timeout: number }): Promise<void>;
  getAttribute(name: string): Promise<string | null>;
  textContent(): Promise<string | null>;
}

export interface BrowserContext {
  newPage(): Promise<Page>;
  browser(): { version(): string } | null;
  close(): Promise<void>;
}

interface Playwright {
  readonly chromium: {
    launchPersistentContext(
      folder: string,
      options: { readonly executablePath: string; readonly headless: boolean; readonly args: readonly string[] },
    ): Promise<BrowserContext>;
  };
}

/** Where Chromium is: Debian's, or the one that the environment variable names. */
export const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** One sentence why the test cannot run; undefined if it can. */
export function explainMissing(): string | undefined {
  if (existsSync(CHROMIUM)) return undefined;
  return `test:browser needs Chromium at ${CHROMIUM}: install the package chromium, or name another in CHROMIUM`;
}

/** Starts a Chromium with a profile of its own that talks to this machine alone. `spkiHash`: a certificate that it takes. */
export async function launchChromium(profile: string, spkiHash: string): Promise<BrowserContext> {
  const name: string = "playwright-core";
  const { chromium } = (await import(name)) as Playwright;
  return chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-domain-reliability",
      "--disable-sync",
      "--no-first-run",
      "--no-pings",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
      `--ignore-certificate-errors-spki-list=${spkiHash}`,
    ],
  });
}
