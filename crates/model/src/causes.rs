//! An error with what caused it, as one sentence.

use std::error::Error;
use std::fmt::Write as _;

/// The text of an error and of its causes, outermost first: `the image cannot be opened: permission denied`.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Failure {
        text: &'static str,
        source: Option<Box<Failure>>,
    }

    #[test]
    fn causes_follow_the_error_that_they_caused() {
        let root = Failure { text: "permission denied", source: None };
        let open = Failure { text: "the file cannot be opened", source: Some(Box::new(root)) };
        let read = Failure { text: "the image cannot be read", source: Some(Box::new(open)) };
        assert_eq!(
            with_causes(&read),
            "the image cannot be read: the file cannot be opened: permission denied"
        );
    }
}
