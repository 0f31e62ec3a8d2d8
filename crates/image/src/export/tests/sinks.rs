//! Where an export is written to.

use super::*;

/// Takes some bytes, then no more.
struct Full(u64);

impl ExportSink for Full {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 = self.0.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_ends_the_export_and_its_threads() {
    let lab = Lab::new();
    let path = Guest(vec![(0, noise(1, 40 * MIB))]).stored(&lab);
    for format in ExportFormat::ALL {
        let export = ImageExport::open(&path, format).unwrap();
        let error = export.write_from(0, Effort::Shared, &mut Full(3 << 20)).unwrap_err();
        assert!(matches!(&error, ReadError::Write(source) if source.kind() == io::ErrorKind::StorageFull));
    }
}

/// Counts bytes by how they come.
#[derive(Default)]
struct Counted {
    content: u64,
    zeroes: u64,
}

impl ExportSink for Counted {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.content += bytes.len() as u64;
        Ok(())
    }

    fn zeroes(&mut self, count: u64) -> io::Result<()> {
        self.zeroes += count;
        Ok(())
    }
}

#[test]
fn frames_of_zeroes_that_a_capture_stored_are_holes_of_its_exports() {
    const MIB: u64 = 1 << 20;
    let lab = Lab::new();
    let mut memory = noise(1, 2 << 20);
    memory.extend(vec![0; 6 << 20]);
    let sealed = lab.store(&crate::testing::core(&memory));
    for format in [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime] {
        let export = ImageExport::open(&sealed.image, format).unwrap();
        let mut counted = Counted::default();
        let exported = export.write_from(0, Effort::Shared, &mut counted).unwrap();
        assert_eq!(counted.content + counted.zeroes, exported.size.0, "{format}");
        // The headers push the memory: what is left of it at the end is a short frame, which is unpacked.
        assert_eq!((export.manifest().unwrap().frames.zero, counted.zeroes), (6, 5 * MIB), "{format}");
    }
}
