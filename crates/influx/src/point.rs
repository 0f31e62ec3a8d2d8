//! A point: one row of a measurement at one moment.

/// One row of a measurement: which series it belongs to, what was measured, and when.
///
/// The store names a point by measurement, tags and time; writing the same name again replaces it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub measurement: &'static str,
    /// What the series is about. A tag with an empty value is the same as none.
    pub tags: Vec<(&'static str, String)>,
    /// At least one, or the point is not written.
    pub fields: Vec<(&'static str, FieldValue)>,
    /// Nanoseconds since 1970, UTC.
    pub unix_nanos: i64,
}

/// A measured value in its own type. The store may have the column in another; the client converts where it can.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    Boolean(bool),
    Text(String),
    Integer(i64),
    Float(f64),
}
