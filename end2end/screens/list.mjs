// The screens that are kept in docs/screens, in the order in which they are taken.
//
// A screen is a name, the world it belongs to, and how the page gets there. Every look of it becomes the file
// NAME-COLOURS-WIDTH.png.
//
//   looks     those of LOOKS that it is taken in
//   path      what is opened, `/memory-dumps` otherwise
//   ready     waits until the page is there
//   begin     what happens when the pages of all looks are open: given the world and the pages
//   show      what is then done in each page
//   clip      a part of the page instead of what is in view: a locator
//   whole     the page from its top to its end instead of what is in view

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { hunt, trigger } from './worlds.mjs';

export const LOOKS = {
  'light-1280': { colorScheme: 'light', width: 1280, height: 900 },
  'dark-1280': { colorScheme: 'dark', width: 1280, height: 900 },
  'light-390': { colorScheme: 'light', width: 390, height: 844 },
  'dark-390': { colorScheme: 'dark', width: 390, height: 844 },
};
const ALL = Object.keys(LOOKS);
const BOTH_WIDTHS = ['light-1280', 'dark-390'];
const PHONE = ['light-390', 'dark-390'];

const ready = (page) => page.isReady();
const compareNewest = async ({ page }) => {
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  await page.getByText(/^A cell is /).waitFor();
};
const readNewest = async ({ page }) => {
  const dump = page.getByLabel('Dump', { exact: true });
  await dump.selectOption(await dump.locator('option').nth(1).getAttribute('value'));
  const system = page.getByRole('heading', { name: 'System' });
  await page.getByRole('button', { name: 'Read the image' }).or(system).first().waitFor();
  if (!(await system.isVisible())) await page.getByRole('button', { name: 'Read the image' }).click();
  await page.getByRole('table', { name: 'Processes' }).waitFor();
};
const HUNTS = [
  { patterns: ['198.51.100.23', 'update.example.net'], all: true, newest_only: true },
  { patterns: ['7f 45 4c 46 02 01 01 00'], kind: 'bytes', guests: ['web-01'], limit: 40 },
  { patterns: ['Linux version', 'BusyBox', 'no such text'], all: true, newest_only: true, ignore_case: true, limit: 8 },
];
const huntAll = async ({ dashboard }) => {
  if ((await dashboard.get('/api/hunts')).hunts.length > 0) return;
  for (const asked of HUNTS) await hunt(dashboard, asked);
};
const lookAtHunts = async (page) => {
  await page.keyboard.press('r');
  await page.getByRole('table', { name: 'Hunts, newest first' }).locator('tbody tr').nth(HUNTS.length - 1).waitFor();
};
const heading = ({ page }) => page.getByRole('heading', { level: 1 }).waitFor();

