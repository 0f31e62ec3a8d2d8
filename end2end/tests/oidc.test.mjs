// Signing in at a certified provider of OpenID Connect, on another site, in a browser.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { violations } from '../support/accessibility.mjs';
import { OidcProvider } from '../support/oidc-provider.mjs';
import { scenario } from '../support/scenario.mjs';

const TOKEN = 'a token of some length';
const WISHED = '/memory-dumps?rows=50';
const PEOPLE = { ada: ['ops', 'staff'], grace: ['soc'], eve: ['staff'] };

async function started(stage, further) {
  const provider = await OidcProvider.start(PEOPLE);
  stage.defer(() => provider.stop());
  const roles = { OIDC_ROLES: 'ops=operator, soc=analyst' };
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN, ...provider.settings, ...roles });
  provider.serve(dashboard.url, further);
  return { provider, dashboard };
}

// What a page says that leads elsewhere while something is being loaded, and whoever is not signed in. The provider has no icon.
function expectLeaving(tab) {
  tab.expectComplaints(/favicon\.ico$/, /^response: 40[13] /, /^console: .*\b40[13]\b/, /^request: /, /ERR_/, /^(console|uncaught): TypeError: Failed to fetch/);
}

async function signInAtProvider(page, name) {
  await page.getByPlaceholder('Enter any login').fill(name);
  await page.getByPlaceholder('and password').fill('x');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

const button = (page) => page.getByRole('link', { name: 'Sign in with the house' });
const me = (page) => page.evaluate(async () => (await fetch('/api/me')).json());

for (const [colorScheme, width] of [['light', 1280], ['dark', 390]]) {
  scenario(`somebody signs in at the provider and out in ${colorScheme} at ${width} px`, async (stage) => {
    const { dashboard } = await started(stage);
    const opened = await stage.open(dashboard, { path: WISHED, withGuests: false, colorScheme, width });
    const { page, tab } = opened;
    expectLeaving(tab);
    await button(page).waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
    assert.deepEqual(await violations(page), []);
    await page.screenshot({ path: join(process.env.SCREENS_DIR, `sign-in-provider-${colorScheme}-${width}.png`) });

    await button(page).click();
    await signInAtProvider(page, 'ada');
    await opened.isReady();
    assert.equal(page.url(), dashboard.url + WISHED, 'the page that was wanted');
    assert.equal(await page.evaluate(() => document.cookie), '', 'scripts see neither cookie');
    const { name, role, elsewhere } = await me(page);
    assert.deepEqual({ name, role, elsewhere }, { name: 'ada', role: 'operator', elsewhere: true });

    await page.goto(`${dashboard.url}/users`);
    await page.getByText('You are signed in as ada, operator').waitFor();
    await page.getByRole('rowheader', { name: 'ada (this one)' }).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Change your password…' }).count(), 0);

    const menu = page.getByRole('button', { name: 'Menu' });
    if (await menu.isVisible()) await menu.click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await button(page).waitFor();
    await page.goto(`${dashboard.url}/users`);
    assert.equal(new URL(page.url()).pathname, '/sign-in', 'the session is over');

    // Whom the provider knows still, it asks nothing.
    await button(page).click();
    await page.waitForURL(`${dashboard.url}/users`);
    await page.getByText('You are signed in as ada, operator').waitFor();
    const entries = await fetch(`${dashboard.url}/api/audit?action=sign_in`, { headers: { authorization: `Bearer ${TOKEN}` } });
    const [latest] = (await entries.json()).entries;
    assert.deepEqual(latest.actor, { kind: 'user', name: 'ada' });
    assert.match(latest.details.value, /^by http:\/\/localhost:\d+, as ada$/);
  });
}

scenario('who is in no group with a role is told so, and who gives up at the provider, too', async (stage) => {
  const { dashboard } = await started(stage);
  const { page, tab } = await stage.open(dashboard, { path: '/sign-in', withGuests: false });
  expectLeaving(tab);
  await button(page).click();
  await page.getByRole('link', { name: 'Cancel' }).click();
  await page.getByText('The provider the house refused the sign-in (access_denied).').waitFor();
  assert.deepEqual(await violations(page), []);

  await button(page).click();
  await signInAtProvider(page, 'eve');
  await page.getByText('You signed in as eve, who may do nothing here: ask an administrator').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByText('Sign in with the token of this memdeck').click();
  await page.getByLabel('Token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
});

scenario('groups are found in the token of identity, too', async (stage) => {
  const { dashboard } = await started(stage, { conformIdTokenClaims: false });
  const { page, tab } = await stage.open(dashboard, { path: '/sign-in', withGuests: false });
  expectLeaving(tab);
  await button(page).click();
  await signInAtProvider(page, 'grace');
  await page.waitForURL((url) => url.origin === dashboard.url && !url.pathname.startsWith('/sign-in'));
  assert.equal((await me(page)).role, 'analyst');
});
