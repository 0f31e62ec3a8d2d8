//! Thousands of random manipulations: each is found, and no read hands out a byte of what was manipulated.

use std::ops::Range;
use std::path::PathBuf;

use memdeck_model::Record;
use memdeck_signing::KnownKeys;
use serde_json::Value;

use super::*;
use crate::format::checksum::checksum_line;
use crate::testing::{digests_of, packed, record_of};
use crate::{Effort, ExportFormat, ImageExport, inspect_recorded, sha256_hex};

const MANIPULATIONS: u64 = 5_000;
const THREADS: u64 = 4;
const IMAGE: usize = 0;
const MANIFEST: usize = 1;
const CHECKSUM: usize = 2;
const DIGESTS: usize = 4;

/// Random numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn range(&mut self, length: u64) -> Range<u64> {
        let (a, b) = (self.next() % (length + 1), self.next() % (length + 1));
        a.min(b)..a.max(b)
    }
}

type Files = [Vec<u8>; 6];

struct Scene {
    _lab: Lab,
    paths: [PathBuf; 6],
    original: Files,
    other: Files,
    /// The image that was stored.
    image: Vec<u8>,
    record: Record,
    /// The image in each format, and the stored file.
    exports: Vec<(Option<ExportFormat>, Vec<u8>)>,
    inspection: Value,
    keys: KnownKeys,
}

fn paths(sealed: &Sealed) -> [PathBuf; 6] {
    let (page_map, digests) = companions(sealed);
    let signature = sealed.signature.clone().unwrap();
    [sealed.image.clone(), sealed.manifest.clone(), sealed.checksum.clone(), page_map, digests, signature]
}

fn export(
    scene: &[PathBuf; 6],
    record: &Record,
    format: Option<ExportFormat>,
) -> Result<ImageExport, ReadError> {
    match format {
        Some(format) => ImageExport::open_recorded(&scene[IMAGE], format, record),
        None => ImageExport::open_stored(&scene[IMAGE], record),
    }
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::new();
        // Two frames, of which the first is mostly zeroes: quick to check.
        let mut memory = noise(1, 20_000);
        memory.resize(MIB, 0);
        memory.extend(noise(2, 9_000));
        let image = core(&memory);
        let sealed = lab.store_signed(&image);
        memory[100] ^= 1;
        let other = lab.store_other(&core(&memory));
        let keys = KnownKeys::demanded(vec![*lab.keys().read().unwrap().unwrap().public()]);
        let (paths, record) = (paths(&sealed), record_of(&sealed));
        let read = |paths: &[PathBuf; 6]| paths.clone().map(|path| fs::read(path).unwrap());
        let formats = ExportFormat::ALL.into_iter().map(Some).chain([None]);
        let exports = formats.map(|format| {
            let mut bytes = Vec::new();
            export(&paths, &record, format).unwrap().write_from(0, Effort::Shared, &mut bytes).unwrap();
            (format, bytes)
        });
        let exports = exports.collect();
        let inspection = serde_json::to_value(inspect_recorded(&paths[IMAGE], &record).unwrap()).unwrap();
        let (original, other) = (read(&paths), read(&self::paths(&other)));
        Self { _lab: lab, paths, original, other, image, record, exports, inspection, keys }
    }

    /// One manipulation of the files, in words.
    fn manipulate(&self, files: &mut Files, random: &mut Random) -> String {
        let which = random.below(6);
        let length = files[which].len();
        match random.below(9) {
            0 | 1 if length > 0 => {
                let bit = random.below(length * 8);
                files[which][bit / 8] ^= 1 << (bit % 8);
                format!("bit {bit} of file {which} flipped")
            }
            2 => {
                let length = random.below(length);
                files[which].truncate(length);
                format!("file {which} cut to {length}")
            }
            3 => {
                let more = random.below(64) + 1;
                files[which].extend(noise(random.next(), more));
                format!("file {which} longer by {more}")
            }
            4 => {
                files[which].clone_from(&self.other[which]);
                format!("file {which} of another dump")
            }
            5 => {
                files.clone_from(&self.other);
                if random.below(2) == 0 {
                    self.claim_id(files);
                }
                "all files of another dump".to_owned()
            }
            6 => self.forge(files, random),
            _ => edit_manifest(&mut files[MANIFEST], random),
        }
    }

    fn claim_id(&self, files: &mut Files) {
        let Ok(mut manifest) = serde_json::from_slice::<Value>(&files[MANIFEST]) else { return };
        manifest["dump_id"] = self.record.dump_id.as_ref().unwrap().as_str().into();
        manifest["guest"]["name"] = self.record.dom.0.as_str().into();
        files[MANIFEST] = serde_json::to_vec_pretty(&manifest).unwrap();
    }

    /// Memory is changed and compressed anew, and files beside it are made to fit, some or all.
    fn forge(&self, files: &mut Files, random: &mut Random) -> String {
        let mut image = self.image.clone();
        let at = random.below(image.len());
        image[at] ^= 1 << random.below(8);
        files[IMAGE] = packed(&image);
        let depth = random.below(4);
        let (digests, root) = digests_of(&image);
        if depth > 0 {
            files[DIGESTS] = digests;
        }
        if depth > 1
            && let Ok(mut manifest) = serde_json::from_slice::<Value>(&self.original[MANIFEST])
        {
            let sha256 = sha256_hex(&image);
            manifest["frame_digests"]["root"] = root.into();
            manifest["sha256"] = sha256.as_str().into();
            manifest["file_sha256"] = sha256_hex(&files[IMAGE]).into();
            manifest["stored_size_bytes"] = files[IMAGE].len().into();
            files[MANIFEST] = serde_json::to_vec_pretty(&manifest).unwrap();
            if depth > 2 {
                files[CHECKSUM] = checksum_line(&sha256).into_bytes();
            }
        }
        format!("byte {at} of the image changed, {depth} files made to fit")
    }

    /// What is wrong with how memdeck takes these files, if anything.
    fn check(&self, files: &Files, random: &mut Random) -> Result<(), String> {
        for (path, content) in self.paths.iter().zip(files) {
            fs::write(path, content).unwrap();
        }
        if let Ok(mut report) = verify(&self.paths[IMAGE], &mut silent) {
            check_signature(&mut report, &self.keys);
            // Another dump of the same host is signed, too: only the record knows that it is another.
            if report.findings.is_empty() && *files != self.other {
                return Err("verify found nothing with nothing but the public key".to_owned());
            }
            compare_with_record(&mut report, &self.record);
            if report.findings.is_empty() || report.record == RecordCheck::NotChecked {
                return Err("verify found nothing".to_owned());
            }
        }
        let (format, expected) = &self.exports[random.below(self.exports.len())];
        let parts = [None, Some(random.range(expected.len() as u64))];
        for part in parts.into_iter().filter(|part| part.is_none() || *format != Some(ExportFormat::Avml)) {
            let Ok(export) = export(&self.paths, &self.record, *format) else { continue };
            let mut out = Vec::new();
            let start = usize::try_from(part.as_ref().map_or(0, |part| part.start)).unwrap();
            let given = match part.clone() {
                Some(part) => export.write_range(part, Effort::Shared, &mut out),
                None => export.write_from(0, Effort::Shared, &mut out),
            };
            let is_same = expected[start..].starts_with(&out);
            // The same content may be stored in other bytes; what a stored frame holds was checked.
            let is_harmless = format.is_none() && given.is_err();
            if !is_same && !is_harmless {
                return Err(format!("{format:?} {part:?} gave out other bytes"));
            }
        }
        if let Ok(seen) = inspect_recorded(&self.paths[IMAGE], &self.record)
            && serde_json::to_value(seen).unwrap() != self.inspection
        {
            return Err("inspect tells other things".to_owned());
        }
        Ok(())
    }
}

