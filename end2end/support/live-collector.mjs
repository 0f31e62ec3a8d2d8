// Answers of a collector that runs, for pages in front of a dashboard whose values are put in (live-values.mjs).

const STATUS = {
  running: true,
  started_at: null,
  total_collections: 1,
  total_errors: 0,
  last_collection_time: null,
  vms_monitored: 2,
  total_metrics_written: 0,
  influx_queue_size: 0,
  influx_queue_dropped: 0,
  interval_ms: 1000,
  last_duration_ms: null,
  max_duration_ms: null,
  missed_intervals: 0,
  stale_vms: 0,
  partial_vms: 0,
  connection: { state: 'connected' },
  last_error: null,
  unmeasured: [],
  store_bytes: 0,
  store_given_up: 0,
  store_error: null,
};

const UNKNOWN_TOTALS = Object.fromEntries(
  [
    'state cpus cputime timeusr timesys memactual memrss memavailable memusable memswap_in memswap_out memmajor_fault',
    'memminor_fault memdisk_cache net_rxbytes net_rxpackets net_rxerrors net_rxdrops net_txbytes net_txpackets',
    'net_txerrors net_txdrops disk_rd_req disk_rd_bytes disk_wr_reqs disk_wr_bytes disk_errors',
  ]
    .join(' ')
    .split(' ')
    .map((field) => [field, null]),
);

// What the page calls. `buckets(metric, from, to)` is what was kept of a metric; nothing where it is not given. `status` is what
// differs from a collector that runs well.
export function collectorAnswers({ buckets = () => [], status = {} } = {}) {
  return {
    // One host.
    collectors: () => [],
    collector: () => ({ status: { ...STATUS, ...status }, settings: [] }),
    series: ({ query }) => ({
      uuid: query.uuid,
      metric: query.metric,
      device: null,
      per_second: true,
      from: query.from,
      to: query.to,
      step_ms: query.step_ms ?? 1000,
      source: 'embedded',
      buckets: buckets(query.metric, Date.parse(query.from), Date.parse(query.to)),
    }),
  };
}

// Everything about one guest, with these changes per second and totals; the rest is unknown.
export function sampleOf(uuid, { rates = {}, totals = {}, ...others }) {
  return {
    uuid,
    name: 'of-the-test',
    id: 1,
    state: 'running',
    at: new Date().toISOString(),
    age_ms: 0,
    stale: false,
    partial: false,
    memory_max: null,
    totals: { ...UNKNOWN_TOTALS, ...totals },
    rates,
    cpu_pct: null,
    cpu_user_pct: null,
    cpu_system_pct: null,
    memory_pct: null,
    degrees: {},
    devices: [],
    ...others,
  };
}