export const SCREENS = [
  { name: 'sign-in', world: 'locked', looks: ALL, ready: heading },
  {
    name: 'sign-in-refused',
    world: 'locked',
    ready: heading,
    show: async ({ page }) => {
      await page.getByLabel('Token').fill('not the token');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').waitFor();
    },
  },

  { name: 'first-visit', world: 'new', looks: ALL, whole: true, ready },
  {
    name: 'guest-selected',
    world: 'new',
    ready,
    show: async (page) => {
      await page.guest('db-01').check();
      await page.page.getByText('Case and note').click();
      await page.page.getByLabel('Case number').fill('IR-2026-17');
    },
  },
  {
    name: 'dump-all',
    world: 'new',
    ready,
    show: async (page) => {
      await page.dumpAll.click();
      await page.dialog.waitFor();
    },
  },
  {
    name: 'help',
    world: 'new',
    looks: ['light-1280', 'dark-1280'],
    ready,
    show: async ({ page }) => {
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'menu',
    world: 'new',
    looks: PHONE,
    ready,
    show: ({ page }) => page.getByRole('button', { name: 'Menu' }).click(),
  },
  {
    name: 'running',
    world: 'new',
    looks: ALL,
    ready,
    begin: async ({ dashboard }, [page]) => {
      trigger(dashboard, ['web-01', 'db-01'], { mode: 'live', case: 'IR-2026-17' }).catch(() => {});
      await eventually(async () => assert.ok((await page.progressOf('web-01').evaluate((bar) => bar.value)) > 40));
    },
    show: (page) => page.activeDumps.scrollIntoViewIfNeeded(),
  },
  {
    name: 'cancel',
    world: 'new',
    ready,
    show: async (page) => {
      await page.activeDumps.getByRole('button', { name: /^Cancel/ }).first().click();
      await page.activeDumps.getByRole('group', { name: 'Cancel the dump?' }).scrollIntoViewIfNeeded();
    },
  },

  {
    name: 'gauges',
    world: 'used',
    path: '/',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.getByText(/^5 min: highest [\d.]+, mean [\d.]+ %$/).first().waitFor(),
  },
  {
    name: 'vms',
    world: 'used',
    path: '/vms',
    looks: ALL,
    ready: ({ page }) => page.getByRole('img', { name: /^CPU: [\d.]+ %$/ }).nth(1).waitFor(),
  },
  {
    name: 'telemetry',
    world: 'used',
    path: '/telemetry',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.getByRole('button', { name: 'Run the diagnosis' }).waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'Run the diagnosis' }).click();
      await page.getByRole('list', { name: 'What was tried' }).getByRole('listitem').first().waitFor();
    },
  },
  {
    name: 'resources',
    world: 'used',
    path: '/resource-monitoring?range=5m',
    looks: ALL,
    ready: async ({ page }) => {
      await page.locator('time-chart canvas').first().waitFor();
      await page.getByText(/^Last .*, highest /).first().waitFor();
    },
  },
  {
    name: 'trends',
    world: 'many dumps',
    path: '/trends',
    looks: ALL,
    whole: true,
    ready: async ({ page }) => {
      await page.getByText(/ completed, /).waitFor();
      await eventually(async () => assert.ok((await page.locator('amount-chart canvas').count()) > 0));
    },
    // What is drawn is what has been in view.
    show: async ({ page }) => {
      for (const chart of await page.locator('amount-chart').all()) {
        await chart.scrollIntoViewIfNeeded();
        await chart.locator('canvas').waitFor();
      }
      await page.evaluate(() => window.scrollTo(0, 0));
    },
  },
  {
    name: 'trends-nothing',
    world: 'many dumps',
    path: '/trends?from=2020-01-01&to=2020-01-31',
    whole: true,
    ready: ({ page }) => page.getByText('No dumps in this range.').waitFor(),
  },
  {
    name: 'compare',
    world: 'used',
    path: '/compare',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.locator('#compare-first option').nth(1).waitFor({ state: 'attached' }),
    show: compareNewest,
  },
  {
    name: 'compare-bytes',
    world: 'used',
    path: '/compare',
    looks: ['light-1280'],
    whole: true,
    ready: ({ page }) => page.locator('#compare-first option').nth(1).waitFor({ state: 'attached' }),
    show: async (opened) => {
      await compareNewest(opened);
      const { page } = opened;
      const most = page.locator('.compare-most li').first().getByRole('button');
      await most.click();
      await page.getByRole('button', { name: 'Zoom in' }).click();
      await page.getByText('A cell is 4.00 KiB').waitFor();
      await most.click();
      await page.getByRole('button', { name: 'Show its bytes' }).click();
      await page.locator('.bytes mark').first().waitFor();
    },
  },
  {
    name: 'inside',
    world: 'used',
    path: '/inside',
    ready: ({ page }) => page.getByLabel('Dump', { exact: true }).locator('option').nth(1).waitFor({ state: 'attached' }),
    show: readNewest,
  },
  {
    name: 'hunt',
    world: 'used',
    path: '/hunt',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.getByRole('heading', { name: 'Hunts' }).waitFor(),
    begin: huntAll,
    show: async ({ page }) => {
      await lookAtHunts(page);
      await page.getByLabel('Look for').fill('# IR-2026-17\nupdate.example.net\nwget -q -O- http://\n198.51.100.23');
    },
  },
  {
    name: 'hunt-found',
    world: 'used',
    path: '/hunt',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.getByRole('heading', { name: 'Hunts' }).waitFor(),
    begin: huntAll,
    show: async ({ page }) => {
      await lookAtHunts(page);
      await page.getByRole('link', { name: '“Linux version”' }).click();
      await page.locator('.hunt-text mark').first().waitFor();
    },
  },
  {
    name: 'hosts',
    world: 'several hosts',
    path: '/hosts',
    looks: ALL,
    whole: true,
    ready: ({ page }) => page.getByText('4 hosts: 2 can be used, 1 takes no new dumps, 1 cannot be used.').waitFor(),
    show: ({ page }) => page.getByText('Only takes and reports dumps').click(),
  },
  {
    name: 'add-host',
    world: 'several hosts',
    path: '/hosts',
    looks: ['light-1280', 'dark-390'],
    ready: ({ page }) => page.getByRole('button', { name: 'Add a host…' }).waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'Add a host…' }).click();
      await page.getByLabel('Name').fill('kvm-05');
      await page.getByLabel('URL').fill('https://kvm-05.example:5001');
      await page.getByLabel('Token').fill('a token of some length');
    },
  },
  {
    name: 'drain',
    world: 'several hosts',
    path: '/hosts',
    ready: ({ page }) => page.getByRole('button', { name: 'Drain kvm-01…' }).waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'Drain kvm-01…' }).click();
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'manage',
    world: 'several hosts',
    path: '/hosts',
    looks: ['light-1280'],
    ready: ({ page }) => page.getByRole('button', { name: 'Drain kvm-01…' }).waitFor(),
    show: ({ page }) => page.getByRole('button', { name: 'Manage' }).click(),
  },
  {
    name: 'one-host',
    world: 'new',
    path: '/hosts',
    whole: true,
    ready: ({ page }) => page.getByText('Only one host is configured.').waitFor(),
  },
  { name: 'users', world: 'managed', path: '/users', looks: ALL, whole: true, ready: ({ page }) => page.getByText('backup-script').waitFor() },
  { name: 'schedules', world: 'managed', path: '/schedules', looks: ALL, whole: true, ready: ({ page }) => page.getByText(/2 dumped/).first().waitFor() },
  {
    name: 'new-schedule',
    world: 'managed',
    path: '/schedules',
    ready: ({ page }) => page.getByText(/2 dumped/).first().waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'New schedule…' }).click();
      await page.getByRole('dialog').getByRole('listitem').nth(4).waitFor();
    },
  },
  {
    name: 'retention',
    world: 'managed',
    path: '/retention',
    whole: true,
    ready: ({ page }) => page.getByText(/ images go, /).waitFor(),
  },
  {
    name: 'audit',
    world: 'managed',
    path: '/audit',
    ready: ({ page }) => page.getByRole('table').locator('tbody tr').first().waitFor(),
  },
  {
    name: 'notifications',
    world: 'told',
    path: '/notifications',
    whole: true,
    ready: ({ page }) => page.getByRole('table', { name: 'Messages to targets' }).getByText('Given up').first().waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'Test ops' }).click();
      await page.getByText(/took the message, in /).waitFor();
    },
  },
  {
    name: 'notification-target',
    world: 'told',
    path: '/notifications',
    ready: ({ page }) => page.getByRole('button', { name: 'Edit night-shift' }).waitFor(),
    show: async ({ page }) => {
      await page.getByRole('button', { name: 'Edit night-shift' }).click();
      await page.getByRole('dialog').waitFor();
    },
  },
  { name: 'memory-dumps', world: 'used', looks: ['light-1280', 'dark-1280'], whole: true, ready },
  { name: 'memory-dumps', world: 'used', looks: PHONE, ready },
  {
    name: 'records',
    world: 'used',
    looks: ALL,
    ready,
    path: '/memory-dumps?rows=10',
    show: (page) => scrollTo(page.page.getByRole('heading', { name: 'Recorded dumps' })),
  },
  {
    name: 'filters',
    world: 'used',
    path: '/memory-dumps?search=ir-2026-17&sort=duration_sec&order=desc',
    ready,
    show: (page) => scrollTo(page.page.getByRole('heading', { name: 'Recorded dumps' })),
  },
  {
    name: 'details',
    world: 'used',
    looks: ALL,
    ready,
    show: async (page) => {
      await page.detailsLinkOf('db-01').first().click();
      await page.details.waitFor();
      await page.group('Page statistics').waitFor();
    },
  },
  {
    name: 'delete-image',
    world: 'used',
    ready,
    show: async (page) => {
      await page.menuButtonOf('db-01').first().click();
      await page.page.getByRole('menuitem', { name: 'Delete the image…' }).click();
      await page.deletion.waitFor();
    },
  },
  {
    name: 'empty-by-filter',
    world: 'used',
    path: '/memory-dumps?search=mail-07',
    ready,
    show: (page) => scrollTo(page.page.getByRole('heading', { name: 'Recorded dumps' })),
  },
  {
    name: 'toasts',
    world: 'used',
    ready,
    begin: async ({ dashboard }) => {
      await trigger(dashboard, ['web-01'], { mode: 'frozen' });
      await trigger(dashboard, ['web-09']);
    },
    show: ({ page }) => page.getByRole('alert').first().waitFor(),
  },

  {
    name: 'no-service',
    world: 'no service',
    looks: BOTH_WIDTHS,
    ready: (page) => page.alert('The dump service does not answer.').waitFor(),
  },
  {
    name: 'no-hypervisor',
    world: 'no hypervisor',
    ready: (page) => page.alert('The guests cannot be listed.').waitFor(),
  },
  {
    name: 'reconnecting',
    world: 'no dashboard',
    ready,
    begin: async ({ dashboard }, pages) => {
      await dashboard.stop();
      for (const page of pages) {
        await eventually(async () => assert.notEqual(await page.connection.innerText(), 'Live'));
      }
    },
  },
].map((screen) => ({ looks: BOTH_WIDTHS, path: '/memory-dumps', ...screen }));

// The names of the files, without their extension.
export const FILES = SCREENS.flatMap(({ name, looks }) => looks.map((look) => `${name}-${look}`));

// As somebody would scroll who wants to see what is below.
function scrollTo(locator) {
  return locator.evaluate((element) => {
    const bar = document.querySelector('.navbar').getBoundingClientRect().height;
    window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - bar - 24);
  });
}
