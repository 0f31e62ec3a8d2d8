// Hosts: how each stands, which one takes new dumps, and what becomes of one that goes away.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { DumpService } from '../support/dump-service.mjs';
import { eventually } from '../support/eventually.mjs';
import { startFleet } from '../support/fleet.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// The interval in which an absent host is looked for, and some time for everything else.
const BACK_WITHIN_MS = 2_500;

async function open(stage, hosts, how) {
  const dashboard = await startFleet(stage, hosts);
  const { page, tab } = await stage.open(dashboard, { path: '/hosts', withGuests: false, ...how });
  const row = (name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
  const cell = (name, column) => row(name).locator(`[data-label="${column}"]`);
  return { dashboard, page, tab, row, cell };
}

const twoAgents = async (stage) => [await stage.start('agent'), await stage.start('agent')];

scenario('a host goes away and comes back, and the page says so in words while the other one is used', async (stage) => {
  const [first, second] = await twoAgents(stage);
  const hosts = [
    { name: 'kvm-01', url: first.url },
    { name: 'kvm-02', url: second.url },
  ];
  const { dashboard, page, tab, row, cell } = await open(stage, hosts);
  const state = (name) => cell(name, 'State');
  for (const name of ['kvm-01', 'kvm-02']) await state(name).getByText('Reachable').waitFor();
  await page.getByText('2 hosts: 2 can be used.').waitFor();
  const { hosts: told } = await dashboard.get('/api/hosts');
  assert.equal(await cell('kvm-01', 'Version').innerText(), told[0].version);
  assert.equal(await cell('kvm-01', 'VMs').innerText(), `${told[0].running_guests} of ${told[0].guests} run`);
  assert.equal(await cell('kvm-01', 'Dumps').innerText(), 'none');
  assert.match(await cell('kvm-01', 'Free space').innerText(), /^[\d.]+ [GT]iB$/);
  assert.equal(await cell('kvm-01', 'Clock').innerText(), 'the same');

  await second.stop();
  await state('kvm-02').getByText('Away').waitFor();
  await state('kvm-02').getByText(/^since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(/).waitFor();
  await state('kvm-02').getByText(/Check that the machine is up/).waitFor();
  assert.match(await cell('kvm-02', 'VMs').innerText(), /^last known \d+$/);
  await page.getByText('2 hosts: 1 can be used, 1 cannot be used.').waitFor();
  assert.ok(await state('kvm-01').getByText('Reachable').isVisible());
  await row('kvm-02').getByRole('button', { name: 'Test kvm-02' }).click();
  await state('kvm-02').getByText(/^Tested at [\d:]+: it cannot be used\. /).waitFor();
  await row('kvm-01').getByRole('button', { name: 'Test kvm-01' }).click();
  await state('kvm-01').getByText(/^Tested at [\d:]+: it answered after \d+ ms\.$/).waitFor();

  await stage.startAgain(second);
  const back = Date.now();
  await state('kvm-02').getByText('Reachable').waitFor();
  assert.ok(Date.now() - back < BACK_WITHIN_MS, `the page was right after ${Date.now() - back} ms`);
  await tab.assertNotReloaded();
});

scenario('a host is drained after its consequence was read, takes no dumps then, and is undrained', async (stage) => {
  const [first, second] = await twoAgents(stage);
  const hosts = [
    { name: 'kvm-01', url: first.url },
    { name: 'kvm-02', url: second.url },
  ];
  const { dashboard, page, row, cell } = await open(stage, hosts);
  await cell('kvm-01', 'State').getByText('Reachable').waitFor();
  const drain = row('kvm-01').getByRole('button', { name: 'Drain kvm-01…' });
  const dialog = page.getByRole('dialog', { name: 'Drain kvm-01?' });
  const ask = () =>
    fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ vms: ['kvm-01/web-01'], mode: 'frozen' }),
    });

  await drain.click();
  await dialog.getByText(/^kvm-01 takes no new dumps through this dashboard/).waitFor();
  await dialog.getByText(/No dump waits or runs there now/).waitFor();
  assert.ok(await hasFocus(dialog.getByRole('button', { name: 'Leave it as it is' })), 'the harmless button has the focus');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.equal((await dashboard.get('/api/hosts')).hosts[0].draining, false);

  await drain.click();
  await dialog.getByRole('button', { name: 'Drain kvm-01' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await cell('kvm-01', 'State').getByText('Drained').waitFor();
  await page.getByText('2 hosts: 1 can be used, 1 takes no new dumps.').waitFor();
  const refused = await ask();
  assert.equal(refused.status, 409, await refused.text());

  await row('kvm-01').getByRole('button', { name: 'Undrain kvm-01…' }).click();
  const undrain = page.getByRole('dialog', { name: 'Undrain kvm-01?' });
  await undrain.getByText(/takes new dumps again/).waitFor();
  await undrain.getByRole('button', { name: 'Undrain kvm-01' }).click();
  await cell('kvm-01', 'State').getByText('Reachable').waitFor();
  assert.equal((await ask()).status, 200);
});

