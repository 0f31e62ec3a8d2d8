use std::time::Duration;

use memdeck_hypervisor::GuestStats;
use memdeck_hypervisor::simulated::SimulatedStats;
use memdeck_model::Timestamp;
use memdeck_model::telemetry::{Series, SeriesQuery};

use super::*;
use crate::Rates;

const UUID: &str = "00000000-0000-4000-9000-000000000000";
/// 2025-01-01, a full minute.
const START: i64 = 1_735_689_600;

/// Guests, a store, and a clock that is moved by hand.
struct Bench {
    dir: tempfile::TempDir,
    stats: SimulatedStats,
    rates: Rates,
    snapshot: Arc<Snapshot>,
    store: Option<Store>,
    now: i64,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000).unwrap()
}

impl Bench {
    fn new(guests: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join(Store::FILE_NAME), Store::DEFAULT_LIMIT).unwrap();
        Self {
            dir,
            stats: SimulatedStats::new(guests, 3).with_step(Duration::from_secs(1)),
            rates: Rates::new(Duration::from_secs(5)),
            snapshot: Arc::default(),
            store: Some(store),
            now: START,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Collects once a second.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            let collection = self.stats.collect().unwrap();
            self.snapshot = Arc::new(self.snapshot.after(collection, &mut self.rates, at(self.now)));
            self.store().append(&self.snapshot);
            self.store().settle();
            self.now += 1;
        }
    }

    fn series(&self, metric: Metric, range: std::ops::Range<i64>, step_s: u64) -> Series {
        let device = match metric.scope() {
            memdeck_model::telemetry::MetricScope::Guest => None,
            memdeck_model::telemetry::MetricScope::Nic => Some("vnet0".to_owned()),
            memdeck_model::telemetry::MetricScope::Disk => Some("vda".to_owned()),
        };
        let query = SeriesQuery {
            host: None,
            uuid: UUID.into(),
            metric,
            device,
            from: at(range.start),
            to: at(range.end),
            step_ms: Some(memdeck_model::Millis(step_s * 1000)),
        };
        self.store().series(&query).unwrap()
    }

    /// As `kill -9` leaves it: a copy of the file and its log, of a store that never got to know of its end.
    fn after_kill(mut self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for suffix in ["", "-wal"] {
            let name = format!("{}{suffix}", Store::FILE_NAME);
            std::fs::copy(self.dir.path().join(&name), dir.path().join(&name)).unwrap();
        }
        self.store = Some(Store::open(&dir.path().join(Store::FILE_NAME), Store::DEFAULT_LIMIT).unwrap());
        self.dir = dir;
        self
    }
}

fn times(series: &Series) -> Vec<i64> {
    series.buckets.iter().map(|bucket| bucket.at.unix_seconds()).collect()
}

#[test]
fn the_last_seconds_are_there_at_once_and_as_they_were_measured() {
    let mut bench = Bench::new(2);
    bench.run(65);
    let memory = bench.series(Metric::MemRss, START..START + 100, 1);
    assert_eq!(times(&memory), (START..START + 65).collect::<Vec<_>>());
    assert_eq!(memory.step_ms.0, 1000);
    let now = bench.snapshot.guest(UUID).unwrap();
    let last = memory.buckets.last().unwrap();
    assert_eq!(last.raw, now.sample.totals.memrss);
    for metric in [Metric::CpuTime, Metric::NicRxBytes, Metric::BlockWriteReqs] {
        let series = bench.series(metric, START..START + 100, 1);
        // The first sample has no rate.
        assert_eq!(times(&series), (START + 1..START + 65).collect::<Vec<_>>(), "{metric}");
    }
    let cpu = bench.series(Metric::CpuTime, START..START + 100, 1);
    let rate = now.rates.total(Metric::CpuTime).unwrap().per_second();
    assert!((cpu.buckets.last().unwrap().mean - rate).abs() < 0.01);
}

