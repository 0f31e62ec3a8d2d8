//! Manifests, checksum files and the names of files: what is read is written and read again unchanged, and a file is of one
//! dump only.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::damaged;
use memdeck_image::fuzzing::{belongs_to, checksum};
use memdeck_image::{manifest_from_json, manifest_to_json};
use memdeck_model::{DIFFERENCE_MANIFEST_VERSION, DumpId, MANIFEST_VERSION};

const MANIFEST: &str = r#"{
  "manifest_version": 1,
  "dump_id": "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11",
  "guest": {"name": "web-01", "uuid": "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22", "vmid": "7",
            "memory_bytes": 268435456, "domain_xml_sha256": null,
            "os_banner": "Linux version 6.1.0 (a@b) (gcc) #1 SMP"},
  "host": "kvm-a", "host_kernel": "6.1.0-18-amd64",
  "host_clock": {"synchronised": true, "estimated_error_us": 12, "maximum_error_us": 500},
  "hypervisor": {"uri": "qemu:///system", "libvirt_version": "9.0.0", "qemu_version": null},
  "memdeck_version": "0.1.0", "requested_by": "page", "mode": "live",
  "started_at": "2025-11-14T08:58:23.550273Z", "finished_at": "2025-11-14T08:58:24.100000Z", "pause_ms": 12,
  "capture": {"point_in_time": "2025-11-14T08:58:24.000000Z", "fallback": null, "job_downtime_ms": 9,
              "iterations": 3, "dirty_bytes_per_s": 1048576, "encrypted": false,
              "omitted": [{"name": "vga.vram", "bytes": 16777216}], "missing": ["VMCOREINFO"]},
  "case": "IR-2025-17", "note": "first line\nsecond line",
  "format": "elf", "codec": "zstd", "frame_bytes": 1048576, "raw_size_bytes": 268436456,
  "stored_size_bytes": 1000000,
  "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "file_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "frames": {"total": 257, "zero": 40},
  "frame_digests": {"root": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
  "page_map": {"file_blake3": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
               "stored_size_bytes": 1000, "page_bytes": 4096,
               "pages": {"total": 65536, "zero": 65530, "uniform": 1, "text": 1, "sparse": 1, "high_entropy": 1,
                         "binary": 2}, "mean_entropy_millibits": 4321},
  "segments": [{"kind": "note", "address": 0, "offset_bytes": 176, "file_bytes": 24, "memory_bytes": 24},
               {"kind": {"other": 6}, "address": 0, "offset_bytes": 0, "file_bytes": 0, "memory_bytes": 0},
               {"kind": "load", "address": 0, "offset_bytes": 200, "file_bytes": 8, "memory_bytes": 8}]
}"#;

const CHECKSUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -\n";

const NAMES: [&str; 4] = ["web-01_a1.elf.zst.partial", "w_e_b_a1.pages", "web_a1.blake3", "web_ba1.json"];

fn names(name: &str) {
    let ids = ["a1", "1", "ba1"].map(|id| id.parse::<DumpId>().expect("a dump id"));
    let owners: Vec<_> = ids.iter().filter(|id| belongs_to(name, id)).collect();
    assert!(owners.len() <= 1, "{name:?} is of {owners:?}");
    for id in owners {
        assert!(name.rfind(&format!("_{id}.")).is_some_and(|at| at > 0), "{name:?} is of {id}");
    }
}

fuzz_target!(
    init: manifest_from_json(MANIFEST.as_bytes()).map(drop).expect("a valid manifest"),
    |data: &[u8]| {
        let mut data = Unstructured::new(data);
        let kind = data.arbitrary::<u8>().unwrap_or_default() % 4;
        if kind == 0 {
            let name = damaged(&mut data, &NAMES.map(str::as_bytes));
            names(&String::from_utf8_lossy(&name));
            return;
        }
        if kind == 1 {
            let content = damaged(&mut data, &[CHECKSUM.as_bytes()]);
            if let Ok(digest) = checksum(content.as_slice()) {
                assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
                assert!(String::from_utf8_lossy(&content).trim_start().starts_with(&digest));
            }
            return;
        }
        let json = damaged(&mut data, &[MANIFEST.as_bytes()]);
        if let Ok(manifest) = manifest_from_json(&json) {
            let known = [MANIFEST_VERSION, DIFFERENCE_MANIFEST_VERSION];
            assert!(known.contains(&manifest.manifest_version));
            let written = manifest_to_json(&manifest).expect("a manifest as JSON");
            assert_eq!(manifest_from_json(&written).expect("its own JSON"), manifest);
        }
    }
);
