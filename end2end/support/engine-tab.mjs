// A tab of a browser that is driven by WebDriver, which notes what the page complains about.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';

export class EngineTab {
  static async open(driver, url) {
    const tab = new EngineTab(driver);
    await tab.load(url);
    return tab;
  }

  constructor(driver) {
    this.driver = driver;
    // As much of playwright-core's page as the measures of accessibility and layout use.
    this.page = { evaluate: (body, argument) => driver.run(body, argument) };
  }

  async load(url) {
    await this.driver.goTo(url);
    await this.driver.run(noteComplaints);
  }

  // Complaints of the document that is loaded now, from its first moments on.
  async unexpectedComplaints() {
    return (await this.driver.run(() => window.complaints)) ?? ['the page was loaded again'];
  }

  async assertNotReloaded() {
    assert.ok(await this.driver.run(() => Array.isArray(window.complaints)), 'the page was loaded again');
  }

  async screenshot(path) {
    await writeFile(path, await this.driver.screenshot());
  }
}

function noteComplaints() {
  const complaints = [];
  window.complaints = complaints;
  window.addEventListener('error', (event) => complaints.push(`uncaught: ${event.message ?? event.target.src}`), true);
  window.addEventListener('unhandledrejection', ({ reason }) => complaints.push(`uncaught: ${reason}`));
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    complaints.push(`policy: ${violatedDirective} ${blockedURI}`));
  for (const kind of ['error', 'warn']) {
    const say = console[kind].bind(console);
    console[kind] = (...words) => {
      complaints.push(`console: ${words.join(' ')}`);
      say(...words);
    };
  }
}
