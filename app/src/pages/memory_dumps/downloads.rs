//! What of a stored image can be downloaded: where it is, what it is called, and how large it is.

use memdeck_model::{ByteCount, DumpId, Record};

use crate::words::Form;

/// Something to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    pub name: &'static str,
    /// What it is good for.
    pub hint: &'static str,
    /// Where it is.
    pub href: String,
    /// The file's name, if the server does not send it.
    pub file_name: Option<String>,
    /// How large it is.
    pub size: Size,
    /// What it leaves out.
    pub omits: Option<String>,
    /// Why it is not available.
    pub problem: Option<String>,
}

/// How large a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// So many bytes.
    Known(ByteCount),
    /// It is known when it has been made.
    KnownAfterwards,
    /// It is unknown, or too small to matter.
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

/// Everything that can be downloaded of a dump, with what is known of its forms.
pub fn downloads(id: &DumpId, record: &Record, known_forms: &[Form]) -> Vec<Download> {
    let path = format!("api/memory-dumps/{id}");
    let told = |form: &str| known_forms.iter().find(|told| told.format == form);
    let size = |form: &str| match (form, told(form)) {
        ("avml", _) => Size::KnownAfterwards,
        (_, Some(Form { size: Some(size), .. })) => Size::Known(*size),
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
        omits: told(form).and_then(|told| told.omits.clone()),
        problem: told(form).and_then(|told| told.problem.clone()),
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

#[cfg(test)]
mod tests {
    use memdeck_model::GuestName;

    use super::*;

    fn all(forms: &[Form]) -> Vec<Download> {
        let record = Record {
            gzip_size_bytes: Some(ByteCount(10)),
            raw_size_bytes: Some(ByteCount(40)),
            ..Record::unknown(GuestName("web-01".into()), "1".into(), std::time::UNIX_EPOCH.into())
        };
        downloads(&"a1".parse().unwrap(), &record, forms)
    }

    #[test]
    fn every_form_and_the_manifest_can_be_had() {
        let links: Vec<_> = all(&[]).into_iter().map(|download| download.href).collect();
        let image = |form| format!("api/memory-dumps/a1/image?format={form}");
        let expected = ["elf", "raw", "lime", "avml", "stored"].map(image);
        assert_eq!(links[..5], expected);
        assert_eq!(links[5], "api/memory-dumps/a1/manifest");
    }

    #[test]
    fn sizes_are_told_as_far_as_they_are_known() {
        let sizes = |forms: &[Form]| all(forms).into_iter().map(|download| download.size).collect::<Vec<_>>();
        let (known, not_told) = (|bytes| Size::Known(ByteCount(bytes)), Size::NotTold);
        assert_eq!(sizes(&[]), [known(40), not_told, not_told, Size::KnownAfterwards, known(10), not_told]);
        let form = |format: &str, size: Option<u64>, problem: Option<&str>| Form {
            format: format.to_owned(),
            size: size.map(ByteCount),
            omits: None,
            problem: problem.map(str::to_owned),
        };
        let forms = [
            form("elf", Some(40), None),
            form("raw", Some(36), None),
            form("lime", None, Some("the segments overlap")),
        ];
        assert_eq!(sizes(&forms)[..3], [known(40), known(36), not_told]);
        assert_eq!(all(&forms)[2].problem.as_deref(), Some("the segments overlap"));
    }
}
