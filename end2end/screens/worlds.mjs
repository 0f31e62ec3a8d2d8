// Where screens are taken: real dashboards in the situations that operators meet, in front of the lab's real guests.
//
// A world is made when the first screen of it is taken, and the screens of one world follow each other.

import { setTimeout as pause } from 'node:timers/promises';

import { Home, Service } from '../support/memdeck.mjs';

// A live dump at this rate takes seconds even of a small guest: it can be looked at.
const MIB_PER_SECOND = '8';
const LONGEST_DUMP_MS = 180_000;

export class Worlds {
  #made = new Map();
  #endings = [];

  // The world of that name: a service as `dashboard`, and what else it consists of.
  async get(name) {
    if (!this.#made.has(name)) this.#made.set(name, await MAKERS[name](this));
    return this.#made.get(name);
  }

  async start(role, variables) {
    const home = await Home.create();
    this.#endings.push(() => home.remove());
    return this.keep(await Service.start(home, role, variables));
  }

  keep(service) {
    this.#endings.push(() => service.stop());
    return service;
  }

  async clear() {
    for (const ending of this.#endings.reverse()) await ending();
  }
}

const MAKERS = {
  // One at a time and slowly: while one guest is dumped, another waits.
  new: async (worlds) => {
    const variables = { LIVE_BANDWIDTH_MIBPS: MIB_PER_SECOND, LIVE_TIME_BUDGET: '600', MAX_PARALLEL_DUMPS: '1' };
    return { dashboard: await worlds.start('serve', variables) };
  },

  // A few days' work, of which one dump failed.
  used: async (worlds) => {
    const dashboard = await worlds.start('serve', {});
    const dump = (vms, options) => trigger(dashboard, vms, options);
    await dump(['web-01', 'db-01'], {});
    await dump(['web-01', 'db-01'], { case: 'IR-2026-17', note: 'Beacons every 60 s to an unknown host.' });
    await dump(['web-09'], { case: 'IR-2026-17' });
    await dump(['db-01'], { mode: 'frozen', case: 'IR-2026-17', note: 'Again, frozen: the copy on the witness disk.' });
    for (let round = 0; round < 3; round += 1) await dump(['web-01', 'db-01'], {});
    await dump(['web-01'], { mode: 'frozen', case: 'IR-2026-21', note: 'Before the kernel update' });
    return { dashboard };
  },

  // The dump service is away.
  'no service': async (worlds) => {
    const agent = await worlds.start('agent', {});
    const dashboard = await worlds.start('serve', { MEMDUMP_SERVICE_URL: agent.url });
    await trigger(dashboard, ['web-01', 'db-01'], {});
    await agent.stop();
    return { dashboard };
  },

  'no hypervisor': async (worlds) => {
    const LIBVIRT_URI = 'qemu+unix:///system?socket=/run/libvirt/nowhere';
    return { dashboard: await worlds.start('serve', { LIBVIRT_URI }) };
  },

  // The dashboard itself goes away while its page is open.
  'no dashboard': async (worlds) => {
    const dashboard = await worlds.start('serve', {});
    await trigger(dashboard, ['web-01'], {});
    return { dashboard };
  },

  locked: async (worlds) => ({ dashboard: await worlds.start('serve', { MEMDECK_TOKEN: 'a token of some length' }) }),
};

// Asks for dumps and waits until they have ended, well or not.
export async function trigger(dashboard, vms, options = {}) {
  const answer = await fetch(`${dashboard.url}/api/memory-dumps/trigger`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ vms, ...options }),
  });
  if (!answer.ok) throw new Error(`${vms} cannot be dumped: ${await answer.text()}`);
  const deadline = Date.now() + LONGEST_DUMP_MS;
  for (;;) {
    const { active_dumps: dumps } = await dashboard.get('/api/memory-dumps/status');
    const open = Object.values(dumps).filter(({ state }) => state === 'queued' || state === 'running');
    if (open.length === 0) return;
    if (Date.now() > deadline) throw new Error(`${open.map(({ vm }) => vm)} is still being dumped`);
    await pause(100);
  }
}