/// Changes, removes or adds a field at a random place of the manifest.
fn edit_manifest(text: &mut Vec<u8>, random: &mut Random) -> String {
    let Ok(mut manifest) = serde_json::from_slice::<Value>(text) else { return "nothing".to_owned() };
    let mut at = &mut manifest;
    let mut told = String::new();
    loop {
        let count = match at {
            Value::Object(fields) => fields.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        if count == 0 {
            break;
        }
        let chosen = random.below(count);
        match at {
            Value::Object(fields) => {
                let name = fields.keys().nth(chosen).unwrap().clone();
                told = format!("{told}.{name}");
                if random.below(12) == 0 {
                    fields.remove(&name);
                    *text = serde_json::to_vec_pretty(&manifest).unwrap();
                    return format!("{told} removed");
                }
                at = fields.get_mut(&name).unwrap();
            }
            Value::Array(items) => at = &mut items[chosen],
            _ => break,
        }
    }
    *at = match &*at {
        Value::Null => "something".into(),
        Value::Bool(value) => (!value).into(),
        Value::Number(number) => (number.as_u64().unwrap_or(1) ^ (1 << random.below(20))).into(),
        Value::String(value) => {
            let mut letters: Vec<char> = value.chars().collect();
            match letters.len() {
                0 => "x".into(),
                count => {
                    let letter = &mut letters[random.below(count)];
                    *letter = if *letter == '1' { '2' } else { '1' };
                    letters.into_iter().collect::<String>().into()
                }
            }
        }
        other => other.clone(),
    };
    *text = serde_json::to_vec_pretty(&manifest).unwrap();
    text.push(b'\n');
    format!("{told} edited")
}

fn run(first_seed: u64) {
    let scene = Scene::new();
    for seed in first_seed..first_seed + MANIPULATIONS / THREADS {
        let mut random = Random(seed);
        let mut files = scene.original.clone();
        let mut told = Vec::new();
        while files == scene.original || random.below(4) == 0 {
            told.push(scene.manipulate(&mut files, &mut random));
        }
        if let Err(wrong) = scene.check(&files, &mut random) {
            panic!("{wrong} after {} (seed {seed})", told.join(", "));
        }
    }
}

#[test]
fn five_thousand_random_manipulations_are_all_found_and_none_is_handed_out() {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || run(thread * 1_000_000));
        }
    });
}
