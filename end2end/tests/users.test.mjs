// Users: an administrator makes an operator and an analyst, and each may do their part and not the other's.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { controlsTooSmall, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { scenario } from '../support/scenario.mjs';

const TOKEN = 'a token of some length';
const PASSWORD = 'correct horse battery';

async function open(stage, dashboard, how) {
  return stage.open(dashboard, { path: '/users', withGuests: false, ...how });
}

async function signInWithToken(page) {
  const apart = page.getByText('Sign in with the token of this memdeck');
  if (await apart.isVisible()) await apart.click();
  await page.getByLabel('Token').fill(TOKEN);
  await page.keyboard.press('Enter');
}

async function signIn(page, name, password = PASSWORD) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  // Whoever signed out comes back at the first page.
  await page.waitForURL((url) => !url.pathname.endsWith('/sign-in'));
  await page.goto(new URL('/users', page.url()).href);
  await page.getByRole('heading', { name: 'Your account' }).waitFor();
}

async function add(page, name, role, group = '') {
  await page.getByRole('button', { name: 'Add an account…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add an account' });
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Role').selectOption(role);
  await dialog.getByLabel('Sees and touches').selectOption(group);
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Add the account' }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) }).waitFor();
}

// What the page itself would get.
const asks = (page, path, body) =>
  page.evaluate(
    async ([url, json]) => {
      const headers = { 'Content-Type': 'application/json' };
      const answer = await fetch(url, json === null ? {} : { method: 'POST', headers, body: json });
      const isJson = answer.headers.get('content-type')?.startsWith('application/json');
      if (!isJson) await answer.body?.cancel();
      return { status: answer.status, told: isJson ? await answer.json() : null };
    },
    [path, body === undefined ? null : JSON.stringify(body)],
  );

scenario('an administrator makes an operator, who dumps and reads nothing, and an analyst, who reads and dumps nothing', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const { page, tab } = await open(stage, dashboard);
  tab.expectComplaints(/^response: 403 /, /^console: .*\b403\b/, /^response: 401 /, /^console: .*\b401\b/, /^request: /, /ERR_/);
  // A dump has no record yet while it is asked for, and going to another address cuts off what is being loaded.
  tab.expectComplaints(/^response: 404 .*\/api\/memory-dumps\//, /^console: .*\b404\b/, /^(console|uncaught): TypeError: (Failed to fetch|WebAssembly compilation aborted)/);
  await signInWithToken(page);
  await page.getByText('There are no accounts yet: whoever is let in may do everything').waitFor();
  await add(page, 'olga', 'operator');
  await add(page, 'anton', 'analyst');
  await page.getByText('You are the administrator').waitFor();
  assert.deepEqual(await violations(page), []);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, 'olga');
  await page.getByText('You are signed in as olga, operator').waitFor();
  assert.equal(await page.getByRole('heading', { name: 'Accounts' }).count(), 0);
  const asked = await asks(page, 'api/memory-dumps/trigger', { vms: ['web-01'] });
  assert.equal(asked.status, 200);
  const dumpId = asked.told.dumps[0].dump_id;
  const ended = async () => (await asks(page, `api/memory-dumps/${dumpId}`)).status;
  await eventually(async () => assert.equal(await ended(), 200));
  const refused = await asks(page, `api/memory-dumps/${dumpId}/image`);
  assert.equal(refused.status, 403);
  assert.match(refused.told.detail, /you may not download or export images/);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, 'anton');
  assert.equal((await asks(page, `api/memory-dumps/${dumpId}/image`)).status, 200);
  assert.equal((await asks(page, 'api/memory-dumps/trigger', { vms: ['web-01'] })).status, 403);
  const { told: record } = await asks(page, `api/memory-dumps/${dumpId}`);
  assert.deepEqual(record.requested_by, { kind: 'user', name: 'olga' });
});

