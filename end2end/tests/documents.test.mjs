// The JavaScript examples of docs/api.md in a browser: on a page of memdeck, as pasted into its console. That they run
// in node too is tested with the other examples (server/tests/real/documents.rs).

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { scenario } from '../support/scenario.mjs';

const DOCUMENT = new URL('../../docs/api.md', import.meta.url);

// What a page cannot be asked: an agent has none.
const NOT_FOR_PAGES = '\n## The agent\n';

async function examples() {
  const [text] = (await readFile(DOCUMENT, 'utf8')).split(NOT_FOR_PAGES);
  const blocks = text.matchAll(/^```js(?: setup)?\n(.*?)^```$/gms);
  return [...blocks].map(({ 1: code, index }) => ({ code, line: text.slice(0, index).split('\n').length }));
}

scenario('every example of the calls runs in the console of the page', async (stage) => {
  const dashboard = await stage.start('serve');
  const { tab } = await stage.open(dashboard);
  // Some show how a refusal looks, and leave an event stream.
  tab.expectComplaints(/40[149]|410/, /ERR_ABORTED/);
  const devTools = await tab.page.context().newCDPSession(tab.page);
  const all = await examples();
  assert.ok(all.length > 15, `${all.length} examples`);
  for (const { code, line } of all) {
    const { exceptionDetails } = await devTools.send('Runtime.evaluate', {
      expression: code,
      replMode: true,
      awaitPromise: true,
    });
    const thrown = exceptionDetails?.exception?.description ?? exceptionDetails?.text;
    assert.equal(thrown, undefined, `docs/api.md, line ${line}`);
  }
});
