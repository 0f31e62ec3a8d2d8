//! What of a stored image can be downloaded: where it is, what it is called, and how large it is.

use memdeck_model::{ByteCount, DumpId, Record};

use crate::api::{ExportFacts, ImageFacts};

/// Something to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Its name.
    pub name: &'static str,
    /// What it is good for.
    pub hint: &'static str,
    /// Where it is.
    pub href: String,
    /// The file's name, where the server does not give it.
    pub file_name: Option<String>,
    /// How large it is.
    pub size: Size,
    /// What it leaves out.
    pub omits: Option<String>,
    /// Why it cannot be had.
    pub problem: Option<String>,
}

/// How large a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Known(ByteCount),
    /// It is known when it has been made.
    KnownAfterwards,
    /// Nobody told it, or it is too small to matter.
    NotTold,
}

/// The forms of an image, as the server calls them.
const FORMS: [(&str, &str, &str); 5] = [
    ("elf", "ELF core", "as it was taken, with the CPU registers"),
    ("raw", "Raw memory", "RAM alone, each byte at its address"),
    ("lime", "LiME", "every range of memory"),
    ("avml", "AVML", "every range of memory, compressed"),
    ("stored", "Stored file", "ELF in zstd, as it lies on disk: the smallest"),
];

/// Everything that can be downloaded of a dump, with what `image` tells of it.
pub fn downloads(id: &DumpId, record: &Record, image: Option<&ImageFacts>) -> Vec<Download> {
    let path = format!("/api/memory-dumps/{id}");
    let export = |form: &str| image?.exports.iter().find(|export| export.format == form);
    let size = |form: &str| match (form, export(form)) {
        ("avml", _) => Size::KnownAfterwards,
        (_, Some(ExportFacts { size_bytes: Some(size), .. })) => Size::Known(*size),
        ("stored", _) => known(record.gzip_size_bytes),
        ("elf", _) => known(record.raw_size_bytes),
        _ => Size::NotTold,
    };
    let forms = FORMS.map(|(form, name, hint)| Download {
        name,
        hint,
        href: format!("{path}/image?format={form}"),
        file_name: None,
        size: size(form),
        omits: export(form).and_then(omitted),
        problem: export(form).and_then(|export| export.problem.clone()),
    });
    let manifest = Download {
        name: "Manifest",
        hint: "JSON: origin, hashes, segments",
        href: format!("{path}/manifest"),
        file_name: Some(format!("{id}.json")),
        size: Size::NotTold,
        omits: None,
        problem: None,
    };
    forms.into_iter().chain([manifest]).collect()
}

fn known(size: Option<ByteCount>) -> Size {
    size.map_or(Size::NotTold, Size::Known)
}

/// `leaves out 256 KiB at 0xfffc0000: firmware or device memory`.
fn omitted(export: &ExportFacts) -> Option<String> {
    let segments = &export.omitted;
    let first = segments.first()?;
    let bytes = segments.iter().fold(0_u64, |sum, segment| sum.saturating_add(segment.file_bytes.0));
    let place = match segments.len() {
        1 => format!("at {}", first.address),
        count => format!("in {count} places from {} on", first.address),
    };
    Some(format!("leaves out {} {place}: firmware or device memory", ByteCount(bytes)))
}

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;
    use serde_json::json;

    use super::*;

    fn all(image: Option<&ImageFacts>) -> Vec<Download> {
        let record = Record {
            gzip_size_bytes: Some(ByteCount(10)),
            raw_size_bytes: Some(ByteCount(40)),
            ..Record::unknown(GuestName("web-01".into()), "1".into(), std::time::UNIX_EPOCH.into())
        };
        downloads(&"a1".parse().unwrap(), &record, image)
    }

    #[test]
    fn every_form_and_the_manifest_can_be_had() {
        let links: Vec<_> = all(None).into_iter().map(|download| download.href).collect();
        let image = |form| format!("/api/memory-dumps/a1/image?format={form}");
        let expected = ["elf", "raw", "lime", "avml", "stored"].map(image);
        assert_eq!(links[..5], expected);
        assert_eq!(links[5], "/api/memory-dumps/a1/manifest");
    }

    #[test]
    fn sizes_are_told_as_far_as_they_are_known() {
        let sizes = |image| all(image).into_iter().map(|download| download.size).collect::<Vec<_>>();
        let (known, not_told) = (|bytes| Size::Known(ByteCount(bytes)), Size::NotTold);
        assert_eq!(sizes(None), [known(40), not_told, not_told, Size::KnownAfterwards, known(10), not_told]);
        let image: ImageFacts = serde_json::from_value(json!({"exports": [
            {"format": "elf", "size_bytes": 40, "omitted": [], "problem": null},
            {"format": "raw", "size_bytes": 36, "omitted": [], "problem": null},
            {"format": "lime", "size_bytes": null, "omitted": [], "problem": "the segments overlap"},
        ]}))
        .unwrap();
        assert_eq!(sizes(Some(&image))[..3], [known(40), known(36), not_told]);
        assert_eq!(all(Some(&image))[2].problem.as_deref(), Some("the segments overlap"));
    }

    #[test]
    fn what_a_form_leaves_out_is_summed_up() {
        let segment = |address: u64| {
            json!({"kind": "load", "address": address, "offset_bytes": 0, "file_bytes": 262_144,
                "memory_bytes": 262_144})
        };
        let omits = |omitted: Vec<serde_json::Value>| {
            let export = json!({"format": "raw", "size_bytes": 1, "omitted": omitted, "problem": null});
            super::omitted(&serde_json::from_value(export).unwrap())
        };
        assert_eq!(omits(Vec::new()), None);
        assert_eq!(
            omits(vec![segment(0xfffc_0000)]).as_deref(),
            Some("leaves out 256 KiB at 0xfffc0000: firmware or device memory")
        );
        assert_eq!(
            omits(vec![segment(0xe000_0000), segment(0xfffc_0000)]).as_deref(),
            Some("leaves out 512 KiB in 2 places from 0xe0000000 on: firmware or device memory")
        );
    }
}