scenario('who is in a group sees its guests and nothing of others, until the group is taken from them', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const { page, tab } = await open(stage, dashboard);
  tab.expectComplaints(/^response: 4(01|03|09) /, /^console: .*\b4(01|03|09)\b/, /^request: /, /ERR_/);
  await signInWithToken(page);
  await page.getByRole('button', { name: 'Add a group…' }).click();
  const made = page.getByRole('dialog', { name: 'Add a group' });
  await made.getByLabel('Name').fill('blue');
  await made.getByLabel('Guests').fill('web-*\n/x');
  await made.getByRole('button', { name: 'Add the group' }).click();
  await made.getByText('“/x”').waitFor();
  await made.getByLabel('Guests').fill('web-*\nno-such-guest');
  await made.getByRole('button', { name: 'Add the group' }).click();
  await made.waitFor({ state: 'hidden' });
  await add(page, 'vera', 'viewer', 'blue');
  const groups = page.getByRole('table', { name: 'Groups' });
  await groups.getByRole('row', { name: 'blue web-*, no-such-guest vera' }).waitFor();
  await page.getByRole('table', { name: 'Accounts' }).getByRole('cell', { name: 'of blue' }).waitFor();
  assert.deepEqual(await violations(page), []);

  // Without it she would see everything.
  const removeGroup = async () => {
    await page.getByRole('button', { name: 'Actions for the group blue' }).click();
    await page.getByRole('menuitem', { name: 'Remove…' }).click();
    const question = page.getByRole('dialog', { name: 'Remove the group blue?' });
    await question.getByRole('button', { name: 'Remove the group' }).click();
    return question;
  };
  const refused = await removeGroup();
  await refused.getByText('vera would see every guest without the group blue').waitFor();
  await refused.getByRole('button', { name: 'Keep the group' }).click();

  await page.getByRole('button', { name: 'Sign out' }).click();
  await signIn(page, 'vera');
  await page.getByText('You see these guests and what is about them, and no others: web-*, no-such-guest.').waitFor();
  await page.getByRole('link', { name: 'VMs' }).click();
  await page.getByRole('heading', { name: 'web-01' }).waitFor();
  assert.equal(await page.getByText('db-01').count(), 0);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.goto(`${dashboard.url}/users`);
  await signInWithToken(page);
  await page.getByRole('button', { name: 'Actions for vera' }).click();
  await page.getByRole('menuitem', { name: 'Change the group…' }).click();
  const regrouped = page.getByRole('dialog', { name: 'Change the group of vera' });
  assert.equal(await regrouped.getByLabel('Sees and touches').inputValue(), 'blue');
  await regrouped.getByLabel('Sees and touches').selectOption('');
  await regrouped.getByRole('button', { name: 'Change the group' }).click();
  await regrouped.waitFor({ state: 'hidden' });
  await removeGroup();
  await page.getByText('There is no group: every account sees every guest.').waitFor();
});

scenario('somebody whose account is disabled is signed out, and a token is shown once', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const { page, tab } = await open(stage, dashboard);
  tab.expectComplaints(/^response: 401 /, /^console: .*\b401\b/, /^request: /, /ERR_/);
  await signInWithToken(page);
  await add(page, 'eve', 'viewer');
  await page.getByRole('button', { name: 'Actions for eve' }).click();
  await page.getByRole('menuitem', { name: 'Disable…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Disable the account eve?' });
  await dialog.getByText('eve is signed out everywhere').waitFor();
  await dialog.getByRole('button', { name: 'Disable the account' }).click();
  await page.getByText('Disabled', { exact: true }).waitFor();

  await page.getByRole('button', { name: 'Make a token…' }).click();
  const form = page.getByRole('dialog', { name: 'Make an API token' });
  await form.getByLabel('Name').fill('nightly');
  await form.getByLabel('Ends in days').fill('30');
  await form.getByRole('button', { name: 'Make the token' }).click();
  const token = await page.locator('.user-token code').innerText();
  assert.match(token, /^mdk_[\w-]{43}$/);
  const answer = await fetch(`${dashboard.url}/api/me`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await answer.json()).name, 'nightly');
  await page.getByRole('button', { name: 'I have put it away' }).click();
  await page.reload();
  await page.getByRole('rowheader', { name: 'nightly' }).waitFor();
  assert.ok(!(await page.content()).includes(token));
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    scenario(`the users are told in ${colorScheme} at ${width} px`, async (stage) => {
      const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
      const { page } = await open(stage, dashboard, { colorScheme, width });
      await signInWithToken(page);
      await add(page, 'olga', 'operator');
      await page.getByText('Last used').first().waitFor({ state: 'attached' });
      assert.deepEqual(await wideElements({ page }), []);
      assert.deepEqual(await violations(page), []);
      if (width < 640) assert.deepEqual(await controlsTooSmall(page), []);
      await page.screenshot({ path: join(process.env.SCREENS_DIR, `users-${colorScheme}-${width}.png`), fullPage: true });
    });
  }
}
