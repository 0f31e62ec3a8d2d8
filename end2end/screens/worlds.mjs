// Where screens are taken: real dashboards in the situations that operators meet, in front of the lab's real guests.
//
// A world is made when the first screen of it is taken, and the screens of one world follow each other.

import { setTimeout as pause } from 'node:timers/promises';

import { DumpService, record } from '../support/dump-service.mjs';
import { namingHosts } from '../support/fleet.mjs';
import { Home, Service } from '../support/memdeck.mjs';
import { Receiver } from '../support/receiver.mjs';

// A live dump at this rate takes seconds even of a small guest: it can be looked at.
const MIB_PER_SECOND = '8';
const LONGEST_DUMP_MS = 180_000;
const DAY_MS = 86_400_000;
const MIB = 1_048_576;

export class Worlds {
  #made = new Map();
  #endings = [];

  // The world of that name: a service as `dashboard`, and what else it consists of.
  async get(name) {
    if (!this.#made.has(name)) this.#made.set(name, await MAKERS[name](this));
    return this.#made.get(name);
  }

  // `variables` may be made of the home.
  async start(role, variables) {
    const home = await Home.create();
    this.#endings.push(() => home.remove());
    const given = typeof variables === 'function' ? await variables(home) : variables;
    return this.keep(await Service.start(home, role, given));
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

  // A dashboard in front of a service with the records of many weeks: six guests, each dumped every few days, some images deleted.
  'many dumps': async (worlds) => {
    const names = ['web-01', 'db-01', 'mail-01', 'files-02', 'build-07', 'win-dc-01'];
    const noon = new Date().setHours(12, 0, 0, 0);
    const records = [];
    for (let number = 1; number <= 240; number += 1) {
      const dom = names[(number * number + 3 * number) % names.length];
      const isLive = number % 5 > 0;
      records.push(
        record(number, {
          dom,
          host: 'hv1',
          at: noon - (241 - number) * 0.4 * DAY_MS,
          gzip_size_bytes: (40 + ((number * 37) % 90) + dom.length * 20) * MIB,
          mode: isLive ? 'live' : 'frozen',
          pause_ms: isLive ? 12 + ((number * 29) % 90) : 480 + ((number * 131) % 1900),
          duration_sec: 1.2 + ((number * 53) % 170) / 10,
          ...(number % 7 === 0 && { deleted_at: new Date(noon - 5 * DAY_MS).toISOString() }),
        }),
      );
    }
    const service = await DumpService.start(records);
    worlds.keep(service);
    const dashboard = await worlds.start('serve', { MEMDUMP_SERVICE_URL: service.url });
    while ((await dashboard.get('/api/memory-dumps/records?limit=1')).total < records.length) await pause(100);
    return { dashboard };
  },

  // Two agents, of which one is kept from new dumps, a service with three calls only, and a host that is away.
  'several hosts': async (worlds) => {
    const [first, second, gone] = [await worlds.start('agent', {}), await worlds.start('agent', {}), await worlds.start('agent', {})];
    const lab = await DumpService.start(null, null);
    worlds.keep(lab);
    const hosts = { 'kvm-01': first, 'kvm-02': second, 'kvm-03': gone, lab };
    const named = Object.entries(hosts).map(([name, { url }]) => ({ name, url }));
    const dashboard = await worlds.start('serve', (home) => namingHosts(home, named));
    const conditions = async () => (await dashboard.get('/api/hosts')).hosts.map(({ condition }) => condition);
    while ((await conditions()).some((condition) => condition !== 'up')) await pause(100);
    await fetch(`${dashboard.url}/api/hosts/kvm-02/drain`, { method: 'POST' });
    await gone.stop();
    while ((await conditions()).every((condition) => condition === 'up')) await pause(100);
    return { dashboard };
  },

  // Several people, a schedule of every night and one of the week, rules of retention, and a case that a court wants kept.
  managed: async (worlds) => {
    const dashboard = await worlds.start('serve', {});
    const ask = (method, path, body) => send(dashboard, method, path, body);
    await ask('POST', 'users', { name: 'olga', role: 'operator', password: 'correct horse battery' });
    await ask('POST', 'users', { name: 'anton', role: 'analyst', password: 'correct horse battery' });
    await ask('POST', 'users', { name: 'vera', role: 'viewer', password: 'correct horse battery' });
    await ask('PATCH', 'users/vera', { disabled: true });
    await ask('POST', 'groups', { name: 'north', guests: ['web-*', 'kvm-01/*'] });
    await ask('PATCH', 'users/olga', { group: 'north' });
    await ask('POST', 'tokens', { name: 'backup-script', role: 'operator', expires_in_days: 90 });
    await ask('POST', 'schedules', {
      name: 'nightly',
      when: { every: 'day', at: '02:30' },
      zone: 'Europe/Berlin',
      guests: { which: 'named', guests: ['web-01', 'db-01'] },
    });
    await ask('POST', 'schedules', { name: 'before-patch-day', when: { every: 'cron', expression: '0 1 * * 2' }, guests: { which: 'all' } });
    await ask('POST', 'schedules/before-patch-day/pause');
    await trigger(dashboard, ['web-01', 'db-01'], { case: 'IR-2026-17', note: 'Beacons every 60 s to an unknown host.' });
    for (let round = 0; round < 3; round += 1) await trigger(dashboard, ['web-01', 'db-01'], { mode: 'frozen' });
    await ask('POST', 'schedules/nightly/run');
    while ((await dashboard.get('/api/schedules/nightly/runs')).runs[0].state !== 'done') await pause(100);
    await ask('PUT', 'retention', { rules: [{ guests: { which: 'all' }, keep_last: 2, daily: 7, weekly: 4 }], floor_bytes: 1024 * MIB });
    await ask('POST', 'holds', { of: { case: 'IR-2026-17' }, reason: 'The district court wants it, 4 Js 1122/26' });
    return { dashboard };
  },

  // Three targets of notifications: one takes what it gets, one refuses it, and one does not answer.
  told: async (worlds) => {
    const dashboard = await worlds.start('serve', {});
    const [takes, refuses] = [await Receiver.start(), await Receiver.start()];
    worlds.keep(takes);
    worlds.keep(refuses);
    const mail = { kind: 'email', server: 'localhost', port: 9, security: 'none', from: 'memdeck@mail.example', to: ['night-shift@mail.example'] };
    await send(dashboard, 'POST', 'notifications/targets', { name: 'ops', address: { kind: 'webhook', url: takes.url, secret: 'a secret of some length' } });
    await send(dashboard, 'POST', 'notifications/targets', { name: 'duty', address: { kind: 'json', url: refuses.url, template: { text: '{{title}}' } } });
    await send(dashboard, 'POST', 'notifications/targets', { name: 'night-shift', address: mail });
    await send(dashboard, 'POST', 'notifications/rules', { target: 'ops' });
    await send(dashboard, 'POST', 'notifications/rules', { target: 'duty', kinds: ['dump_failed', 'verification_failed'], severity: 'critical' });
    await trigger(dashboard, ['web-09']);
    refuses.status = 403;
    await pause(7_000);
    await trigger(dashboard, ['mail-07']);
    const dead = async () => (await dashboard.get('/api/notifications/log?state=dead')).total;
    while ((await dead()) === 0) await pause(200);
    await send(dashboard, 'POST', 'notifications/rules', { target: 'night-shift', guests: ['db-*'], severity: 'warning' });
    await trigger(dashboard, ['db-09']);
    const tried = async () => (await dashboard.get('/api/notifications/log?state=waiting')).deliveries.some(({ attempts }) => attempts > 1);
    while (!(await tried())) await pause(200);
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
  await send(dashboard, 'POST', 'memory-dumps/trigger', { vms, ...options });
  await ended(dashboard);
}

// Asks for a hunt and waits until it has ended.
export async function hunt(dashboard, asked) {
  const { id } = await (await send(dashboard, 'POST', 'hunts', asked)).json();
  while (!(await dashboard.get(`/api/hunts/${id}`)).ended_at) await pause(100);
}

async function send(dashboard, method, path, body = {}) {
  const answer = await fetch(`${dashboard.url}/api/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

// Waits until all dumps that were asked for have ended.
async function ended(dashboard) {
  const deadline = Date.now() + LONGEST_DUMP_MS;
  for (;;) {
    const { active_dumps: dumps } = await dashboard.get('/api/memory-dumps/status');
    const open = Object.values(dumps).filter(({ state }) => state === 'queued' || state === 'running');
    if (open.length === 0) return;
    if (Date.now() > deadline) throw new Error(`${open.map(({ vm }) => vm)} is still being dumped`);
    await pause(100);
  }
}
