//! On a real mount: `/dev/fuse` must be there, and the tests run as root.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use memdeck_image::{Effort, ExportFormat, ImageExport};

use super::names::{FORMATS, extension};
use super::*;
use crate::synthetic::noise;
use crate::testing::Lab;

const MIB: usize = 1 << 20;
const TAKEN: &str = "2026-11-14T08:58:23Z";

/// A mount of a lab's images that is taken off with the test.
struct OnMount {
    mounted: Option<Mounted>,
    place: PathBuf,
    told: Arc<Mutex<Vec<String>>>,
}

impl OnMount {
    fn of(lab: &Lab, cache: ByteCount) -> Self {
        let place = lab.empty_directory("mount");
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&told);
        let tell = Box::new(move |sentence: &str| hears.lock().push(sentence.to_owned()));
        let source = Arc::new(DirectoryImages::new(lab.dumps().to_owned()));
        let mounted = mount(&place, source, MountOptions { cache, tell, may_read: Box::new(|_| Some(0)) });
        let mounted = mounted
            .unwrap_or_else(|error| panic!("tests of mounts need FUSE, and root: {}", with_causes(&error)));
        Self { mounted: Some(mounted), place, told }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Waits until it has that many images.
    fn wait_for_images(&self, count: usize) {
        let begun = Instant::now();
        while self.mounted.as_ref().unwrap().images() != count {
            assert!(begun.elapsed() < Duration::from_secs(30), "the list does not change");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().clone()
    }
}

impl Drop for OnMount {
    fn drop(&mut self) {
        if let Some(mounted) = self.mounted.take() {
            mounted.end();
        }
    }
}

/// Everybody may read, and nobody is told anything.
fn options() -> MountOptions {
    MountOptions { cache: ByteCount::from_mib(1), tell: Box::new(|_| {}), may_read: Box::new(|_| Some(0)) }
}

fn exported(image: &Path, format: ExportFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    ImageExport::open(image, format).unwrap().write_from(0, Effort::AllCores, &mut bytes).unwrap();
    bytes
}

/// 9 MiB in two ranges at odd places, some of it zeroes.
fn memory(seed: u64) -> Vec<(u64, Vec<u8>)> {
    let high = [noise(seed, 3 * MIB), vec![0; 3 * MIB], noise(seed + 1, MIB + 5000)].concat();
    vec![(0, noise(seed + 2, 640 << 10)), (16 << 20, high)]
}

#[test]
fn a_mounted_image_has_the_bytes_of_an_export_in_every_format() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &memory(1));
    let on = OnMount::of(&lab, ByteCount::from_mib(4));
    for format in FORMATS {
        let expected = exported(&image, format);
        let path = on.file(&format!("web-01/20261114T085823Z.{}", extension(format)));
        let metadata = path.metadata().unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o7777), (expected.len() as u64, 0o400));
        assert!(fs::read(&path).unwrap() == expected, "{format}");
        let file = File::open(&path).unwrap();
        let mut state = 7_u64;
        for _ in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let start = usize::try_from(state >> 33).unwrap() % expected.len();
            let length = (usize::try_from(state & 0x1_ffff).unwrap() + 1).min(expected.len() - start);
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, start as u64).unwrap();
            assert!(bytes == expected[start..start + length], "{format} {start} {length}");
        }
        let mut end = [0; 10];
        assert_eq!(file.read_at(&mut end, expected.len() as u64).unwrap(), 0);
        assert_eq!(file.read_at(&mut end, expected.len() as u64 - 4).unwrap(), 4);
    }
    assert_eq!(on.told(), [""; 0]);
}

#[test]
fn many_readers_at_once_read_the_same() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &memory(3));
    let expected = exported(&image, ExportFormat::Elf);
    // Room for two frames: what one reads drives out what another did.
    let on = OnMount::of(&lab, ByteCount::from_mib(2));
    let path = on.file("web-01/20261114T085823Z.elf");
    std::thread::scope(|scope| {
        for reader in 0..8_u64 {
            let (path, expected) = (&path, &expected);
            scope.spawn(move || {
                let mut file = File::open(path).unwrap();
                let start = reader * 700_000;
                file.seek(SeekFrom::Start(start)).unwrap();
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                assert!(bytes == expected[usize::try_from(start).unwrap()..], "reader {reader}");
            });
        }
    });
}

