//! What the fuzz targets need beyond the public interface: doors to private parsers. Only with the feature `fuzzing`.

use memdeck_model::Record;

use crate::line::push_line;
use crate::record_point;
use crate::reply::reason;
use crate::short::shortened;
use crate::types::FieldTypes;

/// The record's line for a store that answered `types` about its columns, and then `refusal`.
#[must_use]
pub fn line_after(record: &Record, types: &[u8], refusal: &str) -> String {
    let mut known = FieldTypes::read(types);
    if let Some(stated) = FieldTypes::from_refusal(refusal) {
        known.extend(&stated);
    }
    let mut line = String::new();
    if let Ok(point) = record_point(record) {
        push_line(&mut line, &point, &known);
    }
    line
}

/// The reason in a refusal, as it is shown.
#[must_use]
pub fn shown_reason(refusal: &str) -> String {
    shortened(&reason(refusal))
}
