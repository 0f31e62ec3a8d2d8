// Opens a page again and again as a slow machine would for the first time, and prints what each visit took, as JSON.
//
//   node end2end/measure-page.mjs URL CONTROL CONTENT VISITS THROTTLING
//
// CONTROL and CONTENT are selectors: of what an operator uses first, and of what they came for. CHROMIUM is the browser.
// Each visit has a profile, and so a cache, of its own; the processor is slowed down THROTTLING times.

import { BrowserTab, launchBrowser } from './support/browser-tab.mjs';

// As long as nothing blocks the page for this long, it has come to rest.
const QUIET_MS = 5_000;
const PATIENCE_MS = 120_000;

// In the page, before its own scripts: presses the control until it answers, looks for the content, notes every task
// that keeps the page from answering for more than 50 ms.
function watch({ control, content }) {
  const seen = { answered: null, content: null, tasks: [] };
  window.seen = seen;
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) seen.tasks.push({ startTime, duration });
  }).observe({ type: 'longtask', buffered: true });

  const answers = (element) => {
    if (element.type === 'radio') {
      // The theme switch: what it sets is the page's doing, not the browser's.
      element.click();
      return document.documentElement.dataset.theme === element.value;
    }
    element.focus();
    return document.activeElement === element;
  };
  const look = () => {
    const element = document.querySelector(control);
    if (seen.answered === null && element && answers(element)) seen.answered = performance.now();
    if (seen.content === null && document.querySelector(content)) seen.content = performance.now();
    if (seen.answered === null || seen.content === null) setTimeout(look, 10);
  };
  look();
}

// In the page: what there is to tell, or nothing as long as it has not come to rest.
function figures(quietMs) {
  const { answered, content, tasks } = window.seen;
  if (answered === null || content === null) return null;
  const lastTask = Math.max(0, ...tasks.map(({ startTime, duration }) => startTime + duration));
  if (performance.now() - Math.max(answered, content, lastTask) < quietMs) return null;
  const paint = Object.fromEntries(performance.getEntriesByType('paint').map(({ name, startTime }) => [name, startTime]));
  const program = performance.getEntriesByType('resource').filter(({ name }) => /\.(js|wasm)$/.test(name));
  return {
    first_paint_ms: paint['first-paint'],
    first_contentful_paint_ms: paint['first-contentful-paint'],
    answered_ms: answered,
    content_ms: content,
    // When the control answers and nothing holds up the next answer.
    interactive_ms: Math.max(answered, lastTask),
    longest_task_ms: Math.max(0, ...tasks.map(({ duration }) => duration)),
    program_bytes: program.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  };
}

async function visit(browser, { url, control, content, throttling }) {
  const tab = await BrowserTab.blank(browser);
  const { page } = tab;
  try {
    const devtools = await page.context().newCDPSession(page);
    const transferred = { requests: 0, bytes: 0 };
    devtools.on('Network.loadingFinished', ({ encodedDataLength }) => {
      transferred.requests += 1;
      transferred.bytes += encodedDataLength;
    });
    await devtools.send('Network.enable');
    await devtools.send('Emulation.setCPUThrottlingRate', { rate: throttling });
    await page.addInitScript(watch, { control, content });
    await page.goto(url);
    const handle = await page.waitForFunction(figures, QUIET_MS, { timeout: PATIENCE_MS, polling: 250 });
    return { ...(await handle.jsonValue()), ...transferred };
  } finally {
    await page.context().close();
  }
}

const [url, control, content, visits, throttling] = process.argv.slice(2);
const browser = await launchBrowser();
try {
  const how = { url, control, content, throttling: Number(throttling) };
  // The first visit of a browser pays for the browser's own start.
  await visit(browser, how);
  const all = [];
  for (let number = 0; number < Number(visits); number += 1) all.push(await visit(browser, how));
  console.log(JSON.stringify({ browser: browser.version(), visits: all }));
} finally {
  await browser.close();
}
