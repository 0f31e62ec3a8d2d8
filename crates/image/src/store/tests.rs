use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::format::manifest::ManifestFile;
use crate::testing::{Lab, core, dump_id, guest, provenance};

const STEM: &str = "web-01_0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11";

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn refused(dir: &Path) -> String {
    ImageStore::open(dir).unwrap_err().to_string()
}

#[test]
fn a_missing_directory_is_created_with_its_parents_for_the_owner_alone() {
    let lab = Lab::new();
    let store = ImageStore::open(&lab.outside().join("a/b")).unwrap();
    assert_eq!(store.dir(), lab.outside().join("a/b"));
    assert_eq!((mode(&lab.outside().join("a")), mode(store.dir())), (0o700, 0o700));
}

#[test]
fn an_existing_directory_keeps_its_mode_unless_others_may_write_to_it() {
    let lab = Lab::new();
    let dir = lab.outside().join("shared");
    fs::create_dir(&dir).unwrap();
    for harmless in [0o700, 0o750, 0o755] {
        fs::set_permissions(&dir, Permissions::from_mode(harmless)).unwrap();
        ImageStore::open(&dir).unwrap();
        assert_eq!(mode(&dir), harmless);
    }
    for writable in [0o770, 0o757, 0o1777] {
        fs::set_permissions(&dir, Permissions::from_mode(writable)).unwrap();
        let error = refused(&dir);
        assert!(error.contains(&format!("(mode {writable:o})")) && error.contains("chmod go-w"), "{error}");
    }
}

#[test]
fn a_link_or_a_file_in_the_place_of_the_directory_is_refused() {
    let lab = Lab::new();
    let place = |name: &str| lab.outside().join(name);
    symlink(lab.store.dir(), place("link")).unwrap();
    symlink(place("nowhere"), place("dangling")).unwrap();
    fs::write(place("file"), "").unwrap();
    assert!(refused(&place("link")).contains("is a symbolic link"));
    assert!(refused(&place("link/")).contains("is a symbolic link"));
    assert!(refused(&place("dangling")).contains("is a symbolic link"));
    assert!(refused(&place("file")).contains("is not a directory"));
    assert!(refused(&place("file/below")).contains("cannot be created"));
}

#[test]
fn an_image_is_partial_until_it_is_sealed_and_private_always() {
    let lab = Lab::new();
    let mut partial = lab.partial();
    assert_eq!(lab.files(), ["blake3", "elf.zst.partial", "pages"].map(|suffix| format!("{STEM}.{suffix}")));
    assert_eq!(mode(partial.path()), 0o600);
    partial.capture_core(core(b"memory").as_slice()).unwrap();
    let sealed = partial.seal(provenance()).unwrap();
    let files = ["blake3", "elf.zst", "json", "pages", "sha256"].map(|suffix| format!("{STEM}.{suffix}"));
    assert_eq!(lab.files(), files);
    let (page_map, digests) = (sealed.page_map.unwrap(), sealed.digests.unwrap());
    for path in [&sealed.image, &sealed.manifest, &sealed.checksum, &page_map, &digests] {
        assert_eq!(mode(path), 0o600);
    }
}

#[test]
fn a_seal_tells_and_records_the_file() {
    let lab = Lab::new();
    let mut partial = lab.partial();
    let captured = partial.capture_core(core(b"memory").as_slice()).unwrap();
    let sealed = partial.seal(provenance()).unwrap();
    let metadata = sealed.image.metadata().unwrap();
    assert_eq!(sealed.image, lab.store.dir().join(format!("{STEM}.elf.zst")));
    assert_eq!(sealed.stored_size, ByteCount(metadata.len()));
    assert_eq!(
        (sealed.ctime, sealed.mtime, sealed.atime),
        (metadata.ctime(), metadata.mtime(), metadata.atime())
    );
    assert_eq!(fs::read_to_string(&sealed.checksum).unwrap(), format!("{}  -\n", captured.sha256));
    let manifest = ManifestFile::read(&sealed.manifest).unwrap().manifest;
    assert_eq!(manifest, provenance().into_manifest(dump_id(), captured));
}

#[test]
fn a_dropped_image_leaves_nothing() {
    let lab = Lab::new();
    drop(lab.partial());
    assert_eq!(lab.files(), [""; 0]);
    let mut captured = lab.partial();
    captured.capture_core(core(b"memory").as_slice()).unwrap();
    drop(captured);
    assert_eq!(lab.files(), [""; 0]);
}

#[test]
fn nothing_that_exists_is_overwritten() {
    let lab = Lab::new();
    let target = lab.outside().join("target");
    fs::write(&target, "precious").unwrap();
    for suffix in ["elf.zst.partial", "elf.zst", "json", "sha256", "pages", "blake3"] {
        let place = lab.store.dir().join(format!("{STEM}.{suffix}"));
        for link in [true, false] {
            if link {
                symlink(&target, &place).unwrap();
            } else {
                fs::write(&place, "precious").unwrap();
            }
            let error = lab.store.create(&guest(), &dump_id()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{} exists already; it is not overwritten", place.display())
            );
            assert_eq!(fs::read_to_string(&place).unwrap(), "precious");
            fs::remove_file(&place).unwrap();
        }
    }
    assert_eq!(lab.files(), [""; 0]);
}

