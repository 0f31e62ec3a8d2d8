//! What subcommands print: results on standard output, everything else on standard error.
//!
//! A reader may go at any time (`memdeck dump web-01 | head -1`). That is no failure: the rest is not printed, what the
//! command does goes on to its end, and its exit code is that of the work. `println!` would panic instead, so clippy
//! refuses it in this crate.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use super::Failure;

/// The standard output of one subcommand.
#[derive(Debug, Default)]
pub struct Output {
    reader_is_gone: bool,
}

impl Output {
    /// Prints one line.
    ///
    /// # Errors
    /// Standard output cannot be written for another reason than that nobody reads it.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        self.text(format!("{text}\n"))
    }

    /// Prints `text` as it is.
    ///
    /// # Errors
    /// As of [`Self::line`].
    pub fn text(&mut self, text: impl AsRef<str>) -> Result<(), Failure> {
        self.write(&mut io::stdout().lock(), text.as_ref())
    }

    /// Prints `value` as JSON in one line.
    ///
    /// # Errors
    /// As of [`Self::line`], or the value cannot be written as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value).map_err(|error| Failure::new(error.to_string()))?)
    }

    fn write(&mut self, to: &mut impl Write, text: &str) -> Result<(), Failure> {
        if self.reader_is_gone {
            return Ok(());
        }
        match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_is_gone = true;
                Ok(())
            }
            written => written.map_err(|error| Failure::new(format!("standard output: {error}"))),
        }
    }
}

/// Says `text` on standard error. If that cannot be written, nobody would read it.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses everything with one kind of error, and counts.
    struct Refusing(io::ErrorKind, u32);

    impl Write for Refusing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_is_no_failure_and_is_sent_nothing_more() {
        let (mut output, mut pipe) = (Output::default(), Refusing(io::ErrorKind::BrokenPipe, 0));
        for _ in 0..2 {
            output.write(&mut pipe, "a line\n").unwrap();
        }
        assert!(output.reader_is_gone);
        assert_eq!(pipe.1, 1);
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let (mut output, mut disk) = (Output::default(), Refusing(io::ErrorKind::StorageFull, 0));
        let failure = output.write(&mut disk, "a line\n").unwrap_err();
        assert!(failure.message().starts_with("standard output: "), "{}", failure.message());
        assert!(!output.reader_is_gone);
    }
}
