// The worker that tabs share, without a browser: what it tells whom.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import vm from 'node:vm';

const script = await readFile(new URL('../../public/events.js', import.meta.url), 'utf8');

// A worker, its clock, and the streams it opened.
function worker() {
  const world = { now: 0, streams: [] };
  class EventSource {
    #listeners = {};

    constructor(url) {
      this.url = url;
      this.isOpen = true;
      world.streams.push(this);
    }

    addEventListener(name, listener) {
      this.#listeners[name] = listener;
    }

    close() {
      this.isOpen = false;
    }

    // What the server sends.
    tell(type, data = {}, lastEventId = '') {
      this.#listeners[type]({ type, data: JSON.stringify(data), lastEventId });
    }
  }
  const self = { location: { href: 'http://127.0.0.1/sub/events.js?1' } };
  vm.runInNewContext(script, { self, EventSource, URL, Date: { now: () => world.now } });
  world.tab = () => {
    const heard = [];
    const port = { postMessage: (message) => heard.push([...message]) };
    self.onconnect({ ports: [port] });
    const send = (...message) => port.onmessage({ data: message });
    // What it was told since the last look.
    const news = () => heard.splice(0).map(([name, data, id]) => [name, data && JSON.parse(data), id]);
    return { send, news, listen: (id = '', watch = '') => send('listen', id, watch), watch: (watch) => send('watch', '', watch), leave: () => send('leave', '') };
  };
  return world;
}

const started = (resumed) => [['open', '', ''], ['start', { resumed }, '']];
const guests = { guests: 3 };
const running = { dump_id: 'a', state: 'running', progress: 10 };

test('a tab that comes later is told the present state at once, and no second stream is opened', () => {
  const { tab, streams } = worker();
  const first = tab();
  first.listen();
  assert.equal(streams[0].url.href, 'http://127.0.0.1/sub/api/events');
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '');
  streams[0].tell('dump', { dump_id: 'b', state: 'completed' }, '0-1');
  streams[0].tell('dump', running, '0-2');
  streams[0].tell('record', { dump_id: 'b' }, '0-3');
  assert.equal(first.news().length, 6);

  const second = tab();
  second.listen();
  assert.deepEqual(second.news(), [...started(false), ['guests', guests, ''], ['dump', running, '0-3']]);
  streams[0].tell('dump', { ...running, progress: 20 }, '0-4');
  assert.deepEqual([first.news(), second.news()].map(([[, { progress }]]) => progress), [20, 20]);
  assert.equal(streams.length, 1);
});

test('a tab that comes back is told what it missed and nothing twice', () => {
  const { tab, streams } = worker();
  const [stays, goes] = [tab(), tab()];
  stays.listen();
  goes.listen();
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  goes.leave();
  goes.news();
  streams[0].tell('record', { dump_id: 'b' }, '0-2');
  streams[0].tell('dump', running, '0-3');
  goes.listen('0-1');
  assert.deepEqual(goes.news(), [...started(true), ['record', { dump_id: 'b' }, '0-2'], ['dump', running, '0-3']]);
  goes.leave();
  goes.listen('9-9');
  assert.equal(goes.news()[1][1].resumed, false, 'what is not known cannot be told');
});

test('half of a present state that was told again is not taken for all of it', () => {
  const { tab, streams } = worker();
  const page = tab();
  page.listen();
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  // The server lost events: the present state again, whose last event alone has an id of its own.
  streams[0].tell('service', {}, '0-1');
  streams[0].tell('guests', guests, '0-5');
  page.leave();
  page.news();
  page.listen('0-1');
  streams[1].tell('start', { resumed: true });
  assert.deepEqual(page.news().slice(2).map(([name, , id]) => [name, id]), [['service', ''], ['guests', '0-5']]);
});

test('a stream that breaks off is told to all tabs, and the next one goes on where it ended', () => {
  const { tab, streams } = worker();
  const [first, second] = [tab(), tab()];
  first.listen();
  second.listen();
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  streams[0].onerror();
  assert.ok(!streams[0].isOpen);
  for (const page of [first, second]) assert.deepEqual(page.news().at(-1), ['error', '', '']);
  assert.equal(streams.length, 1, 'tabs decide when to try again');

  first.listen('0-1');
  assert.equal(streams[1].url.searchParams.get('last_event_id'), '0-1');
  streams[1].tell('start', { resumed: true });
  streams[1].tell('dump', running, '0-2');
  second.listen('0-1');
  for (const page of [first, second]) assert.deepEqual(page.news(), [...started(true), ['dump', running, '0-2']]);
});

