// The dashboard below a path of somebody else's site.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { NginxBelowPath } from '../support/nginx.mjs';
import { ProxyBelowPath } from '../support/proxy.mjs';
import { scenario } from '../support/scenario.mjs';

const TOKEN = 'a token of some length';
const OURS = '/ops/memdeck';
const DECLARED = { MEMDECK_BEHIND_PROXY: '127.0.0.1' };

// What memdeck is told, the path, and the proxy that shows it there.
const ARRANGEMENTS = {
  'a proxy that leaves the path, which is configured': [
    { MEMDECK_BASE_PATH: OURS }, OURS, (url) => ProxyBelowPath.start(url, OURS, { takesOff: false }),
  ],
  'a declared proxy that takes the path off and says so': [
    DECLARED, OURS, (url) => ProxyBelowPath.start(url, OURS, { takesOff: true }),
  ],
  'nginx as the guide configures it': [DECLARED, '/memdeck', (url) => NginxBelowPath.start(url, '/memdeck')],
};

for (const [arrangement, [variables, PATH, startProxy]] of Object.entries(ARRANGEMENTS)) {
  scenario(`everything works below a path, with ${arrangement}`, async (stage) => {
    const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN, ...variables });
    const proxy = await startProxy(dashboard.url);
    stage.defer(() => proxy.stop());
    const opened = await stage.open(proxy, { path: '/memory-dumps', withGuests: false });
    const { page, tab } = opened;
    const origin = new URL(proxy.url).origin;
    const here = () => page.url().slice(origin.length);

    assert.equal(here(), `${PATH}/sign-in?next=%2Fmemory-dumps`);
    await page.getByLabel('Token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await opened.isReady();
    assert.equal(here(), `${PATH}/memory-dumps`);

    await opened.guest('web-01').check();
    await opened.dumpSelected.click();
    await opened.rowsOf('web-01').waitFor();
    const details = await opened.detailsLinkOf('web-01').evaluate(({ href }) => new URL(href).pathname);
    assert.equal(details, `${PATH}/memory-dumps`, 'also in another tab');
    await opened.detailsLinkOf('web-01').click();
    await opened.group('Hashes').waitFor();
    assert.ok(here().startsWith(`${PATH}/memory-dumps?dump=`), here());
    const links = opened.details.getByRole('link');
    await links.first().waitFor();
    const hrefs = await links.evaluateAll((links) => links.map(({ href }) => new URL(href).pathname));
    const leads = (to) => (href) => href.startsWith(PATH + to);
    const targets = ['/api/memory-dumps/', '/compare', '/inside', '/hunt'];
    assert.ok(hrefs.every((href) => targets.some((to) => leads(to)(href))), `${hrefs}`);
    for (const to of targets) assert.ok(hrefs.some(leads(to)), `${hrefs}`);
    await page.reload();
    await opened.group('Hashes').waitFor();
    await page.keyboard.press('Escape');
    await eventually(() => assert.equal(here(), `${PATH}/memory-dumps`));

    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export CSV' }).click();
    assert.equal(new URL((await download).url()).pathname, `${PATH}/api/memory-dumps/export.csv`);

    await opened.sortBy('VM name');
    await eventually(() => assert.equal(here(), `${PATH}/memory-dumps?sort=dom`));
    await page.goBack();
    const link = page.getByRole('link', { name: 'Memory Dumps' });
    assert.equal(await link.getAttribute('aria-current'), 'page');
    for (const [name, at] of [['VMs', '/vms'], ['Telemetry', '/telemetry']]) {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
      await page.getByRole('heading', { name, level: 1 }).waitFor();
      assert.equal(here(), PATH + at);
    }
    await page.getByRole('link', { name: 'memdeck', exact: true }).click();
    await page.getByRole('heading', { name: 'Main Gauges' }).waitFor();
    const start = page.getByRole('link', { name: 'Main Gauges' });
    assert.equal(await start.getAttribute('aria-current'), 'page');
    await eventually(() => assert.match(here().slice(PATH.length), /^\/\?guest=[0-9a-f-]{36}$/));

    tab.expectComplaints(/^response: 404 .*\/nope$/, /^console: .*404.*\/nope/, /^request: .*\/api\/events/);
    await page.goto(`${proxy.url}/nope`);
    await page.getByRole('main').getByRole('link', { name: 'Go to Main Gauges' }).click();
    await page.getByRole('heading', { name: 'Main Gauges' }).waitFor();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(here(), `${PATH}/sign-in`);
    assert.deepEqual(await proxy.astray(), [], 'nothing is asked for outside of the path');
  });
}
