// What libvirt says, asked by the tool that operators have.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function virsh(...args) {
  const { stdout } = await run('virsh', ['-q', '-c', 'qemu:///system', ...args]);
  return stdout;
}

// Of whose fields which metric is. `N` stands for the number of a device: the metric is the sum over all of them.
const FIELDS = {
  cputime: 'cpu.time',
  timeusr: 'cpu.user',
  timesys: 'cpu.system',
  memactual: 'balloon.current',
  memrss: 'balloon.rss',
  memavailable: 'balloon.available',
  memusable: 'balloon.usable',
  memswap_in: 'balloon.swap_in',
  memswap_out: 'balloon.swap_out',
  memmajor_fault: 'balloon.major_fault',
  memminor_fault: 'balloon.minor_fault',
  memdisk_cache: 'balloon.disk_caches',
  net_rxbytes: 'net.N.rx.bytes',
  net_rxpackets: 'net.N.rx.pkts',
  net_rxerrors: 'net.N.rx.errs',
  net_rxdrops: 'net.N.rx.drop',
  net_txbytes: 'net.N.tx.bytes',
  net_txpackets: 'net.N.tx.pkts',
  net_txerrors: 'net.N.tx.errs',
  net_txdrops: 'net.N.tx.drop',
  disk_rd_req: 'block.N.rd.reqs',
  disk_rd_bytes: 'block.N.rd.bytes',
  disk_wr_reqs: 'block.N.wr.reqs',
  disk_wr_bytes: 'block.N.wr.bytes',
};

// The metrics of a guest, and when they were read, in seconds.
export async function domstats(guest) {
  const lines = (await virsh('domstats', '--balloon', '--cpu-total', '--interface', '--block', guest)).split('\n');
  const at = performance.now() / 1000;
  const told = lines.map((line) => line.trim().split('=')).filter(([, value]) => value !== undefined);
  const of = (field) => {
    const pattern = new RegExp(`^${field.replaceAll('.', '\\.').replace('N', '\\d+')}$`);
    const values = told.filter(([name]) => pattern.test(name)).map(([, value]) => Number(value));
    return values.length > 0 ? values.reduce((sum, value) => sum + value) : null;
  };
  return { at, ...Object.fromEntries(Object.entries(FIELDS).map(([metric, field]) => [metric, of(field)])) };
}
