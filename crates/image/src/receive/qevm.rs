//! QEMU's migration stream, which a live dump is: its pages as they come, and the CPUs' registers at its end.
//!
//! The stream is read once, front to back. Its pages go to a [`PageSink`]; what memdeck does not understand is
//! refused with a reason. Facts about the format are those of QEMU 7.2 to 10.0.

mod cpu;
mod description;
mod devices;
mod error;
mod machine_state;
mod place;
mod ram;
mod source;
mod stream;

use std::io::Read;

use memdeck_model::ByteCount;

pub(crate) use cpu::{CpuState, SegmentRegister};
use devices::Devices;
pub use error::QevmError;
pub(crate) use machine_state::{GuestNote, MachineState};
pub(crate) use place::{Placed, check_split, place};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use ram::PAGE_BYTES;
pub(crate) use ram::{PageSink, RamBlock};
use source::Source;
use stream::{Parsed, parse};

/// A stream that was read to its end.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) machine: String,
    pub(crate) bytes: ByteCount,
    pub(crate) state: MachineState,
    /// The stream carries a marker of multifd; with that, pages travel beside it.
    pub(crate) is_multifd: bool,
}

/// Reads a stream to its end, also if it cannot be used: then `sink` learns why, and what follows is read and
/// dropped. Only a stream that fails itself is left at once.
pub(crate) fn read_stream(stream: impl Read, sink: &mut impl PageSink) -> Result<Stream, QevmError> {
    let mut source = Source::new(stream);
    let read = read_all(&mut source, sink);
    if let Err(error) = &read
        && !matches!(error, QevmError::Stream { .. })
    {
        sink.abandoned(error);
        source.drain();
    }
    read
}

fn read_all<R: Read>(source: &mut Source<R>, sink: &mut impl PageSink) -> Result<Stream, QevmError> {
    let Parsed { machine, tail, is_multifd } = parse(source, sink)?;
    let bytes = source.received();
    let devices = Devices::find(tail, bytes)?;
    Ok(Stream { machine, bytes, state: MachineState::new(&devices), is_multifd })
}

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;
