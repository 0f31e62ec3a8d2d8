// What operators do, in the engines of other browsers than Chromium, desks and phones.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { Cable } from '../support/cable.mjs';
import { ENGINES } from '../support/engines.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { HELD_AT_HALF, HELD_UNTIL_CANCELLED, scenario } from '../support/scenario.mjs';

// Each page, and what changes on it once a second or so while guests run.
const PAGES = {
  'Main Gauges': () => [...document.querySelectorAll('.sparkline-line')].map((line) => line.getAttribute('d')).join(),
  VMs: () => [...document.querySelectorAll('article.vm')].map((card) => card.innerText).join(),
  Telemetry: () =>
    [...document.querySelectorAll('dt')].find(({ textContent }) => textContent === 'Collections')?.nextElementSibling.innerText,
  'Resource Monitoring': () => document.querySelector('.chart-readout')?.innerText,
};

// Waits until `read`, called in the page, has told so many different things.
async function changes(driver, read, times = 4) {
  const seen = new Set();
  await eventually(async () => {
    seen.add((await driver.run(read)) ?? '');
    seen.delete('');
    assert.ok(seen.size >= times, `only this was seen: ${[...seen]}`);
  });
}

const goTo = async (driver, page) => {
  await driver.click('.navbar-pages a', page);
  await driver.waitFor('h1', page);
};
// For people to look at.
const keepScreenshot = (tab, engine, page, width) =>
  tab.screenshot(join(process.env.SCREENS_DIR, `${engine}-${page}-${width}.png`.replaceAll(' ', '-').toLowerCase()));
const record = (guest) => [`.records tbody .record-name`, guest];