#[test]
fn longer_steps_have_the_same_sums_as_the_seconds_they_are_made_of() {
    let mut bench = Bench::new(1);
    bench.run(600);
    for metric in [Metric::CpuTime, Metric::NetRxBytes, Metric::MemUsable] {
        let seconds = bench.series(metric, START + 60..START + 540, 1);
        for step in [10, 60] {
            let steps = bench.series(metric, START + 60..START + 540, step);
            assert_eq!(steps.buckets.len() as u64, 480 / step, "{metric}");
            for bucket in &steps.buckets {
                let from = bucket.at.unix_seconds();
                let range = from..from + step.cast_signed();
                let parts: Vec<_> =
                    seconds.buckets.iter().filter(|part| range.contains(&part.at.unix_seconds())).collect();
                let count = f64::from(u32::try_from(parts.len()).unwrap());
                let mean = parts.iter().map(|part| part.mean).sum::<f64>() / count;
                assert!((bucket.mean - mean).abs() <= mean * 1e-6, "{metric} {step}: {} {mean}", bucket.mean);
                let max = parts.iter().map(|part| part.max).fold(f64::MIN, f64::max);
                let min = parts.iter().map(|part| part.min).fold(f64::MAX, f64::min);
                assert!((bucket.max - max).abs() < 0.01 && (bucket.min - min).abs() < 0.01, "{metric}");
                assert_eq!(bucket.raw, parts.last().unwrap().raw);
            }
        }
    }
}

#[test]
fn a_kill_costs_ten_seconds_at_most_on_every_level() {
    let mut bench = Bench::new(3);
    bench.run(645);
    let before = bench.series(Metric::CpuTime, START..START + 700, 60);
    let mut bench = bench.after_kill();
    bench.run(200);
    let seconds = times(&bench.series(Metric::CpuTime, START..START + 645, 1));
    assert!(seconds.len() >= 634, "{} of 645 seconds", seconds.len());
    for step in [10, 60] {
        let series = bench.series(Metric::CpuTime, START..START + 840, step);
        assert_eq!(series.step_ms.0, step * 1000);
        assert_eq!(series.buckets.len() as u64, 840 / step, "no step is missing");
        let mut distinct = times(&series);
        distinct.dedup();
        assert_eq!(distinct.len(), series.buckets.len());
    }
    let after = bench.series(Metric::CpuTime, START..START + 840, 60);
    assert_eq!(before.buckets[..10], after.buckets[..10]);
}

#[test]
fn a_restart_of_the_guest_is_no_spike_and_its_absence_is_a_gap() {
    let mut bench = Bench::new(1);
    bench.run(20);
    bench.stats.restart("vm-0");
    bench.run(20);
    let series = bench.series(Metric::NetRxBytes, START..START + 40, 1);
    assert!(!times(&series).contains(&(START + 20)), "the first second has no rate");
    assert_eq!(series.buckets.len(), 38);
    let usual = series.buckets[5].mean;
    assert!(series.buckets.iter().all(|bucket| bucket.max < usual * 2.0 && bucket.min > 0.0));
    bench.stats.set_hanging("vm-0", true);
    bench.run(200);
    bench.stats.set_hanging("vm-0", false);
    bench.run(10);
    let gap = bench.series(Metric::MemRss, START..START + 250, 10);
    let expected: Vec<_> = (0..4).chain([24]).map(|step| START + step * 10).collect();
    assert_eq!(times(&gap), expected);
}

#[test]
fn devices_that_come_and_go_have_their_own_series() {
    let mut bench = Bench::new(1);
    bench.run(15);
    bench.stats.set_devices("vm-0", 1);
    bench.run(15);
    bench.stats.set_devices("vm-0", 3);
    bench.run(15);
    let disk = times(&bench.series(Metric::BlockReadBytes, START..START + 60, 1));
    let expected: Vec<_> = (START + 1..START + 15).chain(START + 31..START + 45).collect();
    assert_eq!(disk, expected);
    assert_eq!(bench.series(Metric::NicTxBytes, START..START + 60, 1).buckets.len(), 44);
}

