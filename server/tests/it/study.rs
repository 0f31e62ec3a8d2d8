//! `memdeck mount`, `compare` and `hunt` as a shell sees them, on images that earlier versions stored.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::support::program::memdeck;

const PATIENCE: Duration = Duration::from_secs(30);

fn image(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/image/tests/images").join(format!("{name}.elf.zst"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)))
}

/// A running `memdeck mount` of the stored images; killed and unmounted when it is dropped.
struct Mount {
    child: Child,
    place: PathBuf,
    images: u64,
}

impl Mount {
    fn start(home: &Path) -> Self {
        let place = home.join("mount");
        std::fs::create_dir(&place).unwrap();
        Self::again(home, place)
    }

    fn again(home: &Path, place: PathBuf) -> Self {
        let mut command = memdeck(home);
        command.args(["mount", "--json", "--images"]).arg(image("x").parent().unwrap()).arg(&place);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "no mount: it needs /dev/fuse, and root; standard error says more");
        let told: Value = serde_json::from_str(&line).unwrap();
        Self { child, images: told["images"].as_u64().unwrap(), place }
    }

    fn kill(&mut self, signal: Signal) -> Option<i32> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }

    fn is_mounted(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.contains(self.place.to_str().unwrap())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).stderr(Stdio::null()).status();
    }
}

#[test]
fn mounted_images_are_the_exported_ones_until_the_program_is_asked_to_end() {
    let home = tempfile::tempdir().unwrap();
    let mut mount = Mount::start(home.path());
    assert_eq!(mount.images, 4);
    for (guest, name, file) in [
        ("frozen", "frozen_with-page-map", "20251114T085823Z"),
        ("live", "live_with-page-map", "20251114T085823Z"),
    ] {
        let exported = memdeck(home.path()).arg("export").arg(image(name)).output().unwrap().stdout;
        let files = std::fs::read_dir(mount.place.join(guest)).unwrap();
        let mounted: Vec<PathBuf> = files
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "elf"))
            .collect();
        assert_eq!(mounted.len(), 2);
        assert!(mounted.iter().any(|path| path.to_str().unwrap().contains(file)), "{mounted:?}");
        assert!(mounted.iter().any(|path| std::fs::read(path).unwrap() == exported), "{name}");
    }
    assert_eq!(mount.kill(Signal::TERM), Some(0));
    assert!(!mount.is_mounted());
    assert_eq!(std::fs::read_dir(&mount.place).unwrap().count(), 0);
}

#[test]
fn a_mount_whose_program_is_killed_is_taken_off_and_can_be_made_again() {
    let home = tempfile::tempdir().unwrap();
    let mut mount = Mount::start(home.path());
    assert_eq!(mount.kill(Signal::KILL), None);
    let begun = Instant::now();
    while mount.is_mounted() {
        assert!(begun.elapsed() < PATIENCE, "nobody unmounts it");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut again = Mount::again(home.path(), mount.place.clone());
    assert_eq!(again.images, 4);
    assert_eq!(again.kill(Signal::INT), Some(0));
    assert!(!again.is_mounted());
}

#[test]
fn a_mount_without_a_catalog_or_an_empty_directory_is_refused_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = memdeck(home.path()).arg("mount").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let told = refused(&["mount"]);
    assert!(told.contains("the catalog in") && told.contains("--images"), "{told}");
    std::fs::create_dir_all(home.path().join("full/below")).unwrap();
    let told = refused(&["--images", ".", "full"]);
    assert!(told.contains("is not empty"), "{told}");
}

#[test]
fn two_images_are_compared_in_words_as_json_and_page_by_page() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (image("frozen_with-page-map"), image("live_with-page-map"));
    let compare = |arguments: &[&str]| {
        memdeck(home.path()).arg("compare").arg(&first).arg(&second).args(arguments).output().unwrap()
    };
    let told = compare(&[]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told.stderr));
    let told = text(&told.stdout);
    assert!(told.starts_with("first      frozen, 2025-11-14"), "{told}");
    assert!(told.contains(" compared, "), "{told}");
    let compared = json(&compare(&["--json", "--pages", "pages.csv"]));
    let fates = &compared["pages"];
    let number = |name: &str| fates[name].as_u64().unwrap();
    let sum: u64 = ["unchanged", "changed", "new", "zeroed", "moved"].map(number).iter().sum();
    assert_eq!(sum, number("compared"));
    let pages = std::fs::read_to_string(home.path().join("pages.csv")).unwrap();
    assert!(pages.starts_with("address,fate,from,to,from_entropy_bits,to_entropy_bits\n"), "{pages}");
    assert_eq!(pages.lines().count() as u64 - 1, number("compared") - number("unchanged"));
    let again = compare(&["--pages", "pages.csv"]);
    assert!(
        again.status.code() == Some(1) && text(&again.stderr).contains("exists"),
        "{}",
        text(&again.stderr)
    );
    let same = memdeck(home.path()).arg("compare").arg(&first).arg(&first).output().unwrap();
    assert!(text(&same.stdout).contains("Nothing changed"), "{}", text(&same.stdout));
}

