// Firefox and WebKit, as Debian has them: the engines of browsers on desks and phones beside Chromium's.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { end, freePort, start } from './children.mjs';
import { eventually } from './eventually.mjs';
import { WebDriver } from './webdriver.mjs';

const { FIREFOX, GECKODRIVER, PATH, HOME, WEBKIT_DRIVER, XVFB } = process.env;

const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 800 };
// What GTK's widgets beside a page need otherwise keeps a window from being as narrow as a phone.
const SMALL_WIDGETS = 'button, entry, image, label { min-width: 0; margin: 0; padding: 0; border-width: 0; font-size: 1px; }';

// Each starts a browser: `driver`, and `stop`.
export const ENGINES = {
  Firefox: async ({ isPhone = false } = {}) => {
    const options = { binary: FIREFOX, args: ['-headless'] };
    const browser = await launch(GECKODRIVER, { env: { PATH, HOME } }, { browserName: 'firefox', 'moz:firefoxOptions': options });
    return ready(browser, async ({ driver }) => {
      await driver.resize(DESK);
      if (!isPhone) return;
      // No other window of it is as narrow.
      const before = await driver.tab();
      await driver.run((width, height) => void window.open('', '', `popup,width=${width},height=${height}`), PHONE.width, PHONE.height);
      await driver.turnTo(await eventually(async () => (await driver.tabs()).find((tab) => tab !== before) ?? Promise.reject(new Error('no popup'))));
    });
  },

  // It has no window without a screen: one in memory will do.
  WebKit: async ({ isPhone = false } = {}) => {
    const configuration = await mkdtemp(join(tmpdir(), 'memdeck-end2end-'));
    const forget = () => rm(configuration, { recursive: true, force: true });
    await mkdir(join(configuration, 'gtk-3.0'));
    await writeFile(join(configuration, 'gtk-3.0', 'gtk.css'), SMALL_WIDGETS);
    const screen = start(XVFB, ['-displayfd', '1', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return ready({ stop: () => stop(screen).finally(forget) }, async (below) => {
      const env = {
        PATH, HOME, DISPLAY: `:${await firstLine(screen)}`, GDK_BACKEND: 'x11', LIBGL_ALWAYS_SOFTWARE: '1',
        XDG_CONFIG_HOME: configuration,
      };
      const browser = await launch(WEBKIT_DRIVER, { env }, { browserName: 'MiniBrowser' });
      below.driver = browser.driver;
      below.stop = () => browser.stop().finally(() => stop(screen)).finally(forget);
      await below.driver.resize(isPhone ? PHONE : DESK);
    });
  },
};

// A browser as `prepare` leaves it; none is left running where that fails.
async function ready(browser, prepare) {
  try {
    await prepare(browser);
    return browser;
  } catch (error) {
    await browser.stop().catch(() => {});
    throw error;
  }
}

async function launch(program, options, capabilities) {
  const port = await freePort();
  const child = start(program, [`--port=${port}`], { ...options, isGroup: true, stdio: 'ignore' });
  return ready({ stop: () => stop(child) }, async (browser) => {
    const url = `http://127.0.0.1:${port}`;
    const ended = child.ended.then((how) => Promise.reject(new Error(`${program} ended: ${how}`)));
    await Promise.race([eventually(async () => (await fetch(`${url}/status`)).json()), ended]);
    browser.driver = await WebDriver.begin(url, capabilities);
    browser.stop = () => browser.driver.end().finally(() => stop(child));
  });
}

async function stop(child) {
  end(child, 'SIGTERM');
  await child.ended.catch(() => {});
}

async function firstLine(child) {
  for await (const line of createInterface({ input: child.stdout })) return line.trim();
  throw new Error(`${child.spawnfile} ended without a word`);
}
