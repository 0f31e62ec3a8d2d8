//! Pages that differ between two dumps as CSV (RFC 4180, UTF-8), in the columns of `memdeck compare --pages`.

use memdeck_model::ComparedPage;

/// The names of the columns.
pub const COLUMNS: [&str; 6] = ["address", "fate", "from", "to", "from_entropy_bits", "to_entropy_bits"];

/// The whole file.
pub fn file(pages: &[ComparedPage]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for page in pages {
        writer.write_record(cells(page))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The line of a page.
pub fn cells(page: &ComparedPage) -> [String; COLUMNS.len()] {
    let bits = |entropy: u16| format!("{:.3}", f64::from(entropy) / 4096.0);
    [
        page.address.to_string(),
        page.fate.as_str().to_owned(),
        page.from.as_str().to_owned(),
        page.to.as_str().to_owned(),
        bits(page.from_entropy_4096ths),
        bits(page.to_entropy_4096ths),
    ]
}
