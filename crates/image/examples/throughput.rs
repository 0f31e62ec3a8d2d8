//! Measures storing, verification and export (each format into a pipe) on a synthetic guest:
//! `throughput DIR [MiB] [percent zero] [FILE]`.
//!
//! The guest's memory is zeroes at the given rate, in runs of 8 MiB as free memory has them; the rest is what FILE holds,
//! again and again (a tar of programs and text resembles memory), or noise and text in turn without one. It is stored
//! as a frozen dump and as a live one. Each is compared with SHA-256 alone of the same bytes in the same run.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "an example")]

#[path = "../src/receive/qevm/synthetic.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod qevm;
#[path = "../src/synthetic.rs"]
mod synthetic;

use std::error::Error;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use memdeck_image::{
    CaptureFacts, Effort, ExportFormat, FrozenCapture, GuestFacts, HypervisorFacts, ImageExport, ImageStore,
    LiveCapture, OrderedImage, Provenance, verify,
};
use memdeck_model::{Actor, ByteCount, CaptureMode, DumpId, GuestName, HostClock, Timestamp};
use sha2::{Digest, Sha256};

pub(crate) const PAGE_BYTES: usize = 4096;

/// A block as `qevm` names it.
#[expect(dead_code, reason = "tests use it")]
pub(crate) struct RamBlock {
    pub(crate) name: String,
    pub(crate) length: u64,
}

const RUN_BYTES: usize = 1 << 20;

/// Memory made from a small stock, so that making it costs next to nothing.
struct Guest<'a> {
    zeroes: Vec<u8>,
    content: &'a [u8],
    zero_pct: usize,
    run: usize,
    at: usize,
}

impl<'a> Guest<'a> {
    fn new(content: &'a [u8], zero_pct: usize) -> Self {
        Self { zeroes: vec![0; RUN_BYTES], content, zero_pct, run: 0, at: 0 }
    }

    /// What is left of the run that comes next, and whether it is zeroes.
    fn run(&self) -> (&[u8], bool) {
        // Spread out by a step that has no divisor with 100.
        let is_zero = self.run / 8 * 37 % 100 < self.zero_pct;
        let content =
            || &self.content[self.run % (self.content.len() / RUN_BYTES) * RUN_BYTES..][..RUN_BYTES];
        let run = if is_zero { self.zeroes.as_slice() } else { content() };
        (&run[self.at..], is_zero)
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        if self.at == RUN_BYTES {
            self.at = 0;
            self.run += 1;
        }
    }
}

impl Read for Guest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.run().0.read(buffer)?;
        self.advance(count);
        Ok(count)
    }
}

/// The same memory as a live dump brings it.
struct Stream<'a> {
    guest: Guest<'a>,
    pages: u64,
    page: u64,
    /// What is to be read next.
    ready: Vec<u8>,
    at: usize,
}

impl<'a> Stream<'a> {
    fn new(guest: Guest<'a>, memory: u64) -> Self {
        let begin = qevm::StreamBuilder::new("pc-q35-7.2").blocks(&[("pc.ram", memory)]).section(3);
        // Names the block, which all other pages then have in common.
        let begin = begin.page("pc.ram", 0, qevm::Content::Zero);
        Self { guest, pages: memory / PAGE_BYTES as u64, page: 0, ready: begin.bytes, at: 0 }
    }

    fn refill(&mut self) {
        self.ready.clear();
        self.at = 0;
        let end = (self.page + 256).min(self.pages);
        for page in self.page..end {
            let (run, is_zero) = self.guest.run();
            let flags = 0x20 | if is_zero { 0x02 } else { 0x08 };
            self.ready.extend((page << 12 | flags).to_be_bytes());
            self.ready.extend(if is_zero { &[0] } else { &run[..PAGE_BYTES] });
            self.guest.advance(PAGE_BYTES);
        }
        if self.page < self.pages && end == self.pages {
            let mut tail = qevm::StreamBuilder::new("");
            tail.bytes.clear();
            self.ready.extend(tail.end_of_part().devices(&[qevm::cpu(0)]));
        }
        self.page = end;
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            self.refill();
        }
        let count = self.ready[self.at..].as_ref().read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// When a step began, on the clock and in processor time.
struct Start {
    at: Instant,
    cpu: f64,
}

impl Start {
    fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu_seconds() }
    }

    /// Tells a step's rate; returns its seconds, and those of the processors.
    fn told(&self, what: &str, bytes: u64) -> (f64, f64) {
        let (seconds, cpu) = (self.at.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
        let gigabytes = bytes as f64 / 1e9;
        println!("{what:<14} {seconds:6.3} s  {:5.2} GB/s  {cpu:6.2} CPU s", gigabytes / seconds);
        (seconds, cpu)
    }
}

/// What all threads of this process took so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn stock(file: Option<String>) -> io::Result<Vec<u8>> {
    let mut stock = match file {
        Some(path) => std::fs::read(path)?,
        None => (0..32).flat_map(noise_and_text).collect(),
    };
    // Whole runs.
    let rest = stock.len() % RUN_BYTES;
    stock.truncate(stock.len() - rest);
    if stock.is_empty() { Err(io::Error::other("the file is smaller than 1 MiB")) } else { Ok(stock) }
}

