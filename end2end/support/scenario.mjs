// A test with what it needs: processes of memdeck, a browser. Whatever it started ends with it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { BrowserTab, launchBrowser } from './browser-tab.mjs';
import { EngineTab } from './engine-tab.mjs';
import { ENGINES } from './engines.mjs';
import { Home, Service } from './memdeck.mjs';
import { MemoryDumpsPage } from './memory-dumps-page.mjs';

// What happens to the first dump of a process when half of the guest is read, in whichever mode. The pause budget is one
// with which a live dump comes to its end on any machine, held or not: these tests are not about the pause.
const atHalf = (action) => ({
  FAILPOINTS: `capture::half-read=1*${action};capture::half-live=1*${action}`,
  PAUSE_BUDGET_MS: '10000',
});

// Holds it, so that a dump under way can be looked at however fast the machine is.
export const heldAtHalfFor = (ms) => atHalf(`sleep(${ms})`);
export const HELD_AT_HALF = heldAtHalfFor(1500);

// Holds it until it is given up.
export const HELD_UNTIL_CANCELLED = atHalf('return');

// One browser for all tests of a file, since starting it takes longer than many of them. Each page has a profile of its own.
let browser;
after(() => browser?.close());

// A test called `name`. It fails too when a page complained about something it did not expect.
export function scenario(name, body) {
  test(name, async (t) => {
    const stage = new Stage();
    try {
      await body(stage);
      await stage.assertNoComplaints();
    } catch (error) {
      for (const line of await stage.evidence(name)) t.diagnostic(line);
      throw error;
    } finally {
      await stage.clear();
    }
  });
}

class Stage {
  #endings = [];
  #tabs = [];
  #services = [];

  // Does `ending` when the test has ended; the latest first.
  defer(ending) {
    this.#endings.push(ending);
  }

  async clear() {
    const failures = [];
    for (const ending of this.#endings.reverse()) await ending().catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }

  async home() {
    const home = await Home.create();
    this.defer(() => home.remove());
    return home;
  }

  // Starts `memdeck serve` or `memdeck agent`, on a home of its own where none is given.
  async start(role, variables = {}, home) {
    return this.#keep(await Service.start(home ?? (await this.home()), role, variables));
  }

  // Starts a service that was stopped, where it was.
  async startAgain(service) {
    return this.#keep(await service.startAgain());
  }

  #keep(service) {
    this.#services.push(service);
    this.defer(() => service.stop());
    return service;
  }

  // Opens the page of a dashboard and waits until it is ready.
  async open(dashboard, { path = '/memory-dumps', withGuests = true, ...how } = {}) {
    // One that a test has killed is no use to the next.
    if (!browser?.isConnected()) browser = await launchBrowser();
    const tab = await BrowserTab.open(browser, dashboard.url + path, how);
    this.defer(() => tab.close());
    this.#tabs.push(tab);
    const memoryDumps = new MemoryDumpsPage(tab);
    if (withGuests) await memoryDumps.isReady();
    return memoryDumps;
  }

  // Opens the page of a dashboard in another tab of the browser that `other` is in.
  async openBeside(other, dashboard, { path = '/memory-dumps' } = {}) {
    const tab = await BrowserTab.beside(other.tab, dashboard.url + path);
    this.#tabs.push(tab);
    return new MemoryDumpsPage(tab);
  }

  // Opens the page of a dashboard in another engine than Chromium's.
  async drive(engine, dashboard, path, how) {
    const { driver, stop } = await ENGINES[engine](how);
    this.defer(stop);
    const tab = await EngineTab.open(driver, dashboard.url + path);
    this.#tabs.push(tab);
    return tab;
  }

  async assertNoComplaints() {
    for (const tab of this.#tabs) assert.deepEqual(await tab.unexpectedComplaints(), []);
  }

  // What was to be seen when the test failed: screenshots, complaints, the ends of the logs.
  async evidence(name) {
    const lines = [];
    for (const [index, tab] of this.#tabs.entries()) {
      const path = join(process.env.SCREENS_DIR, `failed-${name.replace(/\W+/g, '-')}-${index + 1}.png`);
      await tab.screenshot(path).then(
        () => lines.push(`screenshot: ${path}`),
        (error) => lines.push(`no screenshot: ${error.message}`),
      );
      const complaints = async () => lines.push(...(await tab.unexpectedComplaints()));
      await complaints().catch((error) => lines.push(`no complaints: ${error.message}`));
    }
    for (const { role, log } of this.#services) lines.push(...log.slice(-10).map((line) => `${role}: ${line}`));
    return lines;
  }
}

// The two arrangements in which memdeck runs. Each gives the dashboard and the home where images are kept.
// `variables` go to whoever takes the dumps.
export const ARRANGEMENTS = {
  'a dashboard that takes dumps itself': async (stage, variables) => {
    const dashboard = await stage.start('serve', variables);
    return { dashboard, images: dashboard.home };
  },
  'a dashboard in front of a dump service': async (stage, variables) => {
    const agent = await stage.start('agent', variables);
    const dashboard = await stage.start('serve', { MEMDUMP_SERVICE_URL: agent.url });
    return { dashboard, agent, images: agent.home };
  },
};
