//! Measures capture, verification and export (each format into a pipe) on a synthetic guest: `throughput DIR [MiB] [percent zero]`.
//!
//! The guest's memory is zeroes at the given rate; the rest is runs of noise and of text, 64 KiB each, in turn.

#[path = "../src/synthetic.rs"]
mod synthetic;

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use memdeck_image::{
    CaptureFacts, Effort, ExportFormat, GuestFacts, HypervisorFacts, ImageExport, ImageStore, Provenance,
    verify,
};
use memdeck_model::{ByteCount, CaptureMode, GuestName, Timestamp};

const RUN_BYTES: usize = 64 << 10;
/// More than a frame holds, so that no frame meets the same noise twice.
const NOISE_RUNS: usize = 64;

/// Memory made from a small stock, so that making it costs next to nothing.
struct Guest {
    zeroes: Vec<u8>,
    noise: Vec<u8>,
    text: Vec<u8>,
    zero_pct: usize,
    run: usize,
    at: usize,
}

impl Guest {
    fn new(zero_pct: usize) -> Self {
        let mut text = b"the quick brown fox jumps over the lazy dog 0123456789; ".repeat(RUN_BYTES / 56 + 1);
        text.truncate(RUN_BYTES);
        for (byte, noise) in text.iter_mut().zip(synthetic::noise(9, RUN_BYTES)) {
            *byte ^= noise & 3;
        }
        let noise = synthetic::noise(7, NOISE_RUNS * RUN_BYTES);
        Self { zeroes: vec![0; RUN_BYTES], noise, text, zero_pct, run: 0, at: 0 }
    }
}

impl Read for Guest {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Zero runs come in groups, as free memory does.
        let noise = &self.noise[self.run % NOISE_RUNS * RUN_BYTES..][..RUN_BYTES];
        let run = match self.run % 2 {
            _ if self.run / 16 % 100 < self.zero_pct => &self.zeroes,
            0 => &self.text,
            _ => noise,
        };
        let mut rest = &run[self.at..];
        let count = rest.read(buffer)?;
        self.at += count;
        if self.at == RUN_BYTES {
            self.at = 0;
            self.run += 1;
        }
        Ok(count)
    }
}

fn told(what: &str, bytes: u64, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let gigabytes = bytes as f64 / 1e9;
    println!("{what:<8} {seconds:6.3} s  {:6.2} GB/s", gigabytes / seconds);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: throughput DIR [MiB] [percent zero]")?;
    let memory = ByteCount::from_mib(arguments.next().map_or(Ok(1024), |text| text.parse())?).0;
    let zero_pct = arguments.next().map_or(Ok(82), |text| text.parse())?;

    let store = ImageStore::open(Path::new(&dir))?;
    let name = GuestName("synthetic".to_owned());
    let dump_id = format!("throughput-{}", std::process::id()).parse()?;
    let mut partial = store.create(&name, &dump_id)?;
    let headers = synthetic::headers(&[(0, memory)]);
    let stream = headers.as_slice().chain(Guest::new(zero_pct).take(memory));

    let start = Instant::now();
    let captured = partial.capture(stream, &mut |_| {})?;
    println!("read in  {}", captured.read_ms);
    told("capture", memory, start);
    let now = Timestamp::from_unix_micros(0)?;
    let start = Instant::now();
    let sealed = partial.seal(Provenance {
        guest: GuestFacts {
            name,
            uuid: String::new(),
            vmid: "1".to_owned(),
            memory_bytes: ByteCount(memory),
            domain_xml_sha256: None,
        },
        host: "example".to_owned(),
        hypervisor: HypervisorFacts { uri: String::new(), libvirt_version: None, qemu_version: None },
        memdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        requested_by: "example".to_owned(),
        mode: CaptureMode::Frozen,
        started_at: now,
        finished_at: now,
        pause_ms: None,
        capture: CaptureFacts::default(),
        case: None,
        note: None,
    })?;
    told("seal", memory, start);
    println!(
        "{} -> {}, {} of {} frames zero",
        captured.raw_size, sealed.stored_size, captured.zero_frames, captured.frames
    );

    let start = Instant::now();
    let report = verify(&sealed.image, &mut |_| {})?;
    told("verify", memory, start);
    println!("{}", report.verdict);
    for format in ExportFormat::ALL {
        let start = Instant::now();
        let export = ImageExport::open(&sealed.image, format)?;
        let mut reader = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut pipe = reader.stdin.take().ok_or("cat has no input")?;
        export.write_from(0, Effort::AllCores, &mut pipe)?;
        drop(pipe);
        reader.wait()?;
        told(format.as_str(), memory, start);
    }
    store.remove_partials(&dump_id)?;
    Ok(())
}
