//! As much of Markdown as the documents in `docs/` are made of: headings and fenced blocks.

use std::path::PathBuf;

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its first fence, from 1.
    pub line: usize,
    /// What stands behind the first fence: the language and what is said of the block.
    pub info: String,
    /// Its lines, each with its line feed.
    pub code: String,
}

/// The text of a file of the repository, by its path from the root.
pub fn read(path: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The fenced blocks of a document, in order.
///
/// # Errors
/// Something looks like a block and would not be found as one: the message names the line.
pub fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(_), Some(_)) => return Err(format!("line {number}: a block begins within a block")),
            (Some(block), None) => block.code.extend([line, "\n"]),
            (None, Some(info)) => {
                open = Some(Block { line: number, info: info.trim().to_owned(), code: String::new() });
            }
            (None, None) if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") => {
                return Err(format!("line {number}: a fence begins at the margin and is three backticks"));
            }
            (None, None) => {}
        }
    }
    match open {
        Some(block) => Err(format!("line {}: the block has no end", block.line)),
        None => Ok(blocks),
    }
}