#[test]
fn a_seal_that_fails_removes_what_it_wrote_and_nothing_else() {
    let lab = Lab::new();
    let mut partial = lab.partial();
    partial.capture_core(core(b"memory").as_slice()).unwrap();
    let foreign = format!("{STEM}.sha256");
    fs::write(lab.store.dir().join(&foreign), "somebody else's").unwrap();
    let error = partial.seal(provenance()).unwrap_err();
    assert!(error.to_string().ends_with(".sha256 cannot be created"), "{error}");
    assert_eq!(lab.files(), [foreign]);
}

/// A file that cannot be made durable. A pipe refuses an fsync; a disk that does cannot be had here.
fn not_durable() -> File {
    let (_read, write) = rustix::pipe::pipe().unwrap();
    write.into()
}

#[test]
fn an_image_that_cannot_be_made_durable_is_not_sealed() {
    for name in [".partial", ".pages", ".blake3"] {
        let lab = Lab::new();
        let mut partial = lab.partial();
        partial.capture_core(core(b"memory").as_slice()).unwrap();
        let file = match name {
            ".partial" => &mut partial.file,
            ".pages" => &mut partial.page_map,
            _ => &mut partial.digests,
        };
        *file = not_durable();
        let error = partial.seal(provenance()).unwrap_err();
        assert!(error.to_string().ends_with(&format!("{name} cannot be made durable")), "{error}");
        assert_eq!(lab.files(), [""; 0]);
    }
}

#[test]
fn what_a_crash_left_of_a_dump_is_removed_and_other_dumps_stay() {
    let lab = Lab::new();
    // The crash: nobody runs the destructor.
    std::mem::forget(lab.partial());
    let other: DumpId = "11111111-6f0e-4f2e-9d5b-0f6d7f3a9a11".parse().unwrap();
    let _other = lab.store.create(&guest(), &other).unwrap();
    let removed = lab.store.remove_partials(&dump_id()).unwrap();
    let suffixes = ["blake3", "elf.zst.partial", "pages"];
    assert_eq!(removed, suffixes.map(|suffix| lab.store.dir().join(format!("{STEM}.{suffix}"))));
    assert_eq!(lab.files(), suffixes.map(|suffix| format!("web-01_{other}.{suffix}")));
    assert_eq!(lab.store.remove_partials(&dump_id()).unwrap(), [""; 0].map(PathBuf::from));
}

#[test]
fn a_sealed_dump_that_was_never_recorded_is_removed_too() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    let removed = lab.store.remove_partials(&dump_id()).unwrap();
    let (digests, page_map) = (sealed.digests.unwrap(), sealed.page_map.unwrap());
    assert_eq!(removed, [digests, sealed.image, sealed.manifest, page_map, sealed.checksum]);
    assert_eq!(lab.files(), [""; 0]);
}

#[test]
fn a_stored_image_is_removed_with_what_is_beside_it_but_for_its_manifest_and_nothing_else() {
    let lab = Lab::new();
    let sealed = lab.store(&core(b"memory"));
    fs::write(lab.store.dir().join("web-01_other.elf.zst"), "another dump").unwrap();
    let removed = remove_stored(&sealed.image, &dump_id()).unwrap();
    let (digests, page_map) = (sealed.digests.unwrap(), sealed.page_map.unwrap());
    assert_eq!(removed, [digests, sealed.image.clone(), page_map, sealed.checksum]);
    let manifest = sealed.manifest.file_name().unwrap().to_str().unwrap();
    assert_eq!(lab.files(), [manifest, "web-01_other.elf.zst"], "the manifest stays");
    assert_eq!(remove_stored(&sealed.image, &dump_id()).unwrap(), [""; 0].map(PathBuf::from));
    let gone = lab.outside().join("never/web-01_x.elf.zst");
    assert_eq!(remove_stored(&gone, &dump_id()).unwrap(), [""; 0].map(PathBuf::from));
    assert!(!lab.outside().join("never").exists(), "a directory that is gone is not made again");
}

#[test]
fn a_sealed_dump_is_found_by_its_id_while_it_is_whole() {
    let lab = Lab::new();
    let found = || lab.store.find_sealed(&dump_id()).unwrap();
    let partial = lab.partial();
    assert_eq!(found(), None);
    drop(partial);
    let sealed = lab.store(&core(b"memory"));
    assert_eq!(found(), Some((ManifestFile::read(&sealed.manifest).unwrap().manifest, sealed.clone())));
    let image = File::options().write(true).open(&sealed.image).unwrap();
    image.set_len(sealed.stored_size.0 - 1).unwrap();
    assert_eq!(found(), None);
}

#[test]
fn an_id_that_could_be_mistaken_for_another_dumps_is_refused() {
    let lab = Lab::new();
    let error = lab.store.create(&guest(), &"a_b".parse().unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("the dump id a_b contains '_'"), "{error}");
}

#[test]
fn the_volume_tells_its_free_space() {
    assert!(Lab::new().store.free_bytes().unwrap() > ByteCount(0));
}
