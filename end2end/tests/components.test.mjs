// Every component in every state, as the page /ui of development builds shows them.

import assert from 'node:assert/strict';

import { standsStill, violations } from '../support/accessibility.mjs';
import { eventually } from '../support/eventually.mjs';
import { wideElements } from '../support/layout.mjs';
import { hasFocus } from '../support/memory-dumps-page.mjs';
import { scenario } from '../support/scenario.mjs';

// The page /ui in a tab.
async function openComponents(stage, how) {
  const { page } = await stage.open(await stage.start('serve'), { path: '/ui', withGuests: false, ...how });
  await page.getByRole('heading', { name: 'Components' }).waitFor();
  return page;
}

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    scenario(`the components are accessible in ${colorScheme} at ${width} px`, async (stage) => {
      const page = await openComponents(stage, { colorScheme, width });
      assert.deepEqual(await wideElements({ page }), []);
      for (const kind of ['Success', 'Info', 'Warning', 'Error']) {
        await page.getByRole('button', { name: kind, exact: true }).click();
      }
      await page.getByRole('button', { name: 'Actions for web-01' }).click();
      await standsStill(page);
      assert.deepEqual(await violations(page), []);
      await page.keyboard.press('Escape');

      await page.getByRole('button', { name: 'Open one that asks' }).click();
      await page.getByRole('dialog').waitFor();
      await standsStill(page);
      assert.deepEqual(await violations(page), []);
    });
  }
}

scenario('a dialog closes in every way there is, and gives the focus back', async (stage) => {
  const page = await openComponents(stage);
  const opener = page.getByRole('button', { name: 'Open one that asks' });
  const dialog = page.getByRole('dialog', { name: 'Delete the image of web-01?' });
  const ways = {
    Esc: () => page.keyboard.press('Escape'),
    'a press outside': () => page.mouse.click(5, 5),
    'the corner': () => dialog.getByRole('button', { name: 'Close' }).click(),
    'the harmless button': () => dialog.getByRole('button', { name: 'Keep it' }).click(),
  };
  for (const [way, close] of Object.entries(ways)) {
    await opener.click();
    await dialog.waitFor();
    assert.ok(await hasFocus(dialog.getByRole('button', { name: 'Keep it' })), 'the harmless button has the focus');
    await close();
    await dialog.waitFor({ state: 'hidden' });
    assert.ok(await hasFocus(opener), `the focus returns after ${way}`);
  }
  // A text that is selected to beyond the edge is no press outside.
  await opener.click();
  const { x, y } = await dialog.boundingBox();
  await page.mouse.move(x + 40, y + 90);
  await page.mouse.down();
  await page.mouse.move(5, 5);
  await page.mouse.up();
  assert.ok(await dialog.isVisible());
});

scenario('a success goes by itself, an error and what the pointer is on stay', async (stage) => {
  const page = await openComponents(stage);
  const notifications = page.getByRole('region', { name: 'Notifications' });
  const show = (kind) => page.getByRole('button', { name: kind, exact: true }).click();
  await show('Error');
  await show('Success');
  await show('Info');
  const error = notifications.getByText('The dump of web-01 failed: the guest is gone');
  const held = notifications.getByText('web-01 was dumped and hashed.');
  const passing = notifications.getByText('memdeck was updated');
  await held.hover();
  await passing.waitFor({ state: 'hidden' });
  assert.ok(await held.isVisible(), 'what the pointer is on stays');
  assert.ok(await error.isVisible(), 'an error stays longer');
  await page.mouse.move(5, 5);
  await held.waitFor({ state: 'hidden' });

  await notifications.getByRole('button', { name: 'Dismiss this notification' }).first().click();
  await error.waitFor({ state: 'hidden' });
});

scenario('errors interrupt a screen reader, successes wait for it', async (stage) => {
  const page = await openComponents(stage);
  const notifications = page.getByRole('region', { name: 'Notifications' });
  await page.getByRole('button', { name: 'Error', exact: true }).click();
  await page.getByRole('button', { name: 'Success', exact: true }).click();
  await notifications.getByRole('alert').getByText('The dump of web-01 failed: the guest is gone').waitFor();
  await notifications.getByRole('status').getByText('web-01 was dumped and hashed.').waitFor();
});

scenario('a menu is used with the arrow keys', async (stage) => {
  const page = await openComponents(stage);
  const opener = page.getByRole('button', { name: 'Actions for web-01' });
  const item = (name) => page.getByRole('menuitem', { name });
  await opener.focus();
  await page.keyboard.press('ArrowDown');
  await eventually(async () => assert.ok(await hasFocus(item('Verify now'))));
  await page.keyboard.press('ArrowUp');
  assert.ok(await hasFocus(item('Delete…')), 'before the first comes the last');
  await page.keyboard.press('Escape');
  await item('Delete…').waitFor({ state: 'detached' });
  assert.ok(await hasFocus(opener));

  await page.keyboard.press('Enter');
  await eventually(async () => assert.ok(await hasFocus(item('Verify now'))));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByText('Chosen: download').waitFor();
  assert.ok(await hasFocus(opener));
});

scenario('tabs are changed with the arrow keys', async (stage) => {
  const page = await openComponents(stage);
  await page.getByRole('tab', { name: 'Guest' }).focus();
  await page.keyboard.press('ArrowRight');
  assert.ok(await hasFocus(page.getByRole('tab', { name: 'Capture', selected: true })));
  await page.getByRole('tabpanel', { name: 'Capture' }).getByText('stopped for 13 ms').waitFor();
  await page.keyboard.press('End');
  await page.getByRole('tabpanel', { name: 'File' }).getByText('zstd').waitFor();
});

scenario('a button that cannot be used keeps the focus, says why and does nothing', async (stage) => {
  const page = await openComponents(stage);
  const disabled = page.locator('[aria-disabled="true"]:not([aria-busy])', { hasText: 'Primary' });
  await disabled.focus();
  await page.keyboard.press('Enter');
  assert.ok(await hasFocus(disabled));
  await page.getByText('Pressed 0 times').waitFor();
  await page.getByRole('button', { name: 'Primary' }).first().click();
  await page.getByText('Pressed 1 times').waitFor();
});

scenario('a tooltip is there for the keyboard too, and goes with Esc', async (stage) => {
  const page = await openComponents(stage);
  const tooltip = page.getByRole('tooltip');
  await page.getByRole('button', { name: 'Verify now' }).focus();
  await tooltip.waitFor();
  await page.keyboard.press('Escape');
  await tooltip.waitFor({ state: 'hidden' });
});