#[test]
fn an_image_without_a_page_map_cannot_be_compared_or_hunted_and_that_is_said() {
    let home = tempfile::tempdir().unwrap();
    let old = image("frozen_without-page-map");
    let compared = memdeck(home.path()).arg("compare").arg(&old).arg(&old).output().unwrap();
    assert_eq!(compared.status.code(), Some(1));
    assert!(text(&compared.stderr).contains("has no page map"), "{}", text(&compared.stderr));
    let hunted = memdeck(home.path()).args(["hunt", "Linux", "--in"]).arg(&old).output().unwrap();
    assert_eq!(hunted.status.code(), Some(1));
    assert!(text(&hunted.stderr).contains("has no page map"), "{}", text(&hunted.stderr));
}

#[test]
fn a_hunt_tells_guest_dump_address_and_what_is_around() {
    let home = tempfile::tempdir().unwrap();
    let file = image("frozen_with-page-map");
    let hunt = |arguments: &[&str]| {
        let output =
            memdeck(home.path()).arg("hunt").args(arguments).arg("--in").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        output
    };
    let raw = memdeck(home.path()).args(["export", "--format", "raw"]).arg(&file).output().unwrap().stdout;
    let needle = b"Linux version 6.1";
    let places: Vec<u64> =
        (0..raw.len()).filter(|at| raw[*at..].starts_with(needle)).map(|at| at as u64).collect();
    assert!(!places.is_empty());
    let found = json(&hunt(&["Linux version 6.1", "no such text", "--json"]));
    let hits: Vec<u64> =
        found["found"].as_array().unwrap().iter().map(|hit| hit["address"].as_u64().unwrap()).collect();
    assert_eq!(hits, places);
    assert_eq!(found["dumps"][0]["guest"], "frozen");
    let counts: Vec<_> =
        found["patterns"].as_array().unwrap().iter().map(|pattern| &pattern["hits"]).collect();
    assert_eq!(counts, [&Value::from(places.len()), &Value::from(0)]);
    std::fs::write(home.path().join("list"), "# a comment\n\n4c696e75782076\n").unwrap();
    let csv = text(&hunt(&["--file", "list", "--hex", "--csv"]).stdout);
    assert!(
        csv.starts_with("vm,taken_at,dump_id,address,bytes,pattern,around_address,around,processes\n"),
        "{csv}"
    );
    assert!(csv.lines().count() > places.len(), "{csv}");
    let told = text(&hunt(&["--regex", "Linux version [0-9.]+-[0-9]+"]).stdout);
    assert!(
        told.contains(&format!("{:#014x}", places[0])) && told.contains("Linux version 6.1.0-18"),
        "{told}"
    );
    for (arguments, why) in [
        (["hunt", "ab", "--all"], "too short"),
        (["hunt", "--hex", "xyz"], "--in"),
        (["hunt", "--all", "--file"], "--file"),
    ] {
        let output = memdeck(home.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn a_name_that_is_neither_file_nor_dump_nor_guest_is_told() {
    let home = tempfile::tempdir().unwrap();
    for command in ["verify", "export", "inspect"] {
        let output = memdeck(home.path()).args([command, "web-99"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(text(&output.stderr).contains("'web-99' is no file"), "{}", text(&output.stderr));
    }
}

#[test]
fn an_image_without_a_kernel_is_refused_with_what_can_read_it() {
    let home = tempfile::tempdir().unwrap();
    let file = image("frozen_with-page-map");
    let read = memdeck(home.path()).arg("inside").arg(&file).output().unwrap();
    assert_eq!(read.status.code(), Some(1));
    let told = text(&read.stderr);
    assert!(
        told.starts_with("memdeck: no Linux kernel that describes its own types (BTF) was found"),
        "{told}"
    );
    let export = format!("memdeck export {} --output guest.elf", file.display());
    assert!(told.contains(&export) && told.contains("vol -f guest.elf windows.pstree"), "{told}");
    let read = memdeck(home.path()).arg("inside").arg("none.elf.zst").output().unwrap();
    assert_eq!(read.status.code(), Some(1));
    assert!(text(&read.stderr).contains("the image cannot be read: "), "{}", text(&read.stderr));
}

/// What becomes of `memdeck inside` whose process meets this at its start and has so many seconds.
#[cfg(feature = "failpoints")]
fn fate_of_reading(action: &str, time_limit: &str) -> (Option<i32>, String, Duration) {
    let home = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let read = memdeck(home.path())
        .args(["inside", "--time-limit", time_limit])
        .arg(image("frozen_with-page-map"))
        .env("FAILPOINTS", format!("inside::start={action}"))
        .output()
        .unwrap();
    (read.status.code(), text(&read.stderr), begun.elapsed())
}

#[test]
#[cfg(feature = "failpoints")]
fn a_panic_in_the_process_that_reads_an_image_is_a_sentence() {
    let (code, told, _) = fate_of_reading("panic", "60");
    assert_eq!(
        (code, told.as_str()),
        (Some(1), "memdeck: the program that reads the image met a fault and ended\n")
    );
}

#[test]
#[cfg(feature = "failpoints")]
fn a_process_that_reads_an_image_and_does_not_end_is_ended() {
    let (code, told, took) = fate_of_reading("sleep(600000)", "2");
    assert_eq!(code, Some(1));
    assert_eq!(told, "memdeck: the image was not read within 2 seconds, and reading it was ended\n");
    assert!(took < PATIENCE, "{took:?}");
}

#[test]
#[cfg(feature = "failpoints")]
fn a_process_that_reads_an_image_gets_no_more_memory_than_its_limit() {
    let (code, told, _) = fate_of_reading("return", "60");
    assert_eq!(code, Some(1));
    assert_eq!(told, "memdeck: reading the image takes more than the 512 MiB of memory that it may\n");
}
