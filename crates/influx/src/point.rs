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
    /// True or false.
    Boolean(bool),
    /// May hold everything, line breaks included.
    Text(String),
    /// 64 bits with a sign: larger numbers have no place in a store.
    Integer(i64),
    /// Left out of the point where it is not finite.
    Float(f64),
}

/// What can be written as a line: a [`Point`], or a line that was read from a file, whose names are its own.
pub(crate) trait AsLine {
    fn measurement(&self) -> &str;
    fn tags(&self) -> impl Iterator<Item = (&str, &str)>;
    fn fields(&self) -> impl Iterator<Item = (&str, &FieldValue)>;
    fn unix_nanos(&self) -> i64;
}

impl AsLine for Point {
    fn measurement(&self) -> &str {
        self.measurement
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(name, value)| (*name, value.as_str()))
    }

    fn fields(&self) -> impl Iterator<Item = (&str, &FieldValue)> {
        self.fields.iter().map(|(name, value)| (*name, value))
    }

    fn unix_nanos(&self) -> i64 {
        self.unix_nanos
    }
}
