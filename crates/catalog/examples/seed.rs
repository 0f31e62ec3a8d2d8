//! Fills a new catalog with made-up records, the same ones every time: what the page and the calls are measured on.
//!
//! ```text
//! cargo run --release -p memdeck-catalog --example seed -- STATE_DIR COUNT
//! ```

use std::error::Error;
use std::path::Path;

use memdeck_catalog::Catalog;
use memdeck_model::{ByteCount, CaptureMode, DumpId, GuestName, Millis, Record, Timestamp};

/// Records in one transaction.
const BATCH: u64 = 10_000;
/// 2024-01-01T00:00:00Z.
const FIRST_MICROS: i64 = 1_704_067_200_000_000;
const FIVE_MINUTES_MICROS: i64 = 300_000_000;
const ROLES: [&str; 6] = ["web", "db", "mail", "cache", "batch", "dc"];
const MEMORY_MIB: [u64; 5] = [256, 512, 1024, 4096, 16384];

/// `SplitMix64`: numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        &items[index]
    }
}

fn record(index: u64, numbers: &mut Numbers) -> Result<Record, Box<dyn Error>> {
    let guest = numbers.below(500);
    let name = format!("{}-{guest:03}", ROLES[usize::try_from(guest)? % ROLES.len()]);
    let micros = FIRST_MICROS
        + i64::try_from(index)? * FIVE_MINUTES_MICROS
        + i64::try_from(numbers.below(200_000_000))?;
    let begun = Timestamp::from_unix_micros(micros)?;
    let id = DumpId::from_uuid_bits(u128::from(numbers.next()) << 64 | u128::from(numbers.next()));
    let raw = *numbers.pick(&MEMORY_MIB) * 1024 * 1024 + 262_144;
    let duration_ms = 300 + numbers.below(60_000);
    let ended = begun.plus(Millis(duration_ms)).unix_seconds();
    let is_live = numbers.below(4) > 0;
    let words: [u64; 4] = std::array::from_fn(|_| numbers.next());
    let hash = words.map(|word| format!("{word:016x}")).concat();
    let is_foreign = index.is_multiple_of(50);
    let known = |text: String| (!is_foreign).then_some(text);
    Ok(Record {
        sha256: known(hash),
        #[expect(clippy::cast_precision_loss, reason = "seconds of a minute")]
        duration_sec: (!is_foreign).then_some(duration_ms as f64 / 1000.0),
        gzip_size_bytes: Some(ByteCount(raw / (4 + numbers.below(12)))),
        ctime: Some(ended),
        mtime: Some(ended),
        atime: Some(ended),
        dump_path: Some(format!("/var/lib/memdeck/dumps/{name}_{}_{id}.elf.zst", begun.unix_seconds())),
        host: known(format!("hv{:02}", guest % 8)),
        mode: (!is_foreign).then_some(if is_live { CaptureMode::Live } else { CaptureMode::Frozen }),
        pause_ms: (!is_foreign).then_some(Millis(if is_live { numbers.below(90) } else { duration_ms })),
        raw_size_bytes: Some(ByteCount(raw)),
        format: known("elf".to_owned()),
        codec: known("zstd".to_owned()),
        ok: !index.is_multiple_of(500),
        point_in_time: Some(begun),
        case: guest.is_multiple_of(4).then(|| format!("IR-2026-{:03}", guest / 4).parse()).transpose()?,
        note: (index % 8 == 1)
            .then(|| "Beacons to an unknown host, seen by the night shift and kept for the file.".parse())
            .transpose()?,
        dump_id: Some(id),
        ..Record::unknown(GuestName(name), (guest + 1).to_string(), begun)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, count] = arguments.as_slice() else { return Err("usage: seed STATE_DIR COUNT".into()) };
    let count: u64 = count.parse()?;
    let catalog = Catalog::open(Path::new(dir))?;
    if catalog.stats()?.total_dumps > 0 {
        return Err(format!("{dir} holds records already; name a new directory").into());
    }
    let mut numbers = Numbers(2026);
    for start in (0..count).step_by(usize::try_from(BATCH)?) {
        let batch = (start..count.min(start + BATCH))
            .map(|index| Ok((index + 1, record(index, &mut numbers)?)))
            .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        catalog.import("made up", &batch)?;
    }
    println!("{count} records in {dir}");
    Ok(())
}