#[test]
fn an_answer_is_bounded_in_points() {
    let mut bench = Bench::new(1);
    bench.run(130);
    let week = bench.series(Metric::MemRss, START - 7 * 86_400..START + 130, 1);
    assert!(week.step_ms.0 >= 7 * 86_400 * 1000 / crate::MAX_POINTS, "{:?}", week.step_ms);
    assert!(!week.buckets.is_empty());
    let (end, before) = (START + 500, START + 400);
    let nothing = bench.series(Metric::MemRss, end..before, 1);
    assert_eq!(nothing.buckets, []);
}

#[test]
fn what_is_too_old_goes_and_the_coarser_level_answers() {
    let mut bench = Bench::new(1);
    bench.run(16 * 60 + 30);
    let oldest = bench.store().oldest(0).unwrap() / 1000;
    assert!((bench.now - oldest) <= 15 * 60 + 11, "{} s are kept", bench.now - oldest);
    let whole = bench.series(Metric::MemRss, START..bench.now, 1);
    assert_eq!(whole.step_ms.0, 10_000, "seconds do not reach back so far");
    assert_eq!(times(&whole).first(), Some(&START));
    assert_eq!(bench.series(Metric::MemRss, bench.now - 300..bench.now, 1).buckets.len(), 300);
}

#[test]
fn a_file_that_is_not_ours_is_kept_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Store::FILE_NAME);
    std::fs::write(&path, "no database, but long enough to be looked at as one".repeat(100)).unwrap();
    let store = Store::open(&path, Store::DEFAULT_LIMIT).unwrap();
    assert!(store.size().0 > 0);
    assert!(dir.path().join("telemetry.db.damaged").exists());
}

#[test]
fn the_file_stays_within_its_limit_and_keeps_what_is_newest() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(Store::FILE_NAME);
    // As small as it gets: 12 MiB of file.
    let mut file = File::open(&path, 0).unwrap();
    let data = vec![7; 3000];
    for step in 0..200 {
        let start = START * 1000 + step * 1000;
        let blocks: Vec<_> = (1..=40)
            .map(|guest| guest::NewBlock {
                level: usize::try_from(step % 3).unwrap(),
                guest,
                start,
                data: data.clone(),
            })
            .collect();
        file.write(&blocks, start).unwrap();
        assert!(file.size().unwrap() <= 12 << 20);
    }
    assert!(file.size().unwrap() > 9 << 20, "it uses what it may");
    for (level, oldest) in LEVELS.iter().zip(file.oldest().unwrap()) {
        assert!(oldest.is_some_and(|oldest| oldest > START * 1000), "{}: the oldest are gone", level.table);
        let newest = file.last_block(*level, 1).unwrap().unwrap().0;
        assert!(newest >= (START + 197) * 1000);
    }
}

/// The catalog's reserve is on the same volume: whatever it gives up for an end would be gone with the next block.
#[test]
fn a_volume_with_little_room_is_left_to_the_catalog_and_series_go_on_when_there_is_room() {
    let mut bench = Bench::new(1);
    bench.run(30);
    let path = bench.dir.path().join(Store::FILE_NAME);
    let log = || std::fs::metadata(path.with_extension("db-wal")).map_or(0, |log| log.len());
    let reopen = |bench: &mut Bench, left_free| {
        bench.store = None;
        bench.store = Some(Store::open_leaving(left_free, &path, Store::DEFAULT_LIMIT).unwrap());
    };
    reopen(&mut bench, ByteCount(u64::MAX));
    let (length, before) = (std::fs::metadata(&path).unwrap().len(), log());
    bench.run(60);
    assert_eq!((std::fs::metadata(&path).unwrap().len(), log()), (length, before), "nothing is written");
    assert!(bench.store().last_error().is_some());
    reopen(&mut bench, ByteCount(0));
    bench.run(30);
    assert_eq!(bench.store().last_error(), None);
    assert!(log() > before);
}
