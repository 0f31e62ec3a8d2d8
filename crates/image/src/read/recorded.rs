//! What the catalog's record of a dump says against an image and its manifest.

use memdeck_model::{ByteCount, CaptureMode, DumpId, Finding, Manifest, Millis, Record, Remark};

/// What is known of an image; `None` if it was not looked at or cannot be known.
pub(crate) struct Seen<'a> {
    /// The manifest, and the SHA-256 of its file.
    pub(crate) manifest: Option<(&'a Manifest, &'a str)>,
    pub(crate) sha256: Option<&'a str>,
    pub(crate) digests_root: Option<&'a str>,
    pub(crate) stored_size: Option<ByteCount>,
    pub(crate) raw_size: Option<ByteCount>,
}

/// Everything that is not as the record says; empty if all of it agrees.
pub(crate) fn differences(record: &Record, seen: &Seen<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if record.altered {
        findings.push(Finding::RecordAltered);
    }
    let mut compare = Compare { findings: &mut findings };
    // What the record does not know it cannot say anything against.
    compare.size("size of the stored file in bytes", record.gzip_size_bytes, seen.stored_size);
    compare.size("size of the image in bytes", record.raw_size_bytes, seen.raw_size);
    compare.known("SHA-256 of the image", record.sha256.as_deref(), seen.sha256);
    compare.known("root over the digests of the frames", record.digests_root.as_deref(), seen.digests_root);
    if let Some((manifest, sha256)) = seen.manifest {
        if let Some(recorded) = record.manifest_sha256.as_ref().filter(|recorded| *recorded != sha256) {
            let (recorded, found) = (recorded.clone(), sha256.to_owned());
            compare.findings.push(Finding::ManifestChanged { recorded, found });
        }
        compare.manifest(record, manifest);
    }
    findings
}

struct Compare<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Compare<'_> {
    fn manifest(&mut self, record: &Record, manifest: &Manifest) {
        let facts = &manifest.capture;
        self.known(
            "dump id in the manifest",
            record.dump_id.as_ref().map(DumpId::as_str),
            Some(manifest.dump_id.as_str()),
        );
        self.known("guest in the manifest", Some(&record.dom.0), Some(&manifest.guest.name.0));
        self.known("id of the guest in the manifest", Some(&record.vmid), Some(&manifest.guest.vmid));
        self.known("host in the manifest", record.host.as_ref(), Some(&manifest.host));
        self.known(
            "beginning of the dump in the manifest",
            Some(record.timestamp),
            Some(manifest.started_at),
        );
        self.known("format in the manifest", record.format.as_ref(), Some(&manifest.format));
        self.known("codec in the manifest", record.codec.as_ref(), Some(&manifest.codec));
        let base = manifest.difference.as_ref().map(|facts| facts.base.as_str());
        self.same(
            "dump in the manifest that the image is a difference to",
            record.difference_of.as_ref().map(DumpId::as_str),
            base,
        );
        let mode = |mode: CaptureMode| mode.as_str();
        self.known("mode in the manifest", record.mode.map(mode), Some(manifest.mode.as_str()));
        let stored_size = Some(manifest.stored_size_bytes);
        self.size("size of the stored file in the manifest, in bytes,", record.gzip_size_bytes, stored_size);
        let raw_size = Some(manifest.raw_size_bytes);
        self.size("size of the image in the manifest, in bytes,", record.raw_size_bytes, raw_size);
        self.known(
            "SHA-256 of the image in the manifest",
            record.sha256.as_deref(),
            Some(manifest.sha256.as_str()),
        );
        let root = manifest.frame_digests.as_ref().map(|digests| digests.root.as_str());
        if record.digests_root.is_some() {
            self.same("root of the digests in the manifest", record.digests_root.as_deref(), root);
        }
        // Both have them since there are such fields, or neither.
        let bytes = |rate: ByteCount| rate.0;
        let millis = |pause: Millis| pause.0;
        self.same(
            "pause in the manifest, in milliseconds,",
            record.pause_ms.map(millis),
            manifest.pause_ms.map(millis),
        );
        self.same("case in the manifest", text(record.case.as_ref()), text(manifest.case.as_ref()));
        self.same("note in the manifest", text(record.note.as_ref()), text(manifest.note.as_ref()));
        self.same("instant of the memory in the manifest", record.point_in_time, facts.point_in_time);
        self.same("reason for the mode in the manifest", record.fallback.as_ref(), facts.fallback.as_ref());
        self.same(
            "hypervisor's downtime in the manifest, in milliseconds,",
            record.job_downtime_ms.map(millis),
            facts.job_downtime_ms.map(millis),
        );
        self.same("number of passes in the manifest", record.iterations, facts.iterations);
        self.same(
            "rate of changes in the manifest, in bytes per second,",
            record.dirty_bytes_per_s.map(bytes),
            facts.dirty_bytes_per_s.map(bytes),
        );
        self.same("mark of encryption in the manifest", Some(record.encrypted), Some(facts.encrypted));
    }

    fn size(&mut self, what: &'static str, recorded: Option<ByteCount>, found: Option<ByteCount>) {
        self.known(what, recorded.map(|size| size.0), found.map(|size| size.0));
    }

    /// Compares what both know.
    fn known<T: PartialEq + ToString>(&mut self, what: &'static str, recorded: Option<T>, found: Option<T>) {
        if recorded.is_some() && found.is_some() {
            self.same(what, recorded, found);
        }
    }

    /// Compares, and takes it for a difference where only one of them knows.
    fn same<T: PartialEq + ToString>(&mut self, what: &'static str, recorded: Option<T>, found: Option<T>) {
        if recorded != found {
            let in_words =
                |value: Option<T>| value.map_or_else(|| "not given".to_owned(), |value| value.to_string());
            let (recorded, found) = (in_words(recorded), in_words(found));
            self.findings.push(Finding::RecordMismatch { what: what.into(), recorded, found });
        }
    }
}

fn text(remark: Option<&Remark>) -> Option<&str> {
    remark.map(Remark::as_str)
}
