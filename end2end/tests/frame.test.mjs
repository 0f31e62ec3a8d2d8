// What surrounds every page: the bar, its menu, the theme, the keys.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

const MENU_UNDER = 768;

scenario('pages are behind a button on narrow screens, which closes in every way there is', async (stage) => {
  const { page } = await stage.open(await stage.start('serve'), { width: MENU_UNDER });
  const button = page.getByRole('button', { name: 'Menu' });
  const link = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Memory Dumps' });
  assert.ok((await link.isVisible()) && !(await button.isVisible()));

  await page.setViewportSize({ width: MENU_UNDER - 1, height: 900 });
  assert.ok(!(await link.isVisible()) && (await button.isVisible()));
  assert.equal(await button.getAttribute('aria-expanded'), 'false');
  const ways = {
    'the button': () => button.click(),
    Esc: () => page.keyboard.press('Escape'),
    'a press outside': () => page.mouse.click(380, 800),
    'a choice': () => link.click(),
  };
  for (const [way, close] of Object.entries(ways)) {
    await button.click();
    await link.waitFor();
    assert.equal(await button.getAttribute('aria-expanded'), 'true');
    await close();
    await link.waitFor({ state: 'hidden' });
    assert.equal(await button.getAttribute('aria-expanded'), 'false', `after ${way}`);
    if (way === 'Esc') assert.ok(await hasFocus(button), 'the focus returns to the button');
  }
});

scenario('the page says where one is', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page } = await stage.open(dashboard);
  assert.equal(await page.title(), 'Memory Dumps · memdeck');
  const link = page.getByRole('link', { name: 'Memory Dumps' });
  assert.equal(await link.getAttribute('aria-current'), 'page');

  await page.keyboard.press('Tab');
  const skip = page.getByRole('link', { name: 'Skip to content' });
  assert.ok(await hasFocus(skip), 'the first stop is the way around the bar');
  await page.keyboard.press('Enter');
  assert.ok(await hasFocus(page.getByRole('main')));
});

scenario('an address that leads nowhere shows the app’s page and is 404; a slash too many leads to the page', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard);
  tab.expectComplaints(/^response: 404 .*\/nope$/, /^console: .*404.*\/nope/);
  const answer = await page.goto(`${dashboard.url}/nope`);
  assert.equal(answer.status(), 404);
  await page.getByRole('heading', { name: 'Page not found' }).waitFor();
  await page.getByRole('main').getByRole('link', { name: 'Go to Main Gauges' }).click();
  await page.getByRole('heading', { name: 'Main Gauges' }).waitFor();

  await page.goto(`${dashboard.url}/memory-dumps/?rows=50`);
  assert.equal(page.url(), `${dashboard.url}/memory-dumps?rows=50`);
  await page.getByRole('heading', { name: 'Recorded dumps' }).waitFor();
});

scenario('a chosen theme is kept, and never flashes in the other one', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page } = await stage.open(dashboard, { colorScheme: 'light' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('radio', { name: 'Dark' }).check();
  const dark = await ground();
  assert.notEqual(dark, light);

  // The first picture that the browser paints, long before the program is there.
  await page.addInitScript(() => {
    const look = () => {
      if (!document.body) return requestAnimationFrame(look);
      const isProgramThere = document.querySelector('.navbar-menu') !== null;
      window.first = { isProgramThere, ground: getComputedStyle(document.body).backgroundColor };
    };
    requestAnimationFrame(look);
  });
  await page.reload();
  await page.getByRole('radio', { name: 'Dark', checked: true }).waitFor();
  assert.deepEqual(await page.evaluate(() => window.first), { isProgramThere: false, ground: dark });

  await page.getByRole('radio', { name: 'As the system' }).check();
  assert.equal(await ground(), light);
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.equal(await ground(), dark, 'the page follows the system');
  await page.reload();
  await page.getByRole('radio', { name: 'As the system', checked: true }).waitFor();
  assert.equal(await ground(), dark);
});

scenario('single keys lead to places, but not while something is written', async (stage) => {
  const { page } = await stage.open(await stage.start('serve'));
  const { keyboard } = page;
  const help = page.getByRole('dialog', { name: 'Keyboard shortcuts' });

  await keyboard.press('d');
  const panel = page.getByRole('region', { name: 'Trigger dump' });
  assert.ok(await panel.evaluate((region) => document.activeElement.contains(region)), 'd leads to the dump panel');

  const asked = page.waitForRequest((request) => request.url().endsWith('/api/ui/guests'));
  await keyboard.press('r');
  await asked;

  await keyboard.press('/');
  const search = page.getByRole('search').getByRole('searchbox');
  assert.ok(await hasFocus(search), '/ leads to the search');
  assert.equal(await search.inputValue(), '');
  await page.getByRole('main').focus();

  await keyboard.press('?');
  await help.waitFor();
  for (const key of ['/', 'r', 'd', '?']) await help.getByText(key, { exact: true }).waitFor();
  await keyboard.press('d');
  assert.ok(await help.evaluate((dialog) => dialog.contains(document.activeElement)), 'a dialog keeps the focus');
  await keyboard.press('Escape');
  await help.waitFor({ state: 'hidden' });

  await page.getByText('Case and note').click();
  const note = page.getByRole('textbox', { name: 'Note' });
  await note.focus();
  await keyboard.type('dr?/');
  assert.equal(await note.inputValue(), 'dr?/');
  assert.ok(await hasFocus(note));
  assert.equal(await help.count(), 0);

  await page.getByRole('main').focus();
  await keyboard.press('Alt+d');
  assert.ok(await hasFocus(page.getByRole('main')), 'keys of the browser are left to it');
});

scenario('nothing moves while the page loads', async (stage) => {
  const { page } = await stage.open(await stage.start('serve'));
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) {
        window.shifts.push({ value, of: sources.map(({ node }) => node?.className ?? node?.nodeName) });
      }
    }).observe({ type: 'layout-shift', buffered: true });
  });
  for (const width of [1280, 800, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await page.reload();
    await page.getByRole('checkbox', { name: /^web-01/ }).waitFor();
    await eventually(async () => assert.equal(await page.getByRole('banner').getByRole('status').innerText(), 'Live'));
    const shifts = await page.evaluate(() => window.shifts);
    const sum = shifts.reduce((sum, { value }) => sum + value, 0);
    assert.ok(sum < 0.05, `at ${width} px: ${JSON.stringify(shifts)}`);
  }
});
