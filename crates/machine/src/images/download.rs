//! An image on its way to somebody: opened in a form, then read on a thread of its own.
//!
//! ```text
//! thread: read, unpack ──► channel of two chunks ──► body ──► client
//! ```
//!
//! A slow client stops the thread, and with it everything before it: a download holds a few MiB, whatever the client
//! does. A client that goes away ends the thread with its next chunk. What goes wrong in the middle ends the body with
//! an error, so that the connection breaks and nobody takes a part for the whole.
//!
//! Whatever the form, each frame is held against its recorded digest before a byte of it is sent.

use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use memdeck_image::{Effort, ExportFormat, ExportSink, ImageExport, ReadError, Segment};
use memdeck_model::Problem;
use memdeck_model::audit::AuditObject;
use memdeck_operations::{AddressRange, Form, Held, ImageBytes, OpenImage, ReadImage};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::uses::Uses;
use super::{StoredImage, internal, unreadable};

/// Chunks between the thread and the connection.
const CHUNKS: usize = 2;
/// What is sent at once.
const CHUNK_BYTES: usize = 256 << 10;
/// A client that takes nothing for so long is given up, so that its place is free for others.
const STALL_LIMIT: Duration = Duration::from_mins(2);
/// A client that takes less than this in [`PACE_WINDOW`] is given up too: a place is not for keeping. Slower than the
/// slowest line over which somebody would fetch an image; `Range` goes on where it broke off.
const LEAST_BYTES_PER_WINDOW: u64 = 2 << 20;
/// How long the pace is measured.
const PACE_WINDOW: Duration = Duration::from_mins(1);
/// Part of every entity tag: to be raised when the same image makes other bytes in some format.
const REVISION: u32 = 1;

/// An image that is open.
struct Reader {
    image: StoredImage,
    export: ImageExport,
    uses: Uses,
}

/// Opens an image, and makes sure that it is the one that was recorded: the entity tag promises its bytes.
pub(super) fn open(image: StoredImage, form: Form, uses: Uses) -> Result<OpenImage, Problem> {
    let export = match export_format(form) {
        Some(format) => ImageExport::open_recorded(&image.path, format, &image.record),
        None => ImageExport::open_stored(&image.path, &image.record),
    };
    let export = export.map_err(|error| unreadable(&image, &error))?;
    let stored = image.path.file_name().unwrap_or_default().to_string_lossy();
    let tag = |sha256: &String| format!("\"{sha256}-{}-{REVISION}\"", form.as_str());
    Ok(OpenImage {
        about: AuditObject::dump(image.dump_id.clone()),
        form,
        length: export.length().map(|length| length.0),
        entity_tag: image.record.sha256.as_ref().map(tag),
        file_name: form.file_name(stored.strip_suffix(".elf.zst").unwrap_or(&stored)),
        omitted: export.omitted().iter().map(range_of).collect(),
        is_checked: export.frames_are_checked(),
        reader: Box::new(Reader { image, export, uses }),
    })
}

/// How the image is converted; not at all where the file is wanted as it is.
fn export_format(form: Form) -> Option<ExportFormat> {
    match form {
        Form::Elf => Some(ExportFormat::Elf),
        Form::Raw => Some(ExportFormat::Raw),
        Form::Lime => Some(ExportFormat::Lime),
        Form::Avml => Some(ExportFormat::Avml),
        Form::Stored => None,
    }
}

fn range_of(segment: &Segment) -> AddressRange {
    let first = segment.address.0;
    AddressRange { first, last: first.saturating_add(segment.file_bytes.0.saturating_sub(1)) }
}

#[async_trait]
impl ReadImage for Reader {
    async fn read(self: Box<Self>, part: Option<Range<u64>>, held: Held) -> Result<ImageBytes, Problem> {
        let in_use = self.uses.download(&self.image.dump_id)?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("image-download".to_owned())
            .spawn(move || {
                self.run(part, ChannelSink::new(runtime, sender));
                // Only now is the place free for others.
                drop((held, in_use));
            })
            .map_err(|error| internal(&error))?;
        Ok(futures_util::stream::unfold(Some(receiver), next).boxed())
    }
}

impl Reader {
    fn run(&self, part: Option<Range<u64>>, mut sink: ChannelSink) {
        let written = match part {
            Some(part) => self.export.write_range(part, Effort::Shared, &mut sink),
            None => self.export.write_from(0, Effort::Shared, &mut sink),
        }
        .map(drop);
        let image = &self.image;
        match written {
            Ok(()) => {
                let _ = sink.send(Message::End);
            }
            Err(ReadError::Write(reason)) => tracing::info!(
                dump_id = %image.dump_id, vm = %image.record.dom, %reason, "a download was given up by its client"
            ),
            Err(error) => {
                let detail = unreadable(image, &error).detail.to_string();
                let _ = sink.send(Message::Broken(io::Error::other(detail)));
            }
        }
    }
}

