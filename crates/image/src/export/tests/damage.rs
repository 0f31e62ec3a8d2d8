//! What is not as it was stored is not given out.

use super::*;

#[test]
fn an_image_of_other_bytes_than_its_manifest_says_is_not_given_out_whole() {
    let lab = Lab::new();
    let guest = small_guest(7);
    let sealed = lab.store(&guest.image());
    let manifest = fs::read_to_string(&sealed.manifest).unwrap();
    let sha256 = crate::sha256_hex(&guest.image());
    fs::write(&sealed.manifest, manifest.replace(&sha256, &"0".repeat(64))).unwrap();
    let mut out = Vec::new();
    let elf = ImageExport::open(&sealed.image, ExportFormat::Elf).unwrap();
    let error = elf.write_from(0, Effort::AllCores, &mut out).unwrap_err();
    assert!(matches!(error, ReadError::HashMismatch { .. }), "{error}");
    let last_frame = elf.raw_size().0 % MIB as u64;
    assert_eq!(out.len() as u64, elf.raw_size().0 - last_frame, "the last frame is held back");
}

#[test]
fn memory_that_was_changed_and_compressed_anew_leaves_in_no_format() {
    let lab = Lab::new();
    let guest = Guest(vec![(0, noise(1, 4 * MIB))]);
    let image = guest.image();
    let sealed = lab.store(&image);
    let record = record_of(&sealed);
    let mut changed = image.clone();
    changed[2 * MIB + 5000] ^= 1;
    fs::write(&sealed.image, packed(&changed)).unwrap();
    for format in ExportFormat::ALL {
        for effort in [Effort::AllCores, Effort::Shared] {
            let mut out = Vec::new();
            let export = ImageExport::open(&sealed.image, format).unwrap();
            let error = export.write_from(0, effort, &mut out).unwrap_err();
            assert!(matches!(&error, ReadError::FrameDigest { span } if span.frame == 2), "{error}");
            assert!(out.len() <= 2 * MIB + 200, "{format}: {} bytes left", out.len());
            if format != ExportFormat::Avml {
                assert!(guest.expected(format).starts_with(&out), "{format}");
            }
        }
    }
    let mut reader = ImageExport::open(&sealed.image, ExportFormat::Raw).unwrap().into_reader().unwrap();
    reader.seek(SeekFrom::Start(2 * MIB as u64 + 100)).unwrap();
    let error = reader.read(&mut [0; 10]).unwrap_err().to_string();
    assert!(error.contains("is not the one that was recorded"), "{error}");
    let stored = ImageExport::open_stored(&sealed.image, &record);
    // Noise takes the same room whatever it is.
    let error = stored.unwrap().write_from(0, Effort::Shared, &mut io::sink()).unwrap_err();
    assert!(matches!(&error, ReadError::FrameDigest { span } if span.frame == 2), "{error}");

    // With digests that fit, the root does not; with a root that fits, the record does not.
    let (digests, root) = digests_of(&changed);
    fs::write(sealed.digests.unwrap(), digests).unwrap();
    for format in ExportFormat::ALL {
        let error = ImageExport::open(&sealed.image, format).err().unwrap();
        assert!(matches!(error, ReadError::Digests { .. }), "{error}");
    }
    let manifest = fs::read_to_string(&sealed.manifest).unwrap();
    let manifest = manifest.replace(record.digests_root.as_ref().unwrap(), &root);
    let sha256 = crate::sha256_hex(&changed);
    fs::write(&sealed.manifest, manifest.replace(record.sha256.as_ref().unwrap(), &sha256)).unwrap();
    for format in ExportFormat::ALL {
        assert!(ImageExport::open(&sealed.image, format).is_ok(), "the files agree with each other");
        let error = ImageExport::open_recorded(&sealed.image, format, &record).err().unwrap();
        assert!(matches!(error, ReadError::NotAsRecorded { .. }), "{error}");
        assert!(error.to_string().contains("the manifest was changed or exchanged"), "{error}");
    }
}

#[test]
fn an_image_that_was_stored_without_digests_is_read_and_said_to_be_checked_as_a_whole_only() {
    let lab = Lab::new();
    let sealed = lab.store(&small_guest(5).image());
    let text = fs::read(&sealed.manifest).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    manifest.as_object_mut().unwrap().remove("frame_digests");
    fs::write(&sealed.manifest, manifest.to_string()).unwrap();
    fs::remove_file(sealed.digests.unwrap()).unwrap();
    for format in ExportFormat::ALL {
        let export = ImageExport::open(&sealed.image, format).unwrap();
        assert!(!export.frames_are_checked(), "{format}");
        export.write_from(0, Effort::Shared, &mut io::sink()).unwrap();
    }
}

#[test]
fn digests_that_are_gone_end_an_export_before_its_first_byte() {
    let lab = Lab::new();
    let sealed = lab.store(&small_guest(6).image());
    let digests = sealed.digests.unwrap();
    let whole = fs::read(&digests).unwrap();
    let mut longer = whole.clone();
    longer.push(0);
    for odd in [&whole[..32], &longer, b""] {
        fs::write(&digests, odd).unwrap();
        let error = ImageExport::open(&sealed.image, ExportFormat::Elf).err().unwrap();
        let text = memdeck_model::with_causes(&error);
        assert!(text.contains("it does not have 32 bytes for each of"), "{text}");
    }
    fs::remove_file(&digests).unwrap();
    let error = ImageExport::open(&sealed.image, ExportFormat::Elf).err().unwrap();
    assert!(matches!(error, ReadError::Digests { .. }), "{error}");
}

#[test]
fn a_damaged_frame_ends_every_format_that_needs_it_and_is_named() {
    let lab = Lab::new();
    let guest = Guest(vec![(0, noise(1, 4 * MIB))]);
    let path = guest.stored(&lab);
    let mut file = fs::read(&path).unwrap();
    file[2 * MIB + 5000] ^= 1;
    fs::write(&path, file).unwrap();
    for format in ExportFormat::ALL {
        for effort in [Effort::AllCores, Effort::Shared] {
            let mut out = Vec::new();
            let export = ImageExport::open(&path, format).unwrap();
            let error = export.write_from(0, effort, &mut out).unwrap_err().to_string();
            assert!(error.starts_with("frame 2 is damaged (image bytes 2097152 to 3145728"), "{error}");
            assert!((out.len() as u64) < 3 << 20, "{format}: nothing after the damage");
        }
    }
    let lime = ImageExport::open(&path, ExportFormat::Lime).unwrap();
    let mut out = Vec::new();
    lime.write_from(32 + (3 << 20), Effort::AllCores, &mut out).unwrap();
    assert!(out == guest.0[0].1[3 << 20..], "what lies behind the damage can be had");
}

#[test]
fn a_file_that_was_cut_after_it_was_opened_is_an_error_with_its_place() {
    let lab = Lab::new();
    let path = Guest(vec![(0, noise(1, 4 * MIB))]).stored(&lab);
    let export = ImageExport::open(&path, ExportFormat::Elf).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(2 << 20).unwrap();
    let error = export.write_from(0, Effort::AllCores, &mut io::sink()).unwrap_err();
    assert!(matches!(error, ReadError::Read { offset: 1..=2_097_152, .. }), "{error}");
}
