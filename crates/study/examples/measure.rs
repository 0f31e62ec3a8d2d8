//! Measures mount, compare and hunt on a synthetic guest: `measure DIR [MiB] [percent not zero] [FILE] [dumps]`.
//!
//! The guest's memory is zeroes but for the given rate, in runs of 8 MiB as free memory has them; the rest is what FILE holds,
//! again and again (a tar of programs and text resembles memory), or noise without one. Of each further dump one MiB in
//! fifty is another than in the one before. DIR keeps the images for the next time.

#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "an example, and tests use more of what it shares with them"
)]

#[path = "../../image/src/synthetic.rs"]
mod synthetic;
#[path = "../src/testing.rs"]
mod testing;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memdeck_image::{Effort, ExportFormat, ImageExport, PageClass, PageMap};
use memdeck_model::{ByteCount, HuntHit, HuntProgress, PatternKind};
use memdeck_study::compare::{ComparedImage, compare};
use memdeck_study::hunt::{HuntedImage, Pattern, PatternOptions, PatternSet, Watcher, hunt};
use memdeck_study::mount::{DirectoryImages, MountOptions, mount};

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
const READ_FOR: Duration = Duration::from_secs(8);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let mut number = |default: usize| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (mib, filled) = (number(1024), number(25));
    let content = arguments.next().map(|file| std::fs::read(file).unwrap());
    let content = content.unwrap_or_else(|| synthetic::noise(1, 64 * MIB));
    let dumps = arguments.next().map_or(2, |text| text.parse().unwrap());
    let images = images(&directory, mib, filled, &content, dumps);
    measure_mount(&directory, &images[0]);
    measure_compare(&images);
    measure_hunt(&images);
}

/// Stores the dumps, or takes those that are there.
fn images(directory: &Path, mib: usize, filled: usize, content: &[u8], dumps: usize) -> Vec<PathBuf> {
    let store = directory.join("dumps");
    if !store.exists() {
        std::fs::create_dir_all(directory).unwrap();
        let lab = testing::Lab::in_directory(&store);
        let mut memory = [(0, vec![0; mib * MIB])];
        for (number, run) in memory[0].1.chunks_mut(8 * MIB).enumerate() {
            if number * 37 % 100 < filled {
                let start = number * 8 * MIB % (content.len() - 8 * MIB);
                run.copy_from_slice(&content[start..start + run.len()]);
            }
        }
        for dump in 0..dumps {
            let begun = Instant::now();
            let taken = format!("2026-11-14T08:{dump:02}:00Z");
            lab.store("web-01", &taken, &memory);
            println!("stored dump {dump} in {:.1} s", begun.elapsed().as_secs_f64());
            for part in memory[0].1.chunks_mut(MIB).skip(dump).step_by(50) {
                for page in part.chunks_mut(PAGE).filter(|page| page.iter().any(|byte| *byte != 0)) {
                    page[dump % PAGE] ^= 0x55;
                }
            }
        }
    }
    let mut images: Vec<PathBuf> = std::fs::read_dir(&store)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".elf.zst"))
        .collect();
    images.sort();
    images
}

fn mounting() -> MountOptions {
    let tell = Box::new(|what: &str| println!("{what}"));
    MountOptions { cache: ByteCount::from_mib(256), tell, may_read: Box::new(|_| Some(0)) }
}

