//! `memdeck config`

use super::Exit;
use crate::config::{Sources, describe};

pub fn run(sources: &Sources) -> Exit {
    print!("{}", describe(sources));
    Exit::Done
}
