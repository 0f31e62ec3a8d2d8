// One event stream for all tabs of a browser, which would run out of connections with one for each.
//
// A shared worker. Tabs send ['listen', id of the last event they heard, what they watch], then ['alive'] after each ping,
// ['watch', '', what they watch] when that changes, and at the end ['leave']. They receive what an EventSource would dispatch, as [name, data, id]: 'open', 'error', then the events.
// After an 'error' a tab is forgotten: it listens again when it wants to. The stream is open while a tab listens.
//
// The stream carries the live values of guests that any tab watches. When that changes, the stream is opened anew at its
// position. Each tab receives what it watches itself; live values are not kept.
//
// A tab that comes later is told what it missed ('start' with "resumed": true), or else the present state, as the
// server does. The page's side is app/src/feed/.

'use strict';

const KINDS = ['dump', 'record', 'verification', 'guests', 'service', 'hypervisor', 'storage', 'import', 'hosts', 'sample', 'summaries'];
// Events kept for tabs that come back.
const KEPT = 256;
// A ping comes every 15 s. A tab that leaves this many unanswered is gone or frozen.
const UNANSWERED_PINGS = 4;
// Less than the time after which a tab gives up a silent stream: the first that does opens another.
const SILENCE_LIMIT_MS = 35_000;
// The server takes `all` and 16 guests.
const MAX_WATCHED = 17;

// What each tab heard last and watches, whether it hears the stream, and how many pings it has not answered.
const tabs = new Map();
let source = null;
let isStarted = false;
let heardAt = 0;
// What the open stream carries live values of.
let watched = '';
// Where the stream goes on. Survives the stream.
let position = '';
let kept = [];
// What is known of each thing: the present state.
const latest = new Map();

self.onconnect = ({ ports: [tab] }) => {
  tab.onmessage = ({ data: [what, id, watch = ''] }) => {
    if (what === 'listen') {
      listen(tab, id, watch);
    } else if (what === 'leave') {
      forget(tab);
    } else if (what === 'watch' && tabs.has(tab)) {
      tabs.get(tab).watch = watch;
      retune();
    } else if (tabs.has(tab)) {
      tabs.get(tab).unanswered = 0;
    }
  };
};

function listen(tab, id, watch) {
  if (source && Date.now() - heardAt > SILENCE_LIMIT_MS) breakOff();
  tabs.set(tab, { id, watch, hasBegun: false, unanswered: 0 });
  if (!source) open();
  else if (isStarted) begin(tab, id);
  retune();
}

function forget(tab) {
  tabs.delete(tab);
  if (tabs.size === 0) close();
  else retune();
}

// Guests that a tab shows are named in its `watch`, separated by commas.
function wanted() {
  const words = [...tabs.values()].flatMap(({ watch }) => watch.split(',')).filter(Boolean);
  return [...new Set(words)].sort().slice(0, MAX_WATCHED).join(',');
}

// A stream that has not started yet is opened anew when it has: its tabs have not heard of it.
function retune() {
  if (!source || !isStarted || wanted() === watched) return;
  close();
  open();
}

function open() {
  const url = new URL('api/events', self.location.href);
  if (position) url.searchParams.set('last_event_id', position);
  watched = wanted();
  if (watched) url.searchParams.set('watch', watched);
  source = new EventSource(url);
  heardAt = Date.now();
  source.onerror = breakOff;
  source.addEventListener('start', ({ data }) => start(data));
  source.addEventListener('ping', ping);
  for (const kind of KINDS) source.addEventListener(kind, hear);
}

function close() {
  source?.close();
  source = null;
  isStarted = false;
}

function breakOff() {
  const told = [...tabs.keys()];
  tabs.clear();
  close();
  for (const tab of told) tab.postMessage(['error', '', '']);
}

function start(data) {
  heardAt = Date.now();
  isStarted = true;
  if (!JSON.parse(data).resumed) {
    position = '';
    kept = [];
    latest.clear();
    for (const known of tabs.values()) known.hasBegun = false;
  }
  // Tabs that the stream before this one served miss nothing: it goes on where that one ended.
  for (const [tab, { id, hasBegun }] of tabs) if (!hasBegun) begin(tab, id);
  retune();
}

function begin(tab, id) {
  tabs.get(tab).hasBegun = true;
  const last = id ? kept.findIndex(([, , keptId]) => keptId === id) : -1;
  const resumed = last >= 0;
  tab.postMessage(['open', '', '']);
  tab.postMessage(['start', JSON.stringify({ resumed }), '']);
  for (const message of resumed ? kept.slice(last + 1) : present()) tab.postMessage(message);
}

// As the server tells it: only the last one has an id, since whoever heard half of it must hear it all again.
function present() {
  const messages = [...latest.values()];
  const last = messages.pop();
  return last ? [...messages, [last[0], last[1], position]] : [];
}

function hear({ type, data, lastEventId }) {
  heardAt = Date.now();
  if (type === 'sample' || type === 'summaries') {
    hearLive(type, data);
    return;
  }
  // An event without an id of its own has the id before it.
  const id = lastEventId === position ? '' : lastEventId;
  const message = [type, data, id];
  if (id) position = id;
  kept.push(message);
  if (kept.length > KEPT) kept.shift();
  remember(message);
  for (const tab of tabs.keys()) tab.postMessage(message);
}

function hearLive(type, data) {
  const word = type === 'summaries' ? 'all' : referenceOf(JSON.parse(data));
  for (const [tab, { watch }] of tabs) if (watch.split(',').includes(word)) tab.postMessage([type, data, '']);
}

// What tells a guest from those of all hosts.
function referenceOf({ host, uuid }) {
  return host ? `${host}/${uuid}` : uuid;
}

function remember([type, data]) {
  const isOfDump = type === 'dump' || type === 'verification';
  const { dump_id, state } = isOfDump ? JSON.parse(data) : {};
  const key = isOfDump ? `${type} ${dump_id}` : type;
  latest.delete(key);
  // Tabs fetch records, and dumps that have ended.
  const isFetched = type === 'record' || (type === 'dump' && state !== 'queued' && state !== 'running');
  if (!isFetched) latest.set(key, [type, data, '']);
}

function ping() {
  heardAt = Date.now();
  for (const [tab, known] of tabs) {
    known.unanswered += 1;
    if (known.unanswered > UNANSWERED_PINGS) forget(tab);
    else tab.postMessage(['ping', '{}', '']);
  }
}