fn measure_mount(directory: &Path, image: &Path) {
    let place = directory.join("mount");
    std::fs::create_dir_all(&place).unwrap();
    let source = Arc::new(DirectoryImages::new(directory.join("dumps")));
    let options = mounting();
    let mounted = mount(&place, source, options).unwrap();
    let path = place.join("web-01/20261114T080000Z.elf");

    let mut map = PageMap::open(&PageMap::path_beside(image)).unwrap();
    let run = map.runs().next().unwrap();
    let filled: Vec<u64> = (0..)
        .zip(map.entries(0).unwrap())
        .filter(|(_, entry)| entry.as_ref().unwrap().class != PageClass::Zero)
        .map(|(page, _)| run.offset + page * PAGE as u64)
        .collect();
    let begun = Instant::now();
    let reads: u64 = std::thread::scope(|scope| {
        let reader = |seed: u64| {
            let (path, filled) = (&path, &filled);
            scope.spawn(move || {
                let file = File::open(path).unwrap();
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap();
                let (mut state, mut count, mut page) = (seed, 0, [0; PAGE]);
                while begun.elapsed() < READ_FOR {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let place = filled[usize::try_from(state >> 33).unwrap() % filled.len()];
                    file.read_exact_at(&mut page, place).unwrap();
                    count += 1;
                }
                count
            })
        };
        [1, 2].map(reader).into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    let seconds = begun.elapsed().as_secs_f64();
    println!("random reads, two readers: {:.0} per second", reads as f64 / seconds);
    mounted.end();

    for round in 0..2 {
        let begun = Instant::now();
        let mut sink = Pipe::new();
        ImageExport::open(image, ExportFormat::Elf)
            .unwrap()
            .write_from(0, Effort::AllCores, &mut sink.writer)
            .unwrap();
        let size = sink.end();
        let export = begun.elapsed();
        // A fresh mount: nothing of it is in memory.
        let source = Arc::new(DirectoryImages::new(directory.join("dumps")));
        let options = mounting();
        let mounted = mount(&place, source, options).unwrap();
        let begun = Instant::now();
        let mut file = File::open(&path).unwrap();
        let mut buffer = vec![0; MIB];
        let mut read = 0;
        loop {
            match file.read(&mut buffer).unwrap() {
                0 => break,
                count => read += count as u64,
            }
        }
        let through = begun.elapsed();
        assert_eq!(read, size);
        println!(
            "sequential, round {round}: export {:.2} s, mount {:.2} s, {:.2} of export",
            export.as_secs_f64(),
            through.as_secs_f64(),
            export.as_secs_f64() / through.as_secs_f64()
        );
        drop(file);
        mounted.end();
    }
}

/// A pipe that somebody empties, as `memdeck export` writes to.
struct Pipe {
    writer: File,
    reader: std::thread::JoinHandle<u64>,
}

impl Pipe {
    fn new() -> Self {
        let (mut reader, writer) = io::pipe().unwrap();
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; MIB];
            let mut count = 0;
            loop {
                match reader.read(&mut buffer).unwrap() {
                    0 => return count,
                    read => count += read as u64,
                }
            }
        });
        Self { writer: File::from(std::os::fd::OwnedFd::from(writer)), reader }
    }

    fn end(self) -> u64 {
        let Self { mut writer, reader } = self;
        writer.flush().unwrap();
        drop(writer);
        reader.join().unwrap()
    }
}

fn measure_compare(images: &[PathBuf]) {
    let [first, second, ..] = images else { return };
    let image = |path| ComparedImage { path, record: None };
    for _ in 0..3 {
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let comparison =
            compare(image(first), image(second), &mut |_| ControlFlow::Continue(()), &|| false).unwrap();
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("compare: {seconds:.3} s, {cpu:.2} CPU-s: {}", comparison.summary().join(" "));
    }
}

/// Seconds that all cores together have worked for this process: of use where the machine is busy with something else.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // In hundredths, behind the name in brackets (proc(5)): utime and stime.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

struct Silent;

impl Watcher for Silent {
    fn hit(&mut self, _: &HuntHit) {}

    fn progress(&mut self, _: HuntProgress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn measure_hunt(images: &[PathBuf]) {
    let indicator = |number: u64| {
        let letters = synthetic::noise(number, 8 + usize::try_from(number % 24).unwrap());
        let text = letters
            .iter()
            .map(|byte| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789-./"[usize::from(*byte) % 39]))
            .collect();
        Pattern { text, kind: PatternKind::Text }
    };
    let patterns = PatternSet::new((0..1000).map(indicator).collect(), PatternOptions::default()).unwrap();
    let mut one = 0.0;
    for count in [1, images.len()] {
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        let images: Vec<_> = images[..count].iter().map(|path| HuntedImage { path, record: None }).collect();
        let report = hunt(&images, &patterns, 10_000, &mut Silent);
        let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        one = if count == 1 { seconds } else { one };
        let memory: u64 = report.dumps.iter().map(|dump| dump.memory_bytes.0).sum();
        println!(
            "hunt, 1,000 strings, {count} dumps: {seconds:.2} s, {cpu:.2} CPU-s, {:.2} GB/s of image, {:.2} times one, {} hits, {:?}",
            memory as f64 / 1e9 / seconds,
            seconds / one,
            report.hits,
            report.dumps.iter().map(|dump| dump.searched_bytes).collect::<Vec<_>>()
        );
    }
}
