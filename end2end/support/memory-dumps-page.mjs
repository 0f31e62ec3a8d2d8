// The page /memory-dumps as operators and screen readers find their way in it: by roles and names.

import assert from 'node:assert/strict';

import { eventually } from './eventually.mjs';

export class MemoryDumpsPage {
  constructor(tab) {
    const { page } = tab;
    this.tab = tab;
    this.page = page;
    this.connection = page.getByRole('banner').getByRole('status');
    this.guests = page.getByRole('group', { name: 'Guests' }).getByRole('checkbox');
    this.dumpSelected = page.getByRole('button', { name: 'Dump selected' });
    this.dumpAll = page.getByRole('button', { name: 'Dump all running guests' });
    this.dialog = page.getByRole('dialog', { name: 'Dump all running guests?' });
    this.activeDumps = page.getByRole('region', { name: 'Active dumps' });
    // The first row has the names of the columns.
    this.table = page.getByRole('table', { name: 'Recorded dumps' });
    this.rows = this.table.locator('tbody').getByRole('row');
    this.search = page.getByRole('searchbox', { name: 'Search by VM name' });
    this.pages = page.getByRole('navigation', { name: 'Pages of recorded dumps' });
    this.details = page.getByRole('dialog', { name: /^(Dump of |No such dump|A dump)/ });
    this.deletion = page.getByRole('dialog', { name: /^Delete the image of / });
    this.news = page.getByRole('button', { name: /new dumps? – show$/ });
  }

  // Waits until guests are listed and changes arrive by themselves.
  async isReady() {
    await this.guest('web-01').waitFor();
    await this.guest('db-01').waitFor();
    await eventually(async () => assert.equal(await this.connection.innerText(), 'Live'));
  }

  // The checkbox of a guest. Its name is the whole line: name, id, state, memory.
  guest(name) {
    return this.page.getByRole('checkbox', { name: new RegExp(`^${name}\\s`) });
  }

  // What the line of a guest says.
  guestLine(name) {
    return this.page.getByText(name, { exact: true }).locator('xpath=ancestor::label');
  }

  progressOf(guest) {
    return this.page.getByRole('progressbar', { name: `Dump of ${guest}` });
  }

  // What the query of the address says.
  get parameters() {
    return Object.fromEntries(new URL(this.page.url()).searchParams);
  }

  // The names of the guests, row by row.
  async names() {
    const names = await this.rows.locator('.record-name').allInnerTexts();
    return names.map((text) => text.split('\n')[0].trim());
  }

  // Waits until the table says this many records.
  hasRecords(count) {
    const words = count === 1 ? '1 record' : `${count.toLocaleString('en')} records`;
    return this.pages.getByText(words, { exact: true }).waitFor();
  }

  heading(name) {
    return this.table.getByRole('columnheader', { name, exact: true });
  }

  sortBy(name) {
    return this.heading(name).getByRole('button').click();
  }

  // By the text of a cell: on a narrow screen its accessible name begins with the name of the column.
  rowsOf(guest) {
    return this.rows.filter({ has: this.page.getByRole('cell').filter({ hasText: new RegExp(`^${guest}$`) }) });
  }

  copyButtonOf(guest) {
    return this.rowsOf(guest).getByRole('button', { name: `Copy SHA-256 of ${guest}` });
  }

  detailsLinkOf(guest) {
    return this.rowsOf(guest).getByRole('link', { name: `Details of ${guest}` });
  }

  menuButtonOf(guest) {
    return this.rowsOf(guest).getByRole('button', { name: `Actions for ${guest}` });
  }

  // Opens the menu of the guest's row and chooses what `name` says.
  async choose(guest, name) {
    await this.menuButtonOf(guest).click();
    await this.page.getByRole('menuitem', { name }).click();
  }

  // A part of the details by its heading.
  group(name) {
    return this.details.getByRole('region', { name, exact: true });
  }

  dismissButtonOf(guest) {
    return this.activeDumps.getByRole('button', { name: `Dismiss the result of ${guest}` });
  }

  alert(title) {
    return this.page.getByRole('alert').filter({ hasText: title });
  }

  // The very element, which a rebuilt one of the same name is not.
  focusedElement() {
    return this.page.evaluateHandle(() => document.activeElement);
  }

  // Begins to note every value that the progress of `guest` shows; a call of what it gives tells them.
  async watchProgressOf(guest) {
    const values = await this.page.evaluateHandle((label) => {
      const seen = [];
      const look = () => {
        const bar = document.querySelector(`progress[aria-label="${label}"]`);
        if (bar && seen[seen.length - 1] !== bar.value) seen.push(bar.value);
        requestAnimationFrame(look);
      };
      look();
      return seen;
    }, `Dump of ${guest}`);
    return () => values.jsonValue();
  }
}

// What a screen reader says after the name of an element.
export function descriptionOf(locator) {
  return locator.evaluate((element) =>
    (element.getAttribute('aria-describedby') ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.innerText ?? '')
      .join(' ')
      .trim(),
  );
}

export function hasFocus(target) {
  return target.evaluate((element) => element === document.activeElement);
}

export function isInView(target) {
  return target.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  });
}