enum Message {
    Chunk(Bytes),
    /// Nothing follows. A thread that ends without having said so has not sent everything.
    End,
    Broken(io::Error),
}

/// How fast a client takes what it downloads.
struct Pace {
    taken_bytes: u64,
    since: Instant,
    /// How long it is measured at once.
    window: Duration,
}

impl Pace {
    fn new(now: Instant, window: Duration) -> Self {
        Self { taken_bytes: 0, since: now, window }
    }

    /// The client took `bytes`, for which it let us wait so long. False if it is too slow to keep its place.
    fn took(&mut self, bytes: u64, waited: Duration, now: Instant) -> bool {
        self.taken_bytes += bytes;
        if now.duration_since(self.since) < self.window {
            return true;
        }
        // A pause of ours, reading or unpacking, is not the client's fault.
        let is_its_fault = waited > Duration::from_millis(1);
        let is_fast_enough = self.taken_bytes >= LEAST_BYTES_PER_WINDOW || !is_its_fault;
        *self = Self::new(now, self.window);
        is_fast_enough
    }
}

/// The thread's end of the channel.
struct ChannelSink {
    runtime: Handle,
    sender: mpsc::Sender<Message>,
    pace: Pace,
}

impl ChannelSink {
    fn new(runtime: Handle, sender: mpsc::Sender<Message>) -> Self {
        Self { runtime, sender, pace: Pace::new(Instant::now(), PACE_WINDOW) }
    }

    fn send_bytes(&mut self, chunk: Bytes) -> io::Result<()> {
        let (length, begun) = (chunk.len() as u64, Instant::now());
        self.send(Message::Chunk(chunk))?;
        let now = Instant::now();
        if self.pace.took(length, now.duration_since(begun), now) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the client is too slow to keep its place"))
    }

    fn send(&self, message: Message) -> io::Result<()> {
        let sent = async { tokio::time::timeout(STALL_LIMIT, self.sender.send(message)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the client went away")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the client took nothing for two minutes")),
        }
    }
}

impl ExportSink for ChannelSink {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(CHUNK_BYTES).try_for_each(|chunk| self.send_bytes(Bytes::copy_from_slice(chunk)))
    }

    fn zeroes(&mut self, mut count: u64) -> io::Result<()> {
        static ZEROES: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
        while count > 0 {
            let part = usize::try_from(count).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            self.send_bytes(Bytes::from_static(&ZEROES[..part]))?;
            count -= part as u64;
        }
        Ok(())
    }
}

/// The body's end of the channel.
async fn next(
    receiver: Option<mpsc::Receiver<Message>>,
) -> Option<(io::Result<Bytes>, Option<mpsc::Receiver<Message>>)> {
    let mut receiver = receiver?;
    match receiver.recv().await {
        Some(Message::Chunk(chunk)) => Some((Ok(chunk), Some(receiver))),
        Some(Message::End) => None,
        Some(Message::Broken(error)) => Some((Err(error), None)),
        None => Some((Err(io::Error::other("the download ended before its end")), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = CHUNK_BYTES as u64;

    /// Whether a client keeps its place that takes a chunk every `seconds`, having let us wait for it so long.
    fn keeps_its_place(seconds: u64, waited: Duration) -> bool {
        let begun = Instant::now();
        let mut pace = Pace::new(begun, PACE_WINDOW);
        (1..=20).all(|nth| pace.took(CHUNK, waited, begun + Duration::from_secs(nth * seconds)))
    }

    #[test]
    fn a_client_that_takes_less_than_two_mib_a_minute_loses_its_place() {
        let its_fault = Duration::from_secs(1);
        assert!(keeps_its_place(7, its_fault), "eight chunks of a quarter of a MiB in each minute");
        assert!(!keeps_its_place(9, its_fault));
    }

    #[test]
    fn a_client_that_takes_a_little_now_and_then_is_given_up_though_it_never_stops() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (sender, mut receiver) = mpsc::channel(CHUNKS);
        let pace = Pace::new(Instant::now(), Duration::from_millis(200));
        let mut sink = ChannelSink { runtime: runtime.handle().clone(), sender, pace };
        let sending = std::thread::spawn(move || sink.zeroes(64 * CHUNK));
        let mut taken = 0;
        while let Some(Message::Chunk(chunk)) = receiver.blocking_recv() {
            taken += chunk.len() as u64;
            std::thread::sleep(Duration::from_millis(60));
        }
        let given_up = sending.join().unwrap().unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
        assert!(taken < LEAST_BYTES_PER_WINDOW + (CHUNKS as u64 + 1) * CHUNK, "{taken}");
    }

    #[test]
    fn a_client_that_waits_for_us_keeps_its_place() {
        assert!(keeps_its_place(9, Duration::ZERO));
    }
}