#[test]
fn a_damaged_frame_is_an_error_and_the_others_are_read() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &[(0, noise(5, 4 * MIB))]);
    let expected = exported(&image, ExportFormat::Elf);
    let mut stored = fs::read(&image).unwrap();
    // Noise does not compress: this is in the second frame.
    stored[MIB + MIB / 2] ^= 1;
    fs::write(&image, stored).unwrap();
    let on = OnMount::of(&lab, ByteCount::from_mib(8));
    let file = File::open(on.file("web-01/20261114T085823Z.elf")).unwrap();
    let mut page = [0; 4096];
    for frame in [0, 2, 3] {
        file.read_exact_at(&mut page, (frame * MIB) as u64).unwrap();
        assert!(page == expected[frame * MIB..][..4096]);
    }
    for place in [MIB, MIB + MIB / 2, 2 * MIB - 4096] {
        let error = file.read_exact_at(&mut page, place as u64).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    }
    let told = on.told();
    assert!(told.len() == 1 && told[0].contains("frame 1 is damaged"), "{told:?}");
}

#[test]
fn an_exchanged_frame_is_an_error() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &[(0, noise(5, 2 * MIB))]);
    let other = lab.store("web-02", TAKEN, &[(0, noise(6, 2 * MIB))]);
    // Sound in itself, of the same length, and another dump's.
    fs::copy(&other, &image).unwrap();
    let on = OnMount::of(&lab, ByteCount::from_mib(8));
    let mut file = File::open(on.file("web-01/20261114T085823Z.elf")).unwrap();
    assert!(file.read_to_end(&mut Vec::new()).is_err());
    assert!(on.told()[0].contains("not the one that was recorded"), "{:?}", on.told());
}

#[test]
fn an_image_that_cannot_be_opened_is_an_error_with_a_reason() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &memory(1));
    fs::write(&image, b"no image").unwrap();
    let on = OnMount::of(&lab, ByteCount::from_mib(8));
    let error = on.file("web-01/20261114T085823Z.elf").metadata().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    assert!(on.told()[0].contains("cannot be read"), "{:?}", on.told());
}

#[test]
fn a_new_image_appears_and_a_deleted_one_vanishes_also_for_who_has_it_open() {
    let lab = Lab::new();
    let image = lab.store("web-01", TAKEN, &memory(1));
    let on = OnMount::of(&lab, ByteCount::from_mib(8));
    let names = |directory: PathBuf| {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(on.place.clone()), ["web-01"]);
    lab.store("web-01", "2026-11-14T08:58:24Z", &memory(2));
    on.wait_for_images(2);
    let files = ["20261114T085823Z", "20261114T085824Z"]
        .map(|stem| ["elf", "lime", "raw"].map(|format| format!("{stem}.{format}")));
    assert_eq!(names(on.file("web-01")), files.concat());
    let open = File::open(on.file("web-01/20261114T085823Z.elf")).unwrap();
    let mut page = [0; 4096];
    open.read_exact_at(&mut page, 0).unwrap();
    fs::remove_file(&image).unwrap();
    on.wait_for_images(1);
    assert_eq!(names(on.file("web-01")), files[1]);
    // What the kernel had of it is gone as well.
    let begun = Instant::now();
    while open.read_exact_at(&mut page, 0).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5), "a deleted image can still be read");
    }
    let kept = File::open(on.file("web-01/20261114T085824Z.elf")).unwrap();
    kept.read_exact_at(&mut page, 0).unwrap();
}

#[test]
fn nothing_can_be_written_and_nobody_else_may_look() {
    let lab = Lab::new();
    lab.store("web-01", TAKEN, &memory(1));
    let on = OnMount::of(&lab, ByteCount::from_mib(8));
    let path = on.file("web-01/20261114T085823Z.elf");
    let read_only = Some(rustix::io::Errno::ROFS.raw_os_error());
    assert_eq!(fs::write(&path, b"x").unwrap_err().raw_os_error(), read_only);
    assert_eq!(fs::remove_file(&path).unwrap_err().raw_os_error(), read_only);
    assert_eq!(File::create(on.file("new")).unwrap_err().raw_os_error(), read_only);
    let mut other = std::process::Command::new("setpriv");
    other.args(["--reuid", "65534", "--clear-groups", "ls"]).arg(&on.place);
    assert!(!other.output().unwrap().status.success());
}

#[test]
fn a_mount_ends_while_somebody_reads_and_leaves_the_directory_as_it_was() {
    let lab = Lab::new();
    lab.store("web-01", TAKEN, &memory(1));
    let mut on = OnMount::of(&lab, ByteCount::from_mib(8));
    let open = File::open(on.file("web-01/20261114T085823Z.elf")).unwrap();
    let begun = Instant::now();
    on.mounted.take().unwrap().end();
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(fs::read_dir(&on.place).unwrap().count(), 0);
    drop(open);
}

