// A day in the life: accounts of a group, a schedule on a clock that is moved by hand, retention, a webhook, mail, a download,
// and an audit that tells all of it.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { MailServer } from '../support/mail-server.mjs';
import { MovableClock } from '../support/movable-clock.mjs';
import { Receiver, signatureOf } from '../support/receiver.mjs';
import { scenario } from '../support/scenario.mjs';

const TOKEN = 'a token of some length';
const PASSWORD = 'correct horse battery';
const SECRET = 'a secret of some length';

async function signInWithToken(page) {
  const apart = page.getByText('Sign in with the token of this memdeck');
  if (await apart.isVisible()) await apart.click();
  await page.getByLabel('Token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.endsWith('/sign-in'));
}

async function signIn(page, name) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.endsWith('/sign-in'));
}

const goTo = async (page, path, name) => {
  await page.goto(new URL(path, page.url()).href);
  await page.locator('main').getByRole('heading', { name, level: 1 }).waitFor();
};

async function addAccount(page, name, role) {
  await page.getByRole('button', { name: 'Add an account…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add an account' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Role').selectOption(role);
  await dialog.getByLabel('Sees and touches').selectOption('web');
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Add the account' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

// A target of notifications, its fields by their labels, and a rule that it is told everything.
async function tellEverything(page, name, kind, fields) {
  await page.getByRole('button', { name: 'Add a target…' }).click();
  const target = page.getByRole('dialog', { name: 'Add a target' });
  await target.getByLabel('Name', { exact: true }).fill(name);
  await target.getByLabel('Kind').selectOption(kind);
  for (const [label, value] of Object.entries(fields)) await target.getByLabel(label).fill(value);
  await target.getByRole('button', { name: 'Add the target' }).click();
  await target.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Add a rule…' }).click();
  const told = page.getByRole('dialog', { name: 'What is told' });
  await told.getByLabel('Target').selectOption(name);
  await told.getByRole('button', { name: 'Add the rule' }).click();
  await told.waitFor({ state: 'hidden' });
}

// What a script with the token reads.
async function read(dashboard, path) {
  const answer = await fetch(dashboard.url + path, { headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
}

const records = async (dashboard) => (await read(dashboard, '/api/memory-dumps/records')).records;

scenario('an admin, an operator and an analyst of one group do their work, and the audit tells all of it', async (stage) => {
  const clock = await MovableClock.create();
  stage.defer(() => clock.remove());
  // However slow the machine is, no hour passes by itself.
  await clock.toNextHour(300);
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN, ...clock.variables });
  const [receiver, mail] = [await Receiver.start(), await MailServer.start()];
  stage.defer(() => receiver.stop());
  stage.defer(() => mail.stop());
  const opened = () => stage.open(dashboard, { path: '/users', withGuests: false });
  const leaves = [/^(request|response: 40[134])/, /^console: .*(\b40[134]\b|ERR_)/, /^(console|uncaught): TypeError: (Failed to fetch|WebAssembly)/];

  const { page: admin, tab } = await opened();
  tab.expectComplaints(...leaves);
  await signInWithToken(admin);
  await goTo(admin, '/users', 'Users');
  await admin.getByRole('button', { name: 'Add a group…' }).click();
  const group = admin.getByRole('dialog', { name: 'Add a group' });
  await group.getByLabel('Name').fill('web');
  await group.getByLabel('Guests').fill('web-*');
  await group.getByRole('button', { name: 'Add the group' }).click();
  await group.waitFor({ state: 'hidden' });
  await addAccount(admin, 'olga', 'operator');
  await addAccount(admin, 'anton', 'analyst');

  await goTo(admin, '/notifications', 'Notifications');
  await tellEverything(admin, 'ops', 'webhook', { URL: receiver.url, 'Signing secret': SECRET });
  await tellEverything(admin, 'duty', 'email', {
    'Mail server': 'localhost',
    Port: String(mail.port),
    Sender: 'memdeck@x.example',
    'Who gets it': 'duty@x.example',
    'Certificates of authorities, PEM': mail.certificate,
  });

  await goTo(admin, '/schedules', 'Schedules');
  await admin.getByRole('button', { name: 'New schedule…' }).click();
  const editor = admin.getByRole('dialog', { name: 'New schedule' });
  await editor.getByLabel('Name', { exact: true }).fill('hourly');
  await editor.getByLabel('How often').selectOption('hour');
  await editor.getByLabel('Minute of the hour').fill('0');
  await editor.getByLabel('Which').selectOption('named');
  await editor.getByLabel('Names').fill('web-01');
  await editor.getByLabel('Mode').selectOption('frozen');
  await editor.getByLabel('Case').fill('IR-2026-17');
  await editor.getByRole('button', { name: 'Save' }).click();
  await editor.waitFor({ state: 'hidden' });

  await goTo(admin, '/retention', 'Retention');
  await admin.getByRole('button', { name: 'Add a rule…' }).click();
  const rule = admin.getByRole('dialog', { name: 'A rule of retention' });
  await rule.getByLabel('Newest images').fill('1');
  await rule.getByRole('button', { name: 'Put into the preview' }).click();
  await admin.getByRole('button', { name: 'Save the rules…' }).click();
  const question = admin.getByRole('dialog', { name: 'Keep these rules?' });
  await question.getByRole('button', { name: 'Keep the rules' }).click();
  await question.waitFor({ state: 'hidden' });

  // Two hours pass.
  for (const count of [1, 2]) {
    await clock.toNextHour();
    await eventually(async () => {
      const { runs } = await read(dashboard, '/api/schedules/hourly/runs');
      assert.equal(runs.filter(({ state, guests }) => state === 'done' && guests.completed === 1).length, count);
    });
    assert.equal((await records(dashboard)).length, count);
  }

  // The operator dumps a guest of the group, and cannot even name one of others.
  const { page: olga, tab: tabOfOlga } = await opened();
  tabOfOlga.expectComplaints(...leaves);
  await signIn(olga, 'olga');
  const trigger = (page, guest) =>
    page.evaluate(async (name) => {
      const body = JSON.stringify({ vms: [name], mode: 'frozen', case: 'IR-2026-17' });
      const headers = { 'content-type': 'application/json' };
      return (await fetch('/api/memory-dumps/trigger', { method: 'POST', headers, body })).status;
    }, guest);
  assert.equal(await trigger(olga, 'db-01'), 404);
  assert.equal(await trigger(olga, 'web-01'), 200);
  await eventually(async () => assert.equal((await records(dashboard)).length, 3));

  // A dump that fails is told by webhook and by mail.
  assert.equal(await trigger(admin, 'no-such-guest'), 200);
  await eventually(async () => assert.deepEqual([receiver.got.length, mail.got.length], [1, 1]));
  assert.equal(JSON.parse(receiver.got[0].body).type, 'dump_failed');
  assert.equal(receiver.got[0].headers['webhook-signature'], signatureOf(receiver.got[0], SECRET));
  assert.deepEqual(mail.got[0].to, ['duty@x.example']);
  assert.match(mail.got[0].letter, /no-such-guest/);

  // Retention leaves the newest one.
  const kept = async () => (await records(dashboard)).filter(({ deleted_at: gone }) => !gone);
  await eventually(async () => assert.equal((await kept()).length, 1));
  const [dump] = await kept();
  assert.equal(dump.case, 'IR-2026-17');

  // The operator downloads nothing; the analyst does.
  const image = `/memory-dumps?dump=${dump.dump_id}`;
  await goTo(olga, image, 'Memory Dumps');
  await olga.getByText('Your role downloads no images.').waitFor();
  const { page: anton, tab: tabOfAnton } = await opened();
  tabOfAnton.expectComplaints(...leaves);
  await signIn(anton, 'anton');
  await goTo(anton, image, 'Memory Dumps');
  const [file] = await Promise.all([
    anton.waitForEvent('download'),
    anton.getByRole('region', { name: 'Download', exact: true }).getByRole('link', { name: /^Stored file/ }).click(),
  ]);
  await file.path();

  await goTo(admin, '/audit', 'Audit');
  const story = [
    { action: 'group_added', object: 'web' },
    { action: 'user_added', object: 'olga' },
    { action: 'user_added', object: 'anton' },
    { action: 'notification_target_added', object: 'ops' },
    { action: 'notification_rule_added', object: 'ops' },
    { action: 'notification_target_added', object: 'duty' },
    { action: 'notification_rule_added', object: 'duty' },
    { action: 'schedule_added', object: 'hourly' },
    { action: 'policy_changed' },
    { action: 'dump_requested', actor: 'hourly' },
    { action: 'sign_in', actor: 'olga' },
    { action: 'dump_requested', actor: 'olga' },
    { action: 'dump_ended' },
    { action: 'image_deleted' },
    { action: 'sign_in', actor: 'anton' },
    { action: 'image_downloaded', actor: 'anton' },
  ];
  await eventually(async () => {
    const { entries } = await read(dashboard, '/api/audit?limit=200');
    for (const { action, actor, object } of story) {
      const is = (entry) =>
        entry.action === action &&
        entry.result === 'succeeded' &&
        (!actor || entry.actor.name === actor) &&
        (!object || entry.object.name === object);
      assert.ok(entries.some(is), `${action} by ${actor ?? 'anybody'} of ${object ?? 'anything'}`);
    }
    const failed = entries.filter(({ action, result }) => action === 'dump_ended' && result === 'failed');
    assert.equal(failed.length, 1);
  });
  await admin.getByRole('row').filter({ hasText: 'Image downloaded' }).filter({ hasText: 'anton' }).first().waitFor();
  await admin.getByRole('button', { name: 'Check the audit' }).click();
  await admin.getByText(/The audit is intact: /).waitFor();
});
