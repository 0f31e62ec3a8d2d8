//! Errors for logs and for people.

use std::error::Error;

/// An error as the log takes it, with its causes.
pub fn as_error(error: &(impl Error + 'static)) -> &(dyn Error + 'static) {
    error
}

/// An error and its causes in one line.
pub fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
