// A dashboard with several hosts, as its configuration file names them.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

// The variables of a dashboard on `home` with these hosts: `{name, url, ...}`.
export async function namingHosts(home, hosts) {
  const value = (value) => (typeof value === 'number' ? value : JSON.stringify(value));
  const table = (host) => ['[[hosts]]', ...Object.entries(host).map(([key, of]) => `${key} = ${value(of)}`), ''];
  const file = join(home.directory, 'memdeck.toml');
  await writeFile(file, hosts.flatMap(table).join('\n'), { mode: 0o600 });
  return { MEMDECK_CONFIG: file };
}

// Starts a dashboard with these hosts.
export async function startFleet(stage, hosts) {
  const home = await stage.home();
  return stage.start('serve', await namingHosts(home, hosts), home);
}
