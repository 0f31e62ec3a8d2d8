// A browser that is driven by the W3C's WebDriver protocol: what playwright-core does not drive as Debian has it.
// https://www.w3.org/TR/webdriver2/

import { PATIENCE_MS, eventually } from './eventually.mjs';

// By which an element is named on the wire.
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
export const KEYS = { Escape: '\uE00C', Enter: '\uE007', Tab: '\uE004' };

export class WebDriver {
  // Begins a session at the driver that listens at `url`.
  static async begin(url, capabilities) {
    const driver = new WebDriver(`${url}/session`);
    const { sessionId, capabilities: given } = await driver.#call('POST', '', { capabilities: { alwaysMatch: capabilities } });
    driver.#session = `${url}/session/${sessionId}`;
    driver.version = `${given.browserName} ${given.browserVersion}`;
    return driver;
  }

  #session;

  constructor(session) {
    this.#session = session;
  }

  async #call(method, path, body) {
    const answer = await fetch(this.#session + path, {
      method,
      headers: { 'content-type': 'application/json' },
      body: method === 'POST' ? JSON.stringify(body ?? {}) : undefined,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }

  end() {
    return this.#call('DELETE', '');
  }

  goTo(url) {
    return this.#call('POST', '/url', { url });
  }

  url() {
    return this.#call('GET', '/url');
  }

  back() {
    return this.#call('POST', '/back');
  }

  // Opens another window and turns to it; the one before goes on. (WebKit does not show a new tab, only a new window.)
  async openWindow() {
    const { handle } = await this.#call('POST', '/window/new', { type: 'window' });
    await this.turnTo(handle);
    return handle;
  }

  tab() {
    return this.#call('GET', '/window');
  }

  tabs() {
    return this.#call('GET', '/window/handles');
  }

  turnTo(handle) {
    return this.#call('POST', '/window', { handle });
  }

  closeTab() {
    return this.#call('DELETE', '/window');
  }

  // The size of the whole window.
  resize({ width, height }) {
    return this.#call('POST', '/window/rect', { width, height });
  }

  // Calls a function in the page.
  run(body, ...args) {
    return this.#call('POST', '/execute/sync', { script: `return (${body})(...arguments)`, args });
  }

  // A PNG of what is in sight.
  async screenshot() {
    return Buffer.from(await this.#call('GET', '/screenshot'), 'base64');
  }

  // Waits for something visible that `selector` finds and whose text begins with `text`.
  waitFor(selector, text = '') {
    return eventually(async () => {
      const element = await this.run(visible, selector, text);
      if (!element) throw new Error(`there is no ${selector} "${text}" to be seen`);
      return element;
    });
  }

  waitUntilGone(selector, text = '') {
    return eventually(async () => {
      if (await this.run(visible, selector, text)) throw new Error(`${selector} "${text}" is still to be seen`);
    });
  }

  // With the mouse, where the middle of it is: what lies above it is in the way. Waits until that does something.
  click(selector, text) {
    return eventually(async () => {
      const element = await this.waitFor(`:is(${selector}):not(:disabled, [aria-disabled=true])`, text);
      await this.#call('POST', `/element/${element[ELEMENT]}/click`);
    });
  }

  async text(selector, text) {
    const element = await this.waitFor(selector, text);
    return this.run((element) => element.innerText, element);
  }

  // On the keyboard, wherever the focus is.
  async press(key) {
    const actions = ['keyDown', 'keyUp'].map((type) => ({ type, value: KEYS[key] ?? key }));
    await this.#call('POST', '/actions', { actions: [{ type: 'key', id: 'keyboard', actions }] });
  }
}

function visible(selector, text) {
  return (
    [...document.querySelectorAll(selector)].find(
      (element) => element.checkVisibility({ visibilityProperty: true }) && element.textContent.trim().startsWith(text),
    ) ?? null
  );
}
