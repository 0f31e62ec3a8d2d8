// How long the page kept its main thread busy at a time.

import { once } from 'node:events';

const MAIN_THREAD = 'CrRendererMain';
const TASK = 'ThreadControllerImpl::RunTask';

// The CPU time of each task of the main threads of Chromium's pages while `run` goes on, in milliseconds, longest first.
// CPU time: `longtask` entries are of the clock, and count what the task waited for other programs of a busy machine. What
// the tools of the tests ask of the page is left out.
export async function tasksDuring(page, run) {
  const session = await page.context().browser().newBrowserCDPSession();
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: { includedCategories: ['toplevel', 'devtools.timeline'] },
  });
  await run();
  const complete = once(session, 'Tracing.tracingComplete');
  await session.send('Tracing.end');
  await complete;
  await session.detach();
  const threadOf = ({ pid, tid }) => `${pid}/${tid}`;
  const main = new Set(
    events.filter(({ name, args }) => name === 'thread_name' && args.name === MAIN_THREAD).map(threadOf),
  );
  const spans = events.filter((event) => event.ph === 'X' && main.has(threadOf(event)));
  const ofTools = spans.filter(({ args }) => JSON.stringify(args ?? {}).includes('DevTools'));
  const isOfTools = (task) => ofTools.some((event) => threadOf(event) === threadOf(task) && event.ts >= task.ts && event.ts <= task.ts + task.dur);
  const tasks = spans.filter((event) => event.name === TASK && event.tdur > 0);
  const longest = tasks.sort((a, b) => b.tdur - a.tdur);
  return longest.filter((task) => !isOfTools(task)).map(({ tdur }) => Math.round(tdur / 1000));
}