fn noise_and_text(seed: u64) -> Vec<u8> {
    let noise = synthetic::noise(seed, RUN_BYTES);
    if seed.is_multiple_of(2) {
        return noise;
    }
    let text = b"the quick brown fox jumps over the lazy dog 0123456789; ".iter().cycle();
    text.zip(noise).map(|(byte, noise)| byte ^ (noise & 3)).collect()
}

struct Bench<'a> {
    store: ImageStore,
    dump_id: DumpId,
    memory: u64,
    content: &'a [u8],
    zero_pct: usize,
}

impl Bench<'_> {
    fn guest(&self) -> Guest<'_> {
        Guest::new(self.content, self.zero_pct)
    }

    /// What one core needs for the hash of the image and nothing else.
    fn sha256(&self) -> (f64, f64) {
        let (mut guest, mut sha256) = (self.guest().take(self.memory), Sha256::new());
        let mut buffer = vec![0; RUN_BYTES];
        let start = Start::now();
        loop {
            let count = guest.read(&mut buffer).unwrap();
            if count == 0 {
                break;
            }
            sha256.update(&buffer[..count]);
        }
        std::hint::black_box(sha256.finalize());
        start.told("SHA-256 alone", self.memory)
    }

    fn measure(
        &self,
        mode: CaptureMode,
        receive: impl FnOnce(&ImageStore) -> Result<OrderedImage, Box<dyn Error>>,
    ) -> Result<(), Box<dyn Error>> {
        let mut partial = self.store.create(&GuestName("synthetic".to_owned()), &self.dump_id)?;
        let floor = self.sha256();
        let start = Start::now();
        let received = receive(&self.store)?;
        start.told("received", self.memory);
        let captured = partial.capture(received, &|| false, &mut |_| {})?;
        start.told("captured", self.memory);
        let sealed = partial.seal(provenance(mode, self.memory))?;
        compared(start.told("until sealed", self.memory), floor);
        println!(
            "  {} -> {}, {} of {} frames zero, {}",
            captured.raw_size, sealed.stored_size, captured.zero_frames, captured.frames, captured.sha256
        );
        let start = Start::now();
        let report = verify(&sealed.image, &mut |_| {})?;
        compared(start.told("verify", self.memory), floor);
        println!("  {}", report.verdict);
        for format in ExportFormat::ALL {
            let start = Start::now();
            let export = ImageExport::open(&sealed.image, format)?;
            let mut reader = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
            let mut pipe = reader.stdin.take().ok_or("cat has no input")?;
            export.write_from(0, Effort::AllCores, &mut pipe)?;
            drop(pipe);
            reader.wait()?;
            start.told(format.as_str(), self.memory);
        }
        self.store.remove_partials(&self.dump_id)?;
        Ok(())
    }
}

fn compared((seconds, cpu): (f64, f64), floor: (f64, f64)) {
    println!("  x SHA-256    {:6.2}                {:6.2}", seconds / floor.0, cpu / floor.1);
}

fn provenance(mode: CaptureMode, memory: u64) -> Provenance {
    let now = Timestamp::from_unix_micros(0).unwrap();
    Provenance {
        guest: GuestFacts {
            name: GuestName("synthetic".to_owned()),
            uuid: String::new(),
            vmid: "1".to_owned(),
            memory_bytes: ByteCount(memory),
            domain_xml_sha256: None,
            os_banner: None,
        },
        host: "example".to_owned(),
        host_kernel: None,
        host_clock: HostClock::default(),
        hypervisor: HypervisorFacts { uri: String::new(), libvirt_version: None, qemu_version: None },
        memdeck_version: env!("CARGO_PKG_VERSION").to_owned(),
        requested_by: Actor::named("example"),
        mode,
        started_at: now,
        finished_at: now,
        pause_ms: None,
        capture: CaptureFacts::default(),
        case: None,
        note: None,
        audit: None,
    }
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: throughput DIR [MiB] [percent zero] [FILE]")?;
    let memory = ByteCount::from_mib(arguments.next().map_or(Ok(1024), |text| text.parse())?).0;
    let zero_pct = arguments.next().map_or(Ok(82), |text| text.parse())?;
    let content = stock(arguments.next())?;
    let bench = Bench {
        store: ImageStore::open(Path::new(&dir))?,
        dump_id: format!("throughput-{}", std::process::id()).parse()?,
        memory,
        content: &content,
        zero_pct,
    };

    println!("frozen");
    bench.measure(CaptureMode::Frozen, |store| {
        let headers = synthetic::headers(&[(0, memory)]);
        let stream = headers.as_slice().chain(bench.guest().take(memory));
        Ok(FrozenCapture::prepare(store)?.receive(stream, &|| false, &mut |_| {})?)
    })?;
    println!("live");
    bench.measure(CaptureMode::Live, |store| {
        Ok(LiveCapture::receive(store, Stream::new(bench.guest(), memory), &|| false, &mut |_| {})?
            .into_reader())
    })?;
    println!("{} (with the content file)", peak_memory());
    Ok(())
}
