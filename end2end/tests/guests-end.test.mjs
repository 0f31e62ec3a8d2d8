// Guests that are restarted or vanish while the pages of telemetry show them.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { ensureNoGuest, restartGuest, startGuest, stopGuest } from '../support/lab.mjs';
import { scenario } from '../support/scenario.mjs';
import { domstats } from '../support/virsh.mjs';

const PASSING = 'e2e-02';
// Beyond what a guest with one vCPU and one disk can do, the threads of QEMU included.
const MOST_PERCENT = 400;
const MOST_MIB_PER_SECOND = 10_000;

// A guest that runs, and a dashboard that measures it.
async function measured(stage) {
  await ensureNoGuest(PASSING);
  stage.defer(() => ensureNoGuest(PASSING));
  await startGuest(PASSING, 128);
  const dashboard = await stage.start('serve');
  const { uuid } = await eventually(async () => {
    const guest = (await dashboard.runningGuests()).find(({ name }) => name === PASSING);
    assert.ok(guest, `${PASSING} is not listed`);
    return guest;
  });
  return { dashboard, uuid };
}

// Begins to note every text that `selector` shows from now on; a call of what it gives tells them.
async function watch(page, selector) {
  const seen = await page.evaluateHandle((selector) => {
    const seen = [];
    const look = () => {
      for (const element of document.querySelectorAll(selector)) {
        const text = element.innerText;
        if (!seen.includes(text)) seen.push(text);
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
    return seen;
  }, selector);
  return () => seen.jsonValue();
}

// Every number with its unit in a text, but for changes of a percentage, which go both ways.
const figures = (text) =>
  [...text.matchAll(/([−-]?[\d,]+(?:\.\d+)?)\s+(%(?!\/s)|MiB\/s|requests\/s)/g)].map(([, value, unit]) => [
    Number(value.replaceAll(',', '').replace('−', '-')),
    unit,
  ]);

function assertSane(texts) {
  const absurd = texts.flatMap((text) => figures(text).map(([value, unit]) => ({ value, unit, text }))).filter(
    ({ value, unit }) => value < 0 || value > (unit === '%' ? MOST_PERCENT : MOST_MIB_PER_SECOND),
  );
  assert.deepEqual(absurd, []);
}

scenario('a guest that is restarted while it is shown gives no negative and no absurd number', async (stage) => {
  const { dashboard, uuid } = await measured(stage);
  const options = { withGuests: false };
  const gauges = await stage.open(dashboard, { path: `/?guest=${uuid}`, ...options });
  const charts = await stage.openBeside(gauges, dashboard, { path: `/resource-monitoring?guest=${uuid}&range=5m&table=cputime` });
  const cards = await stage.openBeside(gauges, dashboard, { path: '/vms' });
  const card = cards.page.getByRole('article', { name: PASSING });
  const numbers = charts.page.getByRole('table', { name: 'Numbers of CPU time' }).locator('tbody').getByRole('row');
  const counts = async () =>
    (await numbers.allInnerTexts()).map((row) => Number(row.split(/\s*\t\s*/).at(-1).replaceAll(',', '')));
  await eventually(async () => assert.match(await card.innerText(), /CPU\s+\d+\.\d %/));
  const seenOfCard = await watch(cards.page, 'article.vm');
  await gauges.page.getByRole('article', { name: 'CPU user time' }).waitFor();
  const seenOfGauges = await watch(gauges.page, '.dial');
  await eventually(async () => assert.ok((await counts()).length >= 3));
  const before = await domstats(PASSING);

  await restartGuest(PASSING);
  await eventually(async () => {
    const all = await counts();
    // Newest first: the counter went back and on.
    const anew = all.findIndex((count, index) => index + 1 < all.length && count < all[index + 1]);
    assert.ok(anew >= 2, `${all.slice(0, 6)} and before ${before.cputime}`);
  });
  await eventually(async () => assert.match(await card.innerText(), /CPU\s+\d+\.\d %/));
  await eventually(async () =>
    assert.match(await gauges.page.getByRole('article', { name: 'CPU user time' }).innerText(), /\d % of a vCPU/));
  const texts = [...(await seenOfCard()), ...(await seenOfGauges()), ...(await numbers.allInnerTexts())];
  assert.ok(texts.length > 10, `only ${texts.length} texts were seen`);
  assertSane(texts);
  assertSane(await charts.page.locator('.chart-summary').allInnerTexts());
});

scenario('a guest that vanishes while it is shown is told as gone, and what was measured stays', async (stage) => {
  const { dashboard, uuid } = await measured(stage);
  const gauges = await stage.open(dashboard, { path: `/?guest=${uuid}`, withGuests: false });
  const charts = await stage.openBeside(gauges, dashboard, { path: `/resource-monitoring?guest=${uuid}&range=5m` });
  const cards = await stage.openBeside(gauges, dashboard, { path: '/vms' });
  const telemetry = await stage.openBeside(gauges, dashboard, { path: '/telemetry' });
  const card = cards.page.getByRole('article', { name: PASSING });
  const row = telemetry.page.getByRole('table', { name: 'Monitored guests' }).getByRole('row', { name: new RegExp(`^${PASSING}`) });
  const summary = charts.page.getByRole('region', { name: 'CPU time', exact: true }).locator('.chart-summary');
  await gauges.page.locator('.guest-line').getByText(PASSING).waitFor();
  await eventually(async () => assert.match(await summary.innerText(), /^Last /));
  await card.waitFor();
  await row.waitFor();

  await stopGuest(PASSING);
  await gauges.page.getByText('This VM no longer exists').waitFor();
  await charts.page.getByRole('status').filter({ hasText: 'The hypervisor no longer knows this guest.' }).waitFor();
  assert.match(await summary.innerText(), /^Last /, 'what was measured is there still');
  await card.waitFor({ state: 'detached' });
  await row.waitFor({ state: 'detached' });

  // The pages go on with another guest.
  await gauges.page.getByLabel('VM', { exact: true }).selectOption('web-01');
  await gauges.page.locator('.guest-line').getByText('web-01').waitFor();
  await gauges.page.getByText('This VM no longer exists').waitFor({ state: 'detached' });
  await eventually(async () =>
    assert.match(await gauges.page.getByRole('article', { name: 'Memory RSS' }).innerText(), /\d MiB/));
});