for (const engine of Object.keys(ENGINES)) {
  scenario(`${engine}: all five pages load, and follow what happens without a touch`, async (stage) => {
    const dashboard = await stage.start('serve');
    const tab = await stage.drive(engine, dashboard, '/');
    const { driver } = tab;
    console.log(driver.version);
    for (const [page, read] of Object.entries(PAGES)) {
      await goTo(driver, page);
      await changes(driver, read);
      await driver.waitFor('header [role=status]', 'Live');
      await keepScreenshot(tab, engine, page, 1280);
    }
    const isDrawn = () => {
      const canvas = document.querySelector('.chart-card canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value) => value > 0);
    };
    assert.ok(await driver.run(isDrawn), 'the chart has a line');

    await goTo(driver, 'Memory Dumps');
    await driver.waitFor('.guest-name', 'web-01');
    await dashboard.home.dump('web-01');
    await driver.waitFor(...record('web-01'));
    await keepScreenshot(tab, engine, 'Memory Dumps', 1280);
    await tab.assertNotReloaded();
  });

  scenario(`${engine}: a guest is chosen on its card, dumped before the operator's eyes, and found with its hash`, async (stage) => {
    const dashboard = await stage.start('serve', HELD_AT_HALF);
    const tab = await stage.drive(engine, dashboard, '/vms');
    const { driver } = tab;
    await driver.click('a[aria-label="Dump web-01…"]');
    const chosen = () =>
      [...document.querySelectorAll('label.guest')].filter((label) => label.control.checked).map((label) => label.innerText.trim());
    await eventually(async () => assert.match((await driver.run(chosen)).join(), /^web-01\s[^,]*$/));
    await driver.run(() => {
      window.progress = [];
      const look = () => {
        const bar = document.querySelector('progress[aria-label="Dump of web-01"]');
        if (bar && window.progress.at(-1) !== bar.value) window.progress.push(bar.value);
        requestAnimationFrame(look);
      };
      look();
    });
    await driver.click('button', 'Dump selected');
    await driver.waitFor(...record('web-01'));
    const progress = await driver.run(() => window.progress);
    assert.ok(progress.some((value) => value > 0 && value < 100), `progress did not move: ${progress}`);
    const [{ sha256 }] = await dashboard.records();
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.ok((await driver.text('.records tbody tr')).includes(sha256.slice(0, 16)));
    await tab.assertNotReloaded();
  });

  scenario(`${engine}: a dump is cancelled, and dialogs, menus and themes work`, async (stage) => {
    const home = await stage.home();
    const { dump_id: id, sha256 } = await home.dump('web-01');
    const dashboard = await stage.start('serve', HELD_UNTIL_CANCELLED, home);
    const tab = await stage.drive(engine, dashboard, '/memory-dumps');
    const { driver } = tab;
    await driver.click('label.guest', 'db-01');
    await driver.click('button', 'Dump selected');
    await driver.click('button[aria-label="Cancel the dump of db-01"]');
    await driver.click('button[aria-label="Cancel dump of db-01"]');
    await driver.waitFor('.job .badge', 'cancelled');
    const focused = () => driver.run(() => document.activeElement.innerText);

    await driver.click('button', 'Dump all running guests');
    await driver.waitFor('dialog[open]', 'Dump all running guests?');
    assert.ok(await driver.run(() => document.querySelector('dialog[open]').matches(':modal')));
    await driver.press('Escape');
    await driver.waitUntilGone('dialog[open]');
    await eventually(async () => assert.match(await focused(), /^Dump all running guests/));

    await driver.click('button[aria-label="Actions for web-01"]');
    await driver.waitFor('[role=menuitem]');
    await driver.press('Escape');
    await driver.waitUntilGone('[role=menuitem]');
    await driver.click('a[aria-label="Details of web-01"]');
    await eventually(async () => assert.ok((await driver.text('dialog[open]')).includes(sha256)));
    assert.equal(new URL(await driver.url()).search, `?dump=${id}`);
    await driver.back();
    await driver.waitUntilGone('dialog[open]');

    const background = () => driver.run(() => getComputedStyle(document.body).backgroundColor);
    await driver.click('label[title=Light]');
    const light = await background();
    await driver.click('label[title=Dark]');
    await eventually(async () => assert.notEqual(await background(), light));
    await tab.assertNotReloaded();
  });

  scenario(`${engine}: as wide as a phone, no page is scrolled sideways`, async (stage) => {
    const dashboard = await stage.start('serve');
    await dashboard.home.dump('web-01');
    const tab = await stage.drive(engine, dashboard, '/', { isPhone: true });
    const { driver } = tab;
    assert.equal(await driver.run(() => window.innerWidth), 360);
    for (const [page, something] of Object.entries({
      'Main Gauges': '.dial-number',
      VMs: 'article.vm',
      Telemetry: '[role=row], tr',
      'Resource Monitoring': '.chart-card canvas',
      'Memory Dumps': '.records tbody tr',
    })) {
      await driver.click('button[aria-label=Menu]');
      await goTo(driver, page);
      await driver.waitFor(something);
      await keepScreenshot(tab, engine, page, 360);
      const wide = await wideElements(tab);
      assert.deepEqual(wide.filter((element) => !/^DIV\.(tablist|table-scroll)/.test(element)), [], page);
    }
  });

  scenario(`${engine}: two windows share one stream of events`, async (stage) => {
    const dashboard = await stage.start('serve');
    const cable = await Cable.to(dashboard.url);
    stage.defer(() => cable.cut());
    const { driver } = await stage.drive(engine, cable, '/memory-dumps');
    await driver.waitFor('header [role=status]', 'Live');
    const first = await driver.tab();
    await driver.openWindow();
    await driver.goTo(`${cable.url}/memory-dumps`);
    await driver.waitFor('header [role=status]', 'Live');
    await eventually(() => assert.equal(cable.openStreams, 1));
    await dashboard.home.dump('web-01');
    await driver.waitFor(...record('web-01'));
    await driver.closeTab();
    await driver.turnTo(first);
    await driver.waitFor(...record('web-01'));
  });
}