scenario('a host is added on the page, is one at once, and is removed after its consequence was read', async (stage) => {
  const token = 'a token of some length';
  const agent = await stage.start('agent', { MEMDECK_TOKEN: token });
  const dashboard = await stage.start('serve');
  const { page, tab } = await stage.open(dashboard, { path: '/hosts', withGuests: false });
  const row = (name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });
  await row('local').getByText('Reachable').waitFor();
  assert.equal(await row('local').getByRole('button', { name: /^Remove/ }).count(), 0, 'it was not added');

  await page.getByRole('button', { name: 'Add a host…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a host' });
  const add = dialog.getByRole('button', { name: 'Add the host' });
  await dialog.getByLabel('Name').fill('kvm/02');
  await dialog.getByLabel('URL').fill(agent.url);
  await add.click();
  await dialog.getByText(/A host's name has 1 to 63 letters/).waitFor();
  tab.expectComplaints(/^response: 409 /, /^console: .*\b409\b/);
  await dialog.getByLabel('Name').fill('Local');
  await add.click();
  await dialog.getByText(/Another host has this name: local/).waitFor();
  await dialog.getByLabel('Name').fill('kvm-02');
  await dialog.getByLabel('Token').fill(token);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(await mislabelledControls(page), []);
  await page.setViewportSize({ width: 390, height: 844 });
  assert.deepEqual(await controlsTooSmall(page), []);
  assert.deepEqual(await wideElements(tab), []);
  await page.setViewportSize({ width: 1280, height: 900 });
  await dialog.getByLabel('Token').press('Enter');
  await dialog.waitFor({ state: 'hidden' });
  await row('kvm-02').getByText('Reachable').waitFor();
  await page.getByText('2 hosts: 2 can be used.').waitFor();
  const { hosts } = await dashboard.get('/api/hosts');
  assert.deepEqual(hosts.map(({ name, added }) => [name, added]), [['local', false], ['kvm-02', true]]);
  await page.getByRole('button', { name: 'Add a host…' }).click();
  assert.equal(await dialog.getByLabel('Token').inputValue(), '', 'it is forgotten');
  await page.keyboard.press('Escape');

  await row('kvm-02').getByRole('button', { name: 'Remove kvm-02…' }).click();
  const question = page.getByRole('dialog', { name: 'Remove kvm-02?' });
  await question.getByText(/is none of the hosts any more/).waitFor();
  await question.getByRole('button', { name: 'Remove kvm-02' }).click();
  await question.waitFor({ state: 'hidden' });
  await row('kvm-02').waitFor({ state: 'detached' });
  assert.equal((await dashboard.get('/api/hosts')).count, 1);
  await tab.assertNotReloaded();
});

scenario('what is wrong with a host is told apart, and what a service with three calls cannot do is listed', async (stage) => {
  const lab = await DumpService.start(null, null);
  stage.defer(() => lab.stop());
  const locked = await stage.start('agent', { MEMDECK_TOKEN: 'a token of some length' });
  const elsewhere = await DumpService.start([], [], {}, () => 'hello');
  stage.defer(() => elsewhere.stop());
  const { cell, row } = await open(stage, [
    { name: 'lab', url: lab.url },
    { name: 'locked', url: locked.url, token: 'another token' },
    { name: 'other', url: elsewhere.url },
  ]);
  const state = (name) => cell(name, 'State');
  await state('lab').getByText('Reachable').waitFor();
  await state('locked').getByText('Wrong token').waitFor();
  await state('locked').getByText(/Set token or token_file/).waitFor();
  await state('other').getByText('Wrong answers').waitFor();
  assert.equal(await cell('locked', 'Last answer').innerText(), 'never');

  await state('lab').getByText('Only takes and reports dumps').click();
  await state('lab').getByText('Its dumps cannot be cancelled from here.').waitFor();
  assert.equal(await row('lab').getByRole('listitem').count(), 10);
  for (const column of ['Version', 'VMs', 'Free space']) assert.match(await cell('lab', column).innerText(), /unknown$/);
  assert.equal(await row('locked').getByRole('listitem').count(), 0, 'of one that never answered nothing is known');
});

