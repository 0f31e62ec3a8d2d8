use memdeck_model::{FrameDigestFacts, GuestPhysAddr, PageMapFacts, PageTotals, Segment, SegmentKind};

use super::*;
use crate::Captured;
use crate::testing::{dump_id, provenance};

fn manifest() -> Manifest {
    let segment = Segment {
        kind: SegmentKind::Load,
        address: GuestPhysAddr(0xfffc_0000),
        offset_bytes: ByteCount(0x200),
        file_bytes: ByteCount(0x4_0000),
        memory_bytes: ByteCount(0x4_0000),
    };
    let captured = Captured {
        raw_size: ByteCount(0x4_0200),
        stored_size: ByteCount(1234),
        sha256: "ab".repeat(32),
        file_sha256: "cd".repeat(32),
        frames: 1,
        zero_frames: 0,
        difference: None,
        frame_digests: FrameDigestFacts { root: "ef".repeat(32) },
        page_map: Some(PageMapFacts {
            file_blake3: "12".repeat(32),
            stored_size_bytes: ByteCount(99),
            page_bytes: ByteCount(4096),
            pages: PageTotals {
                total: 64,
                zero: 1,
                uniform: 2,
                text: 3,
                sparse: 4,
                high_entropy: 5,
                binary: 49,
            },
            mean_entropy_millibits: 5432,
        }),
        os_banner: Some("Linux version 6.1.0 (a@b) (gcc) #1 SMP".to_owned()),
        segments: vec![segment],
    };
    provenance().into_manifest(dump_id(), captured)
}

#[test]
fn a_manifest_says_where_an_image_comes_from_and_what_it_hashes_to() {
    insta::assert_snapshot!(String::from_utf8(manifest_to_json(&manifest()).unwrap()).unwrap(), @r#"
    {
      "manifest_version": 1,
      "dump_id": "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11",
      "guest": {
        "name": "web-01",
        "uuid": "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22",
        "vmid": "7",
        "memory_bytes": 268435456,
        "domain_xml_sha256": null,
        "os_banner": "Linux version 6.1.0 (a@b) (gcc) #1 SMP"
      },
      "host": "kvm-a",
      "host_kernel": null,
      "host_clock": {
        "synchronised": null,
        "estimated_error_us": null,
        "maximum_error_us": null
      },
      "hypervisor": {
        "uri": "qemu:///system",
        "libvirt_version": "9.0.0",
        "qemu_version": null
      },
      "memdeck_version": "0.1.0",
      "requested_by": "operator",
      "actor": {
        "kind": "named",
        "name": "operator"
      },
      "mode": "frozen",
      "started_at": "2025-11-14T08:58:23.550273Z",
      "finished_at": "2025-11-14T08:58:24.100000Z",
      "pause_ms": 412,
      "capture": {
        "point_in_time": null,
        "pause_source": null,
        "fallback": null,
        "job_downtime_ms": null,
        "iterations": null,
        "dirty_bytes_per_s": null,
        "encrypted": false,
        "omitted": [],
        "missing": []
      },
      "case": null,
      "note": null,
      "format": "elf",
      "codec": "zstd",
      "frame_bytes": 1048576,
      "raw_size_bytes": 262656,
      "stored_size_bytes": 1234,
      "sha256": "abababababababababababababababababababababababababababababababab",
      "file_sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
      "frames": {
        "total": 1,
        "zero": 0
      },
      "frame_digests": {
        "root": "efefefefefefefefefefefefefefefefefefefefefefefefefefefefefefefef"
      },
      "page_map": {
        "file_blake3": "1212121212121212121212121212121212121212121212121212121212121212",
        "stored_size_bytes": 99,
        "page_bytes": 4096,
        "pages": {
          "total": 64,
          "zero": 1,
          "uniform": 2,
          "text": 3,
          "sparse": 4,
          "high_entropy": 5,
          "binary": 49
        },
        "mean_entropy_millibits": 5432
      },
      "segments": [
        {
          "kind": "load",
          "address": 4294705152,
          "offset_bytes": 512,
          "file_bytes": 262144,
          "memory_bytes": 262144
        }
      ]
    }
    "#);
}

#[test]
fn a_manifest_survives_its_json() {
    let manifest = manifest();
    assert_eq!(manifest_from_json(&manifest_to_json(&manifest).unwrap()).unwrap(), manifest);
}

#[test]
fn fields_of_a_newer_program_do_not_matter_but_a_newer_version_does() {
    let mut json = serde_json::to_value(manifest()).unwrap();
    json["colour"] = "blue".into();
    assert_eq!(manifest_from_json(json.to_string().as_bytes()).unwrap(), manifest());
    json["manifest_version"] = 3.into();
    let error = manifest_from_json(json.to_string().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the manifest has version 3; this program reads versions 1 and 2");
}

#[test]
fn what_is_not_a_manifest_is_refused() {
    for junk in ["", "{}", "[]", "{\"manifest_version\": 1}", "{\"manifest_version\": \"1\"}"] {
        assert!(matches!(manifest_from_json(junk.as_bytes()), Err(ManifestError::Json(_))), "{junk}");
    }
}

#[test]
fn a_manifest_from_before_its_newer_fields_is_read() {
    let mut json: serde_json::Value =
        serde_json::from_slice(&manifest_to_json(&manifest()).unwrap()).unwrap();
    for later in ["capture", "case", "note", "host_kernel", "host_clock"] {
        json.as_object_mut().unwrap().remove(later).unwrap();
    }
    json["guest"].as_object_mut().unwrap().remove("domain_xml_sha256").unwrap();
    assert_eq!(manifest_from_json(json.to_string().as_bytes()).unwrap(), manifest());
}

#[test]
fn a_manifest_from_before_page_maps_is_read() {
    let mut json: serde_json::Value =
        serde_json::from_slice(&manifest_to_json(&manifest()).unwrap()).unwrap();
    for later in ["frame_digests", "page_map"] {
        json.as_object_mut().unwrap().remove(later).unwrap();
    }
    json["guest"].as_object_mut().unwrap().remove("os_banner").unwrap();
    let read = manifest_from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!((read.frame_digests, read.page_map, read.guest.os_banner), (None, None, None));
}
