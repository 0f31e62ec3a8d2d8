// The numbers on the pages of telemetry, beside what virsh says of the same guest at the same time.

import assert from 'node:assert/strict';

import { eventually } from '../support/eventually.mjs';
import { scenario } from '../support/scenario.mjs';
import { domstats } from '../support/virsh.mjs';

const MIB = 1_048_576;
const number = (text) => Number(text.replaceAll(',', ''));

// The charts of a tab, as [metric, what is counted].
const COUNTED = {
  cpu: {
    'CPU time': 'cputime', 'CPU user time': 'timeusr', 'CPU system time': 'timesys', 'Swapped in': 'memswap_in',
    'Swapped out': 'memswap_out', 'Major page faults': 'memmajor_fault', 'Minor page faults': 'memminor_fault',
  },
  network: {
    'Network received': 'net_rxbytes', 'Packets received': 'net_rxpackets', 'Receive errors': 'net_rxerrors',
    'Received packets dropped': 'net_rxdrops', 'Network sent': 'net_txbytes', 'Packets sent': 'net_txpackets',
    'Send errors': 'net_txerrors', 'Sent packets dropped': 'net_txdrops',
  },
  disk: {
    'Disk read requests': 'disk_rd_req', 'Disk read': 'disk_rd_bytes', 'Disk write requests': 'disk_wr_reqs',
    'Disk written': 'disk_wr_bytes',
  },
};
const SIZES = {
  'Memory given to the guest': 'memactual', 'Memory resident on the host': 'memrss', 'Memory the guest sees': 'memavailable',
  'Memory the guest can use without swapping': 'memusable', 'Disk cache': 'memdisk_cache',
};
const KIB = { KiB: 1, MiB: 1024, GiB: 1024 * 1024 };

scenario('each chart counts what virsh counted before and after', async (stage) => {
  const dashboard = await stage.start('serve');
  for (const [tab, charts] of Object.entries(COUNTED)) {
    // High enough for all charts to be drawn: what is out of sight is not.
    const path = `/resource-monitoring?guest=web-01&range=5m&tab=${tab}`;
    const { page } = await stage.open(dashboard, { path, withGuests: false, height: 9000 });
    const readout = (title) => page.getByRole('region', { name: title, exact: true }).locator('.chart-readout').innerText();
    const counted = async (title) => number(/counted ([\d,]+)/.exec(await readout(title))[1]);
    const titles = Object.keys(charts);
    await eventually(() => Promise.all(titles.map(counted)));
    const before = await domstats('web-01');
    // Each has been measured since.
    const shown = await eventually(async () => {
      const values = await Promise.all(titles.map(counted));
      for (const [index, title] of titles.entries()) {
        assert.ok(values[index] >= before[charts[title]], `${title}: ${values[index]} and before it ${before[charts[title]]}`);
      }
      return values;
    });
    const sizes = tab === 'cpu' ? Object.keys(SIZES) : [];
    const sizesShown = await Promise.all(sizes.map(readout));
    const after = await domstats('web-01');
    for (const [index, title] of titles.entries()) {
      assert.notEqual(after[charts[title]], null, `virsh knows of ${title}`);
      assert.ok(shown[index] <= after[charts[title]], `${title}: ${shown[index]} and after it ${after[charts[title]]}`);
    }
    for (const [index, title] of sizes.entries()) {
      const [, value, unit] = /· ([\d.,]+) (\w+)/.exec(sizesShown[index]);
      const [low, high] = [before[SIZES[title]], after[SIZES[title]]].sort((a, b) => a - b);
      const kib = number(value) * KIB[unit];
      // Three digits are shown.
      assert.ok(kib >= low * 0.99 - 1 && kib <= high * 1.01 + 1, `${title}: ${sizesShown[index]}, and by virsh ${low} to ${high} KiB`);
    }
    await page.close();
  }
});

scenario('a card shows the rates that virsh’s counters give over the same seconds', async (stage) => {
  const dashboard = await stage.start('serve');
  const { page } = await stage.open(dashboard, { path: '/vms', withGuests: false });
  const card = page.getByRole('article', { name: 'web-01' });
  await eventually(async () => assert.match(await card.innerText(), /CPU\s+\d+\.\d %/));
  const first = await domstats('web-01');
  const seen = await card.evaluate(async (card) => {
    const SECONDS = 10;
    const seen = [];
    const observer = new MutationObserver(() => seen.push([performance.now(), card.innerText]));
    observer.observe(card, { subtree: true, childList: true, characterData: true });
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    observer.disconnect();
    return seen;
  });
  const last = await domstats('web-01');
  const seconds = last.at - first.at;
  // One reading a second: what changed in one go is one.
  const readings = seen.filter(([at], index) => index === seen.length - 1 || seen[index + 1][0] - at > 100).map(([, text]) => text);
  assert.ok(readings.length >= 8, `${readings.length} readings in ${seconds} s`);
  const rate = (pattern) => readings.map((text) => {
    const [, less, value] = pattern.exec(text) ?? assert.fail(`${pattern} in ${text}`);
    return less ? 0 : number(value);
  });
  const per = (metric, unit) => (last[metric] - first[metric]) / seconds / unit;
  for (const [what, shown, expected, digits] of [
    ['CPU', rate(/CPU\s+(< )?([\d.,]+) %/), per('cputime', 1e7), 0.1],
    ['read', rate(/read\s+(< )?([\d.,]+) MiB\/s/), per('disk_rd_bytes', MIB), 0.01],
    ['written', rate(/written\s+(< )?([\d.,]+) MiB\/s/), per('disk_wr_bytes', MIB), 0.01],
    ['in', rate(/in\s+(< )?([\d.,]+) MiB\/s/), per('net_rxbytes', MIB), 0.01],
    ['out', rate(/out\s+(< )?([\d.,]+) MiB\/s/), per('net_txbytes', MIB), 0.01],
  ]) {
    const mean = shown.reduce((sum, value) => sum + value) / shown.length;
    // The first and last seconds of the two are not the same, and of two equal readings one is not seen.
    const atTheEnds = (3 * (Math.max(...shown) - Math.min(...shown))) / shown.length;
    const margin = atTheEnds + expected * 0.05 + digits;
    assert.ok(Math.abs(mean - expected) <= margin, `${what}: ${shown}, on the mean ${mean}, and by virsh ${expected} ± ${margin}`);
  }
  const share = async () => {
    const { memavailable, memusable } = await domstats('web-01');
    return ((memavailable - memusable) / memavailable) * 100;
  };
  await eventually(async () => {
    const before = await share();
    const [, shown] = /Memory\s+([\d.]+) %/.exec(await card.innerText());
    const [low, high] = [before, await share()].sort((a, b) => a - b);
    assert.ok(shown >= low - 0.1 && shown <= high + 0.1, `${shown} % and by virsh ${low} to ${high} %`);
  });
});
