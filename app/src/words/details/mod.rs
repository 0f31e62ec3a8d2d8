//! Everything that is known of a dump, in the words in which the page shows it. Made on the server.

mod facts;

use memdeck_model::{
    ByteCount, ExportFacts, ForeignRow, ImageFacts, PageClass as Class, PageMapFacts, PageTotals, Problem,
    Record,
};

use super::{absence, because, by_whom, class_hint, class_name, grouped, sentence, share, why_absent};
use crate::words::{Details, Form, Notice, PageClass, PageStatistics, Weight};
use facts::{fallback_of, groups, missing_of};

/// What the record holds and, if the image was read, what that holds, or why it could not be read.
pub fn in_words(record: Record, image: Option<Result<ImageFacts, Problem>>) -> Details {
    let (image, problem) = match image {
        None => (None, None),
        Some(Ok(image)) => (Some(image), None),
        // That is what deleting an image means.
        Some(Err(_)) if record.deleted_at.is_some() => (None, None),
        Some(Err(problem)) => (None, Some(problem)),
    };
    let image = image.as_ref();
    let map = image.and_then(|image| image.manifest()?.page_map.as_ref());
    let readable = image.and_then(ImageFacts::inspection).filter(|_| record.deleted_at.is_none());
    let unreadable = image.and_then(ImageFacts::problem).filter(|_| record.deleted_at.is_none());
    Details {
        unreadable: unreadable.cloned(),
        notices: notices(&record, image),
        groups: groups(&record, image),
        pages: map.map(page_statistics),
        forms: readable.map(|image| image.exports.iter().map(form).collect()),
        problem,
        record,
    }
}

/// That the record came from another tool, or from a service that knows its guests by name.
fn of_whom(record: &Record) -> Option<Notice> {
    let (title, detail) = match record.foreign {
        Some(ForeignRow::Whole) => (
            "Written by another tool",
            "The record was read from InfluxDB. memdeck did not take this dump and knows no more about it.",
        ),
        Some(ForeignRow::Partly) => (
            "Written by another tool, partly understood",
            "The record was read from InfluxDB. The guest’s name is missing, or a value is of an unexpected kind; what \
             could not be understood is left out.",
        ),
        None if record.is_unverified() => (
            "The guest was not verified",
            "The dump service that took this dump reports no UUID. The guest is the one that it took for the text of the \
             request.",
        ),
        None => return None,
    };
    Some(Notice { weight: Weight::Note, title: title.to_owned(), at: None, detail: detail.to_owned() })
}

/// The notices of a dump, the worst first.
pub fn notices(record: &Record, image: Option<&ImageFacts>) -> Vec<Notice> {
    let manifest = image.and_then(ImageFacts::manifest);
    let notice =
        |weight, title: &str, detail: String| Notice { weight, title: title.to_owned(), at: None, detail };
    let mut notices = Vec::new();
    if let Some(at) = record.deleted_at {
        let by = record.deleted_by.as_ref().map(|by| format!(" {}", by_whom(by))).unwrap_or_default();
        notices.push(Notice {
            at: Some(at),
            ..notice(
                Weight::Loss,
                &format!("The image was deleted{by}"),
                "The record and the manifest remain. The image can no longer be downloaded or verified."
                    .to_owned(),
            )
        });
    }
    if record.altered {
        notices.push(notice(
            Weight::Loss,
            "The record was changed",
            "It differs from what memdeck wrote to the catalog: another program or the disk changed it. Run memdeck \
             catalog check."
                .to_owned(),
        ));
    }
    // Of a deleted image it says no more than that.
    let problem = image.and_then(ImageFacts::problem).filter(|_| record.deleted_at.is_none());
    if let Some(problem) = problem {
        notices.push(notice(Weight::Loss, absence(problem), why_absent(problem, manifest.is_some())));
    }
    if !record.ok {
        notices.push(notice(
            Weight::Loss,
            "The dump failed",
            "Whatever was stored is not a complete image.".to_owned(),
        ));
    }
    if let Some(manifest) = manifest
        && record.sha256.as_ref().is_some_and(|sha256| *sha256 != manifest.sha256)
    {
        notices.push(notice(
            Weight::Loss,
            "The manifest does not match the record",
            "Its SHA-256 differs from the record: the files were changed or replaced.".to_owned(),
        ));
    }
    if let Some(at) = record.rebuilt_at {
        notices.push(Notice {
            at: Some(at),
            ..notice(
                Weight::Note,
                "The record was rebuilt",
                "The catalog had lost it and rebuilt it from the manifest: it cannot prove that the manifest was not \
                 changed before."
                    .to_owned(),
            )
        });
    }
    notices.extend(of_whom(record));
    if record.encrypted {
        notices.push(notice(
            Weight::Note,
            "Encrypted memory",
            "The image is ciphertext: it cannot be analysed without the guest’s key.".to_owned(),
        ));
    }
    if let Some(reason) = fallback_of(record, manifest) {
        let mode = record.mode.or(manifest.map(|manifest| manifest.mode));
        notices.push(notice(Weight::Note, "Another mode than requested", because(mode, reason)));
    }
    let missing = missing_of(manifest);
    if !missing.is_empty() {
        notices.push(notice(
            Weight::Note,
            "Parts are missing from the image",
            sentence(&format!("missing: {}", missing.join("; "))),
        ));
    }
    if let Some(why) = image.and_then(|image| image.inspection()?.manifest_problem.as_deref()) {
        notices.push(notice(
            Weight::Note,
            "No manifest",
            sentence(&format!("there is no usable manifest: {why}")),
        ));
    }
    notices
}

/// What the pages hold, in the order in which the first class that holds is a page's.
fn page_statistics(map: &PageMapFacts) -> PageStatistics {
    let pages = &map.pages;
    let class = |(class, pages): (Class, u64)| PageClass {
        name: class_name(class).to_owned(),
        hint: class_hint(class).to_owned(),
        pages,
    };
    let classes = [
        (Class::Zero, pages.zero),
        (Class::Uniform, pages.uniform),
        (Class::Text, pages.text),
        (Class::Sparse, pages.sparse),
        (Class::HighEntropy, pages.high_entropy),
        (Class::Binary, pages.binary),
    ];
    let summary = summary(pages, map.page_bytes, map.mean_entropy_millibits);
    PageStatistics { summary, classes: classes.map(class).into() }
}

/// All of it in one sentence.
fn summary(pages: &PageTotals, page_bytes: ByteCount, millibits: u64) -> String {
    let total = grouped(pages.total);
    let zero = share(pages.zero, pages.total);
    let (bits, rest) = (millibits / 1000, millibits % 1000 / 10);
    format!(
        "{total} pages of {page_bytes}; {zero} hold only zeroes, the others {bits}.{rest:02} bits of entropy per byte on average."
    )
}

fn form(export: &ExportFacts) -> Form {
    Form {
        format: export.format.as_str().to_owned(),
        size: export.size_bytes,
        omits: omitted(export),
        problem: export.problem.clone(),
    }
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
mod tests;
