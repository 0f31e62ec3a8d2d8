// A reporter for Node's test runner: one line with how many tests passed and failed.

export default async function* tally(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    // Tests of tests, and the runner's own suites, are parts of what is counted.
    if (data.nesting > 0 || data.details?.type === 'suite') continue;
    // A test that is left out has not shown anything.
    if (type === 'test:pass' && !data.skip && !data.todo) passed += 1;
    else if (type === 'test:pass' || type === 'test:fail') failed += 1;
  }
  yield `${passed} passed, ${failed} failed\n`;
}
