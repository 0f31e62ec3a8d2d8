//! A password from whoever types it, or from standard input; never from the command line, which every user can read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use memdeck_model::Password;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::commands::Failure;

/// More than any password has.
const MOST_BYTES: u64 = 4096;

/// Asks twice on a terminal; else the first line of standard input.
pub fn read() -> Result<Password, Failure> {
    if !io::stdin().is_terminal() {
        return line().map(Password::from);
    }
    let password = asked("Password: ")?;
    if asked("The same again: ")? == password {
        Ok(password.into())
    } else {
        Err(Failure::new("the two are not the same; nothing was changed"))
    }
}

fn line() -> Result<String, Failure> {
    let failed = |error| Failure::new(format!("the password cannot be read: {error}"));
    let mut line = String::new();
    io::stdin().lock().take(MOST_BYTES).read_line(&mut line).map_err(failed)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage("no password came: type it, or send it to standard input"));
    }
    Ok(password.to_owned())
}

fn asked(prompt: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::new(format!("the terminal cannot be used: {error}"));
    let mut told = io::stderr();
    told.write_all(prompt.as_bytes()).and_then(|()| told.flush()).map_err(failed)?;
    let _silent = Silence::begin().map_err(failed)?;
    let password = line();
    let _ = told.write_all(b"\n");
    password
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silence(rustix::termios::Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
