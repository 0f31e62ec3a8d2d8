// Chromium, and a tab in it that notes everything the page and its network complain about.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

import { PATIENCE_MS } from './eventually.mjs';

const SWITCHES = [
  '--no-sandbox', // Tests may run as root.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: SWITCHES });
}

export class BrowserTab {
  // Opens `url` in a profile of its own.
  static async open(browser, url, how) {
    const tab = await BrowserTab.blank(browser, how);
    await tab.page.goto(url);
    // Gone as soon as the document is another one.
    await tab.page.evaluate(() => (window.isFirstDocument = true));
    return tab;
  }

  // Opens `url` in another tab of the browser that `tab` is in.
  static async beside(tab, url) {
    const another = new BrowserTab(await tab.page.context().newPage());
    await another.page.goto(url);
    return another;
  }

  // Nothing is loaded yet.
  static async blank(browser, { width = 1280, height = 900, colorScheme = 'light', ...others } = {}) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      permissions: ['clipboard-read', 'clipboard-write'],
      ...others,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    return new BrowserTab(await context.newPage());
  }

  #complaints = [];
  #expected = [];
  // How many documents were loaded.
  #documents = 0;

  constructor(page) {
    this.page = page;
    const note = (text) => this.#complaints.push({ text });
    const asked = new WeakMap();
    // Chromium reports violations of the content security policy on the console.
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      const document = GIVEN_UP.test(message.text()) ? this.#documents : undefined;
      this.#complaints.push({ text: `console: ${message.text()} ${message.location().url}`, document });
    });
    page.on('pageerror', (error) => note(`uncaught: ${error}`));
    page.on('domcontentloaded', () => (this.#documents += 1));
    page.on('request', (request) => asked.set(request, this.#documents));
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      const document = reason === 'net::ERR_ABORTED' ? asked.get(request) : undefined;
      this.#complaints.push({ text: `request: ${reason} ${request.url()}`, document });
    });
    page.on('response', (response) => {
      if (response.status() >= 400) note(`response: ${response.status()} ${response.url()}`);
    });
  }

  // From now on, complaints like this are part of the story.
  expectComplaints(...patterns) {
    this.#expected.push(...patterns);
  }

  // What a document had asked for when it was left or loaded again is given up, whatever it was, and no complaint.
  unexpectedComplaints() {
    return this.#complaints
      .filter(({ document }) => document === undefined || document === this.#documents)
      .map(({ text }) => text)
      .filter((text) => !this.#expected.some((pattern) => pattern.test(text)));
  }

  // With the tabs beside it, and their profile.
  close() {
    return this.page.context().close();
  }

  // The whole page as a PNG.
  screenshot(path) {
    return this.page.screenshot({ path, fullPage: true });
  }

  async assertNotReloaded() {
    assert.equal(await this.page.evaluate(() => window.isFirstDocument), true, 'the page was loaded again');
  }

  clipboardText() {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }
}

// How a script is told that what it loads is given up. What fails for another reason is a failed request, too.
const GIVEN_UP = /\baborted\b|Failed to fetch/;

// What a browser says while the server it listens to is away.
export const SERVER_AWAY = [
  /ERR_CONNECTION_REFUSED/,
  /ERR_CONNECTION_RESET/,
  /ERR_EMPTY_RESPONSE/,
  /ERR_INCOMPLETE_CHUNKED_ENCODING/,
];

// What it says while the server answers that its dump service is away.
export const SERVICE_AWAY = [/^response: 503 /, /^console: .*\b503\b/];