test('a server that cannot tell what was missed makes every tab begin anew', () => {
  const { tab, streams } = worker();
  const page = tab();
  page.listen();
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  streams[0].onerror();
  page.news();
  page.listen('0-1');
  streams[1].tell('start', { resumed: false });
  assert.deepEqual(page.news(), started(false));
});

test('the stream rests while no tab listens', () => {
  const { tab, streams } = worker();
  const [first, second] = [tab(), tab()];
  first.listen();
  second.listen();
  first.leave();
  assert.ok(streams[0].isOpen);
  second.leave();
  assert.ok(!streams[0].isOpen);
});

test('a tab that leaves five pings unanswered is gone', () => {
  const { tab, streams } = worker();
  const [first, second] = [tab(), tab()];
  first.listen();
  second.listen();
  streams[0].tell('start', { resumed: false });
  for (let count = 0; count < 5; count += 1) {
    streams[0].tell('ping');
    first.send('alive', '');
  }
  second.news();
  streams[0].tell('ping');
  assert.deepEqual(second.news(), []);
  first.leave();
  assert.ok(!streams[0].isOpen, 'nobody listens any more');
});

test('a stream that fell silent is given up as soon as one tab tries again', () => {
  const world = worker();
  const [first, second] = [world.tab(), world.tab()];
  first.listen();
  second.listen();
  world.streams[0].tell('start', { resumed: false });
  world.now = 40_000;
  first.leave();
  first.listen();
  assert.deepEqual(world.streams.map(({ isOpen }) => isOpen), [false, true]);
  assert.deepEqual(second.news().at(-1), ['error', '', '']);
});

test('the stream carries what any tab watches, and each tab is told what it watches itself', () => {
  const { tab, streams } = worker();
  const [first, second] = [tab(), tab()];
  first.listen();
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  second.listen();
  first.news();
  second.news();
  first.watch('uuid-1');
  assert.ok(!streams[0].isOpen, 'a stream that carries something else takes its place');
  assert.equal(streams[1].url.search, '?last_event_id=0-1&watch=uuid-1');
  streams[1].tell('start', { resumed: true });
  assert.deepEqual([first.news(), second.news()], [[], []], 'nobody missed anything, and nobody is told so');
  second.watch('all');
  assert.equal(streams[2].url.searchParams.get('watch'), 'all,uuid-1');
  streams[2].tell('start', { resumed: true });
  streams[2].tell('summaries', [{ uuid: 'uuid-1' }]);
  streams[2].tell('sample', { uuid: 'uuid-1' });
  assert.deepEqual(first.news(), [['sample', { uuid: 'uuid-1' }, '']]);
  assert.deepEqual(second.news(), [['summaries', [{ uuid: 'uuid-1' }], '']]);
  second.leave();
  assert.equal(streams.at(-1).url.searchParams.get('watch'), 'uuid-1', 'what nobody watches any more is not carried');
});

test('live values are not kept for tabs that come later', () => {
  const { tab, streams } = worker();
  const first = tab();
  first.listen('', 'all');
  streams[0].tell('start', { resumed: false });
  streams[0].tell('guests', guests, '0-1');
  streams[0].tell('summaries', []);
  const second = tab();
  second.listen('', 'all');
  assert.deepEqual(second.news(), [...started(false), ['guests', guests, '0-1']]);
});

test('of several hosts a tab is told of the guest on the host that it watches', () => {
  const { tab, streams } = worker();
  const [first, second] = [tab(), tab()];
  first.listen('', 'kvm-01/uuid-1');
  second.listen('', 'kvm-02/uuid-1');
  streams.at(-1).tell('start', { resumed: false });
  first.news();
  second.news();
  streams.at(-1).tell('sample', { host: 'kvm-02', uuid: 'uuid-1' });
  assert.deepEqual(first.news(), []);
  assert.deepEqual(second.news(), [['sample', { host: 'kvm-02', uuid: 'uuid-1' }, '']]);
});
