// Notifications: targets and rules made on the page, real deliveries, and what became of them.

import assert from 'node:assert/strict';

import { controlsTooSmall, mislabelledControls, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { Receiver, signatureOf } from '../support/receiver.mjs';
import { scenario } from '../support/scenario.mjs';

const SECRET = 'a secret of some length';

async function open(stage, how) {
  const dashboard = await stage.start('serve');
  const receiver = await Receiver.start();
  stage.defer(() => receiver.stop());
  const { page, tab } = await stage.open(dashboard, { path: '/notifications', withGuests: false, ...how });
  await page.getByText('No targets').waitFor();
  return { dashboard, page, receiver, tab };
}

async function addWebhook(page, url, name = 'ops') {
  await page.getByRole('button', { name: 'Add a target…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a target' });
  await dialog.getByText('The URL is missing.').waitFor();
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('URL').fill(url);
  await dialog.getByLabel('Signing secret').fill(SECRET);
  await dialog.getByRole('button', { name: 'Add the target' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

async function addRule(page, kind) {
  await page.getByRole('button', { name: 'Add a rule…' }).click();
  const dialog = page.getByRole('dialog', { name: 'What is told' });
  await dialog.getByLabel(kind).check();
  await dialog.getByRole('button', { name: 'Add the rule' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

const dump = (dashboard, vm) =>
  fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ vms: [vm] }),
  });

scenario('a target and a rule are made and tried, and what happens arrives signed', async (stage) => {
  const { dashboard, page, receiver, tab } = await open(stage);
  const rule = page.getByRole('button', { name: 'Add a rule…' });
  assert.equal(await rule.getAttribute('aria-disabled'), 'true');
  await addWebhook(page, receiver.url);
  await page.getByText(`Webhook: ${new URL(receiver.url).origin}`).waitFor();
  assert.ok(!(await page.content()).includes(SECRET), 'it is never shown again');
  assert.ok(!(await page.content()).includes('/hook'), 'nor is the URL');

  await page.getByRole('button', { name: 'Test ops' }).click();
  await page.getByText(/took the message, in /).waitFor();
  assert.equal(receiver.got.length, 1);
  assert.equal(JSON.parse(receiver.got[0].body).type, 'test');

  await addRule(page, 'Dump failed');
  await page.getByText('Dump failed → ops').waitFor();
  await dump(dashboard, 'no-such-guest');
  await eventually(async () => assert.equal(receiver.got.length, 2));
  for (const message of receiver.got) {
    assert.equal(message.headers['webhook-signature'], signatureOf(message, SECRET));
  }
  assert.equal(JSON.parse(receiver.got[1].body).type, 'dump_failed');
  const row = page.getByRole('table', { name: 'Messages to targets' }).locator('tbody tr').first();
  await row.getByText('Delivered').waitFor();
  assert.match(await row.innerText(), /no-such-guest/);

  const { entries } = await dashboard.get('/api/audit?limit=50');
  const did = entries.filter(({ result }) => result === 'succeeded').map(({ action }) => action);
  for (const action of ['notification_target_added', 'notification_tested', 'notification_rule_added']) {
    assert.ok(did.includes(action), action);
  }
  assert.ok(!JSON.stringify(entries).includes(SECRET));
  await tab.assertNotReloaded();
});

scenario('what a receiver refuses is tried again, given up, and sent again when somebody asks', async (stage) => {
  const { dashboard, page, receiver } = await open(stage);
  await addWebhook(page, receiver.url);
  await addRule(page, 'Dump failed');
  receiver.status = 400;
  await page.getByRole('button', { name: 'Test ops' }).click();
  await page.getByText('Not delivered').waitFor();

  await dump(dashboard, 'no-such-guest');
  const table = page.getByRole('table', { name: 'Messages to targets' });
  const row = table.locator('tbody tr').first();
  await row.getByText('Tried again').waitFor();
  assert.match(await row.innerText(), /(Once: |times, the last time: )http:.*400/);
  await row.getByText('Given up').waitFor({ timeout: 60_000 });
  assert.match(await row.innerText(), /4 times, the last time: http:.*400/);
  await page.getByText('1 given up').waitFor();

  const filter = page.getByLabel('Messages', { exact: true });
  await filter.selectOption({ label: 'Delivered' });
  await page.getByText('No such messages').waitFor();
  await page.getByRole('button', { name: 'Show all messages' }).click();
  receiver.status = 204;
  const before = receiver.got.length;
  await row.getByRole('button', { name: /^Send again to ops/ }).click();
  await row.getByText('Delivered').waitFor();
  const ids = receiver.got.slice(1).map(({ headers }) => headers['webhook-id']);
  assert.equal(receiver.got.length, before + 1);
  assert.equal(new Set(ids).size, 1, 'always under the same id');
});

scenario('a target is changed without its secret, and removed with what follows said first', async (stage) => {
  const { dashboard, page, receiver } = await open(stage);
  const other = await Receiver.start();
  stage.defer(() => other.stop());
  await addWebhook(page, receiver.url);
  await addRule(page, 'Host away');
  await page.getByRole('button', { name: 'Edit ops' }).click();
  const dialog = page.getByRole('dialog', { name: 'Change ops' });
  assert.equal(await dialog.getByLabel('URL').inputValue(), '');
  assert.equal(await dialog.getByLabel('Signing secret').inputValue(), '');
  await dialog.getByLabel('URL').fill(other.url);
  await dialog.getByRole('button', { name: 'Keep the changes' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByText(`Webhook: ${new URL(other.url).origin}`).waitFor();
  await page.getByRole('button', { name: 'Test ops' }).click();
  await page.getByText(/took the message, in /).waitFor();
  assert.equal(receiver.got.length, 0);
  assert.equal(other.got[0].headers['webhook-signature'], signatureOf(other.got[0], SECRET), 'the secret stayed');

  await page.getByRole('button', { name: 'Remove ops' }).click();
  const question = page.getByRole('dialog', { name: 'Remove ops?' });
  await question.getByText(/Its rule goes with it\./).waitFor();
  await eventually(async () => assert.equal(await page.locator(':focus').innerText(), 'Keep it'));
  await page.keyboard.press('Escape');
  await question.waitFor({ state: 'hidden' });
  assert.equal((await dashboard.get('/api/notifications/targets')).count, 1);
  await page.getByRole('button', { name: 'Remove ops' }).click();
  await question.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('No targets').waitFor();
  assert.equal((await dashboard.get('/api/notifications/rules')).count, 0);
});

scenario('targets of each kind are added with the keyboard', async (stage) => {
  const { dashboard, page, receiver } = await open(stage);
  const kinds = {
    'E-mail': { 'Mail server': '127.0.0.1', Sender: 'memdeck@x.example', 'Who gets it': 'ops@x.example, b@x.example' },
    Slack: { URL: receiver.url },
    'Microsoft Teams': { URL: receiver.url },
    'JSON of your own shape': { URL: receiver.url, Template: '{"say": "{{title}}"}' },
  };
  for (const [kind, fields] of Object.entries(kinds)) {
    await page.getByRole('button', { name: 'Add a target…' }).press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Add a target' });
    await dialog.getByLabel('Name').fill(kind.slice(0, 4).trim().toLowerCase());
    await dialog.getByLabel('Kind').selectOption({ label: kind });
    for (const [field, value] of Object.entries(fields)) await dialog.getByLabel(field, { exact: true }).fill(value);
    await dialog.getByRole('button', { name: 'Add the target' }).press('Enter');
    await dialog.waitFor({ state: 'hidden' });
  }
  const { targets } = await dashboard.get('/api/notifications/targets');
  assert.deepEqual(targets.map(({ kind }) => kind).sort(), ['email', 'json', 'slack', 'teams']);
  await page.getByRole('button', { name: 'Test json' }).press('Enter');
  await eventually(async () => assert.equal(receiver.got.length, 1));
  assert.deepEqual(Object.keys(JSON.parse(receiver.got[0].body)), ['say']);
});

for (const colorScheme of ['light', 'dark']) {
  scenario(`notifications fit a phone and can be read by everybody (${colorScheme})`, async (stage) => {
    const { dashboard, page, receiver } = await open(stage, { colorScheme });
    await addWebhook(page, receiver.url);
    await addRule(page, 'Dump failed');
    receiver.status = 500;
    await dump(dashboard, 'no-such-guest');
    const row = page.getByRole('table', { name: 'Messages to targets' }).locator('tbody tr').first();
    await row.getByText('Tried again').waitFor();
    const fits = async (what) => {
      for (const width of [1280, 800, 390, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await eventually(async () => assert.deepEqual(await wideElements({ page }), [], `${what}: too wide at ${width} px`));
        assert.deepEqual(await violations(page), [], `${what} at ${width} px`);
        assert.deepEqual(await mislabelledControls(page), [], `${what} at ${width} px`);
      }
    };
    await fits('the page');
    assert.deepEqual(await controlsTooSmall(page), []);
    await page.getByRole('button', { name: 'Add a target…' }).click();
    await page.getByRole('dialog').getByLabel('Kind').selectOption({ label: 'E-mail' });
    await fits('a target');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Add a rule…' }).click();
    await fits('a rule');
  });
}