#[test]
fn somebody_else_may_unmount_it_and_what_lies_below_stays() {
    let lab = Lab::new();
    lab.store("web-01", TAKEN, &memory(1));
    let mut on = OnMount::of(&lab, ByteCount::from_mib(8));
    assert!(std::process::Command::new("umount").arg(&on.place).status().unwrap().success());
    let mounted = on.mounted.take().unwrap();
    let begun = Instant::now();
    while !mounted.is_over() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not notice");
    }
    let below = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "memdeck-test"])
        .arg(&on.place)
        .status()
        .unwrap();
    assert!(below.success());
    mounted.end();
    // It was not taken for the mount that was ended.
    assert!(std::process::Command::new("umount").arg(&on.place).status().unwrap().success());
}

#[test]
fn it_is_asked_once_before_an_image_is_read_and_told_how_much_was_read_of_it() {
    let lab = Lab::new();
    for (guest, seed) in [("web-01", 1), ("web-02", 2), ("secret", 3)] {
        lab.store(guest, TAKEN, &memory(seed));
    }
    let place = lab.empty_directory("mount");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&asked);
    let may_read = Box::new(move |image: &ListedImage| {
        let mut asked = hears.lock();
        asked.push(image.guest.clone());
        (image.guest != "secret").then(|| asked.len())
    });
    let source = Arc::new(DirectoryImages::new(lab.dumps().to_owned()));
    let mounted = mount(&place, source, MountOptions { may_read, ..options() }).unwrap();
    let file = |guest: &str, format: &str| place.join(format!("{guest}/20261114T085823Z.{format}"));
    // To look at names and sizes is not to read.
    assert!(file("web-02", "raw").metadata().unwrap().len() > 0);
    let read = [file("web-01", "elf"), file("web-01", "raw")].map(|path| fs::read(path).unwrap().len());
    for _ in 0..2 {
        let refused = File::open(file("secret", "elf")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
    let bytes = mounted.end();
    assert_eq!(*asked.lock(), ["web-01", "secret", "secret"]);
    let expected = u64::try_from(read[0] + read[1]).unwrap();
    assert_eq!(bytes, [ReadOfImage { number: 1, bytes: ByteCount(expected) }]);
}

#[test]
fn a_directory_that_is_not_empty_is_no_place_for_a_mount() {
    let lab = Lab::new();
    let refused = |place: &Path| {
        let source = Arc::new(DirectoryImages::new(lab.dumps().to_owned()));
        mount(place, source, options()).err().map(|error| error.to_string())
    };
    let place = lab.empty_directory("full");
    fs::write(place.join("file"), b"").unwrap();
    assert!(refused(&place).unwrap().contains("is not empty"));
    assert!(refused(&place.join("file")).unwrap().contains("is no directory"));
    assert!(refused(&place.join("missing")).unwrap().contains("cannot be used as a mount point"));
    let missing = DirectoryImages::new(lab.dumps().join("missing"));
    let error = mount(&lab.empty_directory("empty"), Arc::new(missing), options()).err().unwrap();
    assert!(matches!(error, MountError::Source(_)), "{error}");
}

#[test]
fn one_who_reads_everything_does_not_starve_one_who_reads_a_page() {
    let lab = Lab::new();
    lab.store("web-01", TAKEN, &[(0, noise(9, 48 * MIB))]);
    let on = OnMount::of(&lab, ByteCount::from_mib(4));
    let path = on.file("web-01/20261114T085823Z.elf");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut bytes = vec![0; MIB];
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Past the kernel's cache, which would have all of it after the first time.
                    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap();
                    let mut file = File::options().read(true).custom_flags(direct).open(&path).unwrap();
                    while file.read(&mut bytes).unwrap() > 0 {}
                }
            });
        }
        let file = File::open(on.file("web-01/20261114T085823Z.lime")).unwrap();
        let mut page = [0; 4096];
        let mut slowest = Duration::ZERO;
        for number in 0..200_u64 {
            let begun = Instant::now();
            file.read_exact_at(&mut page, number * 7919 % 47 * MIB as u64 + number * 4096).unwrap();
            slowest = slowest.max(begun.elapsed());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(slowest < Duration::from_secs(2), "a page took {slowest:?}");
    });
}
