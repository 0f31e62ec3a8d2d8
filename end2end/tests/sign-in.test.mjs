// Signing in where a token is set: on the way to a page, out again, and when a session ends under an open page.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { standsStill, violations } from '../support/accessibility.mjs';
import { SERVER_AWAY } from '../support/browser-tab.mjs';
import { eventually } from '../support/eventually.mjs';
import { scenario } from '../support/scenario.mjs';

const TOKEN = 'a token of some length';
const WISHED = '/memory-dumps?rows=50';

// The sign-in page as operators and screen readers find their way in it.
class SignInPage {
  constructor({ page }) {
    this.page = page;
    this.heading = page.getByRole('heading', { name: 'Sign in' });
    this.token = page.getByLabel('Token');
    this.problem = page.getByRole('alert');
  }

  async send(token) {
    await this.token.fill(token);
    await this.page.keyboard.press('Enter');
  }
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    scenario(`an operator signs in and out in ${colorScheme} at ${width} px`, async (stage) => {
      const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
      const opened = await stage.open(dashboard, { path: WISHED, withGuests: false, colorScheme, width });
      const { page } = opened;
      const signIn = new SignInPage(opened);
      await signIn.heading.waitFor();
      assert.equal(new URL(page.url()).pathname, '/sign-in');
      assert.ok(await signIn.token.evaluate((field) => field === document.activeElement), 'the field has the focus');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
      assert.deepEqual(await violations(page), []);
      await page.screenshot({ path: join(process.env.SCREENS_DIR, `sign-in-${colorScheme}-${width}.png`) });

      opened.tab.expectComplaints(/^response: 401 .*\/sign-in/, /^console: .*\b401\b.*\/sign-in/);
      await signIn.send('not the token at all');
      assert.equal(await signIn.problem.innerText(), 'That is not the token of this memdeck.');
      assert.deepEqual(await violations(page), []);

      await signIn.send(TOKEN);
      await opened.isReady();
      assert.equal(page.url(), dashboard.url + WISHED);
      await page.reload();
      await opened.isReady();
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
      // Beside the way out the switch of the theme has its room.
      const squeezed = await page.locator('.navbar .segments').evaluateAll((switches) =>
        switches.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).length);
      assert.equal(squeezed, 0);
      assert.equal(await page.evaluate(() => document.cookie), '', 'scripts do not see the session');

      // The stream of events is open, and is broken off.
      opened.tab.expectComplaints(/^request: .*\/api\/events/, /^console: .*ERR_.*\/api\/events/);
      // On a narrow screen the way out is in the menu.
      const menu = page.getByRole('button', { name: 'Menu' });
      if (await menu.isVisible()) await menu.click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await signIn.heading.waitFor();
      await page.goBack();
      await signIn.heading.waitFor();
      assert.equal(await opened.guests.count(), 0, 'nothing of the page is shown again');
    });
  }
}

scenario('a restart ends no session; one that somebody ends is told on the open page, and signing in leads back', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const opened = await stage.open(dashboard, { path: WISHED, withGuests: false });
  await new SignInPage(opened).send(TOKEN);
  await opened.isReady();

  opened.tab.expectComplaints(...SERVER_AWAY, /^request: /, /^response: 401 /, /^console: .*\b401\b/);
  await dashboard.stop();
  const again = await stage.startAgain(dashboard);
  await eventually(async () => assert.equal(await opened.connection.innerText(), 'Live'));
  const headers = { authorization: `Bearer ${TOKEN}` };
  const [session] = await (await fetch(`${again.url}/api/sessions`, { headers })).json();
  const ended = await fetch(`${again.url}/api/sessions/${session.id}`, { method: 'DELETE', headers });
  assert.equal(ended.status, 204);
  await opened.alert('Your session has ended.').waitFor();
  assert.ok((await opened.guests.count()) > 0, 'what was there stays');
  await standsStill(opened.page);
  assert.deepEqual(await violations(opened.page), []);

  await opened.page.getByRole('button', { name: 'Sign in again' }).click();
  await new SignInPage(opened).send(TOKEN);
  await opened.isReady();
  assert.equal(opened.page.url(), again.url + WISHED);
});

scenario('a link on another site leads signed-in operators to the page and others to the sign-in', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const opened = await stage.open(dashboard, { withGuests: false });
  const signIn = new SignInPage(opened);
  // Another site for the browser: it holds back the cookie when its link is followed.
  const elsewhere = dashboard.url.replace('127.0.0.1', 'localhost');
  const followLink = async () => {
    await opened.page.goto(`${elsewhere}/sign-in`);
    await opened.page.evaluate((url) => {
      const link = document.createElement('a');
      link.href = url;
      document.body.append(link);
      link.click();
    }, dashboard.url + WISHED);
  };

  opened.tab.expectComplaints(/^response: 401 /, /^console: .*\b401\b/, /^request: /);
  await followLink();
  await eventually(() => assert.match(opened.page.url(), /^http:\/\/127\.0\.0\.1:\d+\/sign-in\?next=/));
  await signIn.send(TOKEN);
  await opened.isReady();
  await followLink();
  await opened.isReady();
  assert.equal(opened.page.url(), dashboard.url + WISHED);
});

scenario('where no token is set, nobody is asked to sign in or can sign out', async (stage) => {
  const dashboard = await stage.start('serve');
  const opened = await stage.open(dashboard, { path: '/sign-in', withGuests: false });
  await opened.page.getByRole('heading', { name: 'Main Gauges' }).waitFor();
  assert.equal(new URL(opened.page.url()).pathname, '/');
  assert.equal(await opened.page.getByRole('button', { name: 'Sign out' }).count(), 0);
});

scenario('a printed link signs the browser in and leaves no trace in the address or the history', async (stage) => {
  const dashboard = await stage.start('serve', { MEMDECK_TOKEN: TOKEN });
  const child = dashboard.home.spawn(['sign-in-link'], { MEMDECK_TOKEN: TOKEN });
  let link = '';
  child.stdout.on('data', (chunk) => (link += chunk));
  assert.equal(await child.ended, 0);
  assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/sign-in#code=[\w-]{43}\n$/);
  const opened = await stage.open({ url: link.trim() }, { path: '', withGuests: false });
  await opened.page.getByRole('heading', { name: 'Main Gauges' }).waitFor();
  assert.equal(new URL(opened.page.url()).pathname, '/');
  await opened.page.goBack();
  assert.ok(!opened.page.url().includes('code='), opened.page.url());

  const other = await stage.open({ url: link.trim() }, { path: '', withGuests: false });
  other.tab.expectComplaints(/^response: 401 .*\/sign-in/, /^console: .*\b401\b.*\/sign-in/);
  await other.page.getByText('This link was used already or is older than five minutes.').waitFor();
});