scenario('VMs stand together by host where that is asked for, and the address keeps it', async (stage) => {
  const [first, second] = await twoAgents(stage);
  const hosts = [
    { name: 'kvm-01', url: first.url },
    { name: 'kvm-02', url: second.url },
  ];
  const dashboard = await startFleet(stage, hosts);
  const { page, tab } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  // A dashboard measures no guests of other machines.
  tab.expectComplaints(/^response: 503 .*\/api\/ui\/collector$/, /^console: .*\b503\b.*\/api\/ui\/collector$/);
  const groups = page.locator('.vms-group');
  const heads = () => groups.locator('h2.vms-host').allInnerTexts();
  // The two agents have the same guests.
  await eventually(async () => assert.ok((await page.getByRole('article').count()) >= 4));
  assert.deepEqual(await heads(), []);
  await page.getByRole('switch', { name: 'Group by host' }).click();
  await eventually(async () => assert.deepEqual((await heads()).map((head) => head.split(' ')[0]), ['kvm-01', 'kvm-02']));
  const cards = await groups.first().getByRole('article').count();
  assert.ok(cards >= 2);
  assert.match((await heads())[0], new RegExp(`^kvm-01 ${cards} VMs$`));
  assert.equal(new URL(page.url()).searchParams.get('group'), 'host');
  await page.reload();
  await eventually(async () => assert.equal((await heads()).length, 2));
  await page.getByRole('searchbox').fill('kvm-02');
  await eventually(async () => assert.deepEqual((await heads()).map((head) => head.split(' ')[0]), ['kvm-02']));
});

scenario('where only this machine is configured the page says how to add a host', async (stage) => {
  const { page } = await stage.open(await stage.start('serve'), { path: '/memory-dumps' });
  const pages = page.getByRole('navigation', { name: 'Pages' });
  const manage = pages.getByRole('button', { name: 'Manage' });
  const link = pages.getByRole('link', { name: 'Hosts' });
  assert.ok(!(await link.isVisible()));
  await manage.click();
  await page.keyboard.press('Escape');
  await link.waitFor({ state: 'hidden' });
  assert.ok(await hasFocus(manage), 'the focus returns to the button');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.ok(await hasFocus(link), 'the list follows its button');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Hosts', level: 1 }).waitFor();
  await link.waitFor({ state: 'hidden' });

  await page.getByText('1 host: 1 can be used.').waitFor();
  await page.getByRole('rowheader', { name: 'local this machine' }).waitFor();
  await page.getByText('There is one host.', { exact: false }).waitFor();
  assert.ok(await page.getByText('url = "local"', { exact: false }).first().isVisible());

  await page.setViewportSize({ width: 390, height: 844 });
  await page.getByRole('button', { name: 'Menu' }).click();
  await link.waitFor();
  assert.ok(!(await manage.isVisible()), 'in the menu of a narrow screen its pages are there without another button');
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`hosts fit a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const agent = await stage.start('agent');
    const lab = await DumpService.start(null, null);
    stage.defer(() => lab.stop());
    const hosts = [
      { name: 'kvm-01', url: agent.url },
      { name: 'a-host-with-a-name-as-long-as-names-may-be.datacenter-7.example', url: lab.url },
      { name: 'gone', url: 'http://127.0.0.1:9' },
    ];
    const { page, cell } = await open(stage, hosts, { colorScheme });
    await cell('kvm-01', 'State').getByText('Reachable').waitFor();
    await cell('gone', 'State').getByText('Away').waitFor();
    for (const width of [1280, 1000, 800, 390, 360]) {
      await page.setViewportSize({ width, height: 900 });
      await eventually(async () => assert.deepEqual(await wideElements({ page }), [], `wider than it may be at ${width} px`));
      assert.deepEqual(await violations(page), [], `at ${width} px`);
      assert.deepEqual(await mislabelledControls(page), [], `at ${width} px`);
    }
    assert.deepEqual(await controlsTooSmall(page), []);
  });
}
