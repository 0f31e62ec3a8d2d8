//! Reading of files: requests come from the kernel, frames are unpacked by a few threads, answers leave when all of their
//! frames are there.
//!
//! ```text
//! request ──► all of it is here? answered at once
//!    └──► queue by file that is open ──► decoders ──► frame is here ──► next part ──► answered
//!               one turn for each            │  └── unpacked by another: waits there, takes no decoder
//!                                            └── unpacked now: for everybody who waits for it
//! read in order ──► the frames behind it are unpacked when nothing else is to be done
//! ```
//!
//! Memory is bounded by the cache, and by the kernel, which sends no more than a few requests before it has answers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memdeck_image::{ExportMap, ExportPart, FrameContent, FrameDecoder, ReadError, StoredFrames};
use parking_lot::{Condvar, Mutex};

use super::cache::{Claimed, Frame, FrameCache, Key};
use super::fair::FairQueue;
use super::images::OpenImage;

/// Zeroes that are handed out without making them.
static ZEROES: [u8; 1 << 20] = [0; 1 << 20];
/// How many frames are unpacked ahead of somebody who reads in order.
const FRAMES_AHEAD: u64 = 3;
/// So many bytes read in order, and it is taken for granted that more will be.
const IN_ORDER_BYTES: u64 = 256 << 10;
/// Requests of one reader overtake each other by no more than this.
const OVERTAKING_BYTES: u64 = 1 << 20;
/// Buffers that are kept to unpack into.
const SPARE_BUFFERS: usize = 4;

/// Why a read has no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The image is damaged or cannot be read.
    Damaged,
    /// The image is not on the mount any more.
    Gone,
}

/// What is answered to a read.
pub(super) type Answer = Box<dyn FnOnce(Result<&[u8], Refusal>) + Send>;

/// A file that somebody has open.
pub(super) struct OpenFile {
    /// Tells it from every other.
    pub(super) handle: u64,
    pub(super) image: Arc<OpenImage>,
    pub(super) map: Arc<ExportMap>,
    order: Order,
}

/// Whether a file is read in order.
#[derive(Default)]
struct Order {
    /// Where the last read ended.
    end: AtomicU64,
    /// How many bytes were read in order until there.
    bytes: AtomicU64,
}

impl OpenFile {
    pub(super) fn new(handle: u64, image: Arc<OpenImage>, map: Arc<ExportMap>) -> Self {
        Self { handle, image, map, order: Order::default() }
    }
}

impl Order {
    /// Notes a read; whether it is one of many in order. Requests that overtake each other are in order.
    fn note(&self, range: &Range<u64>) -> bool {
        let end = self.end.load(Ordering::Relaxed);
        let is_near = range.start.abs_diff(end) <= OVERTAKING_BYTES && end > 0;
        let read = range.end.saturating_sub(range.start);
        let bytes = if is_near { self.bytes.load(Ordering::Relaxed).saturating_add(read) } else { 0 };
        self.bytes.store(bytes, Ordering::Relaxed);
        self.end.store(if is_near { end.max(range.end) } else { range.end }, Ordering::Relaxed);
        bytes >= IN_ORDER_BYTES
    }
}

/// A read on its way.
pub(super) struct Read {
    image: Arc<OpenImage>,
    frames: Arc<StoredFrames>,
    todo: VecDeque<ExportPart>,
    done: Vec<Piece>,
    answer: Answer,
}

enum Piece {
    Bytes(Vec<u8>),
    Zeroes(u64),
    Frame(Arc<Vec<u8>>, Range<usize>),
}

/// Something for a decoder.
enum Job {
    Read(Read),
    /// Whatever may take a while.
    Call(Box<dyn FnOnce() + Send>),
}

/// A frame that may be wanted soon.
struct Ahead {
    frames: Arc<StoredFrames>,
    key: Key,
}

/// Is told of a frame that cannot be handed out.
pub(super) type Failed = Box<dyn Fn(&OpenImage, &ReadError) + Send + Sync>;

/// What decoders share.
pub(super) struct Reading {
    state: Mutex<State>,
    work: Condvar,
    failed: Failed,
}

struct State {
    jobs: FairQueue<Job>,
    ahead: VecDeque<Ahead>,
    cache: FrameCache<Read>,
    spare: Vec<Vec<u8>>,
    is_closed: bool,
}

impl Reading {
    pub(super) fn new(cache_bytes: usize, failed: Failed) -> Self {
        let state = State {
            jobs: FairQueue::new(),
            ahead: VecDeque::new(),
            cache: FrameCache::new(cache_bytes),
            spare: Vec::new(),
            is_closed: false,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), failed }
    }

    /// Reads these bytes of a file; what lies beyond its end is left out.
    pub(super) fn read(&self, file: &OpenFile, range: Range<u64>, answer: Answer) {
        let Some(frames) = file.image.frames() else { return answer(Err(Refusal::Gone)) };
        let todo: VecDeque<ExportPart> = file.map.parts(frames.seek_table(), range.clone()).into();
        let last_frame = todo.iter().rev().find_map(|part| match part {
            ExportPart::Frame { frame, .. } => Some(*frame),
            _ => None,
        });
        let mut read = Read {
            image: Arc::clone(&file.image),
            frames: Arc::clone(&frames),
            todo,
            done: Vec::new(),
            answer,
        };
        let mut state = self.state.lock();
        if let Some(last) = last_frame.filter(|_| file.order.note(&range)) {
            self.look_ahead(&mut state, file, &frames, last);
        }
        while let Some(part) = read.todo.pop_front() {
            let key = match &part {
                ExportPart::Frame { frame, .. } => Key { image: file.image.image.id, frame: *frame },
                ExportPart::Bytes(_) | ExportPart::Zeroes(_) => {
                    read.take(part);
                    continue;
                }
            };
            read.todo.push_front(part);
            let Some(frame) = state.cache.get(key) else {
                state.jobs.push(file.handle, Job::Read(read));
                drop(state);
                self.work.notify_one();
                return;
            };
            read.take_frame(frame);
        }
        drop(state);
        read.finish();
    }

    /// Lets a decoder do something that may take a while. `whose` turn it is.
    pub(super) fn call(&self, whose: u64, call: impl FnOnce() + Send + 'static) {
        self.state.lock().jobs.push(whose, Job::Call(Box::new(call)));
        self.work.notify_one();
    }

    /// Drops what is kept of an image.
    pub(super) fn forget(&self, image: u64) {
        let mut state = self.state.lock();
        state.cache.forget_image(image);
        state.ahead.retain(|ahead| ahead.key.image != image);
    }

    /// Ends the decoders.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.work.notify_all();
    }

    fn look_ahead(&self, state: &mut State, file: &OpenFile, frames: &Arc<StoredFrames>, last: u64) {
        let end = frames.seek_table().frames().min(last.saturating_add(FRAMES_AHEAD).saturating_add(1));
        for frame in last.saturating_add(1)..end {
            let key = Key { image: file.image.image.id, frame };
            let is_planned = state.ahead.iter().any(|ahead| ahead.key == key);
            if !is_planned && !state.cache.is_known(key) {
                state.ahead.push_back(Ahead { frames: Arc::clone(frames), key });
                self.work.notify_one();
            }
        }
    }

    /// Works until [`Self::close`].
    pub(super) fn decode(&self) {
        let Ok(mut decoder) = FrameDecoder::new() else { return };
        let mut state = self.state.lock();
        while !state.is_closed {
            if let Some(job) = state.jobs.pop() {
                drop(state);
                match job {
                    Job::Read(read) => self.go_on(read, &mut decoder),
                    Job::Call(call) => call(),
                }
                state = self.state.lock();
            } else if let Some(Ahead { frames, key }) = state.ahead.pop_front() {
                if state.cache.reserve(key) {
                    drop(state);
                    // Whoever wants it will be told what is wrong with it.
                    let (_, waiting) = self.unpack(key, &frames, &mut decoder, None);
                    for read in waiting {
                        self.go_on(read, &mut decoder);
                    }
                    state = self.state.lock();
                }
            } else {
                self.work.wait(&mut state);
            }
        }
    }

    /// Goes on with a read until it is answered or waits for another decoder; and with those that waited for its frames.
    fn go_on(&self, read: Read, decoder: &mut FrameDecoder) {
        let mut runnable = vec![read];
        while let Some(mut read) = runnable.pop() {
            let Some(ExportPart::Frame { frame, .. }) = read.todo.front() else {
                match read.todo.pop_front() {
                    Some(part) => {
                        read.take(part);
                        runnable.push(read);
                    }
                    None => read.finish(),
                }
                continue;
            };
            let key = Key { image: read.image.image.id, frame: *frame };
            let claimed = self.state.lock().cache.claim(key, read);
            match claimed {
                Claimed::Waiting => {}
                Claimed::Here(frame, mut read) => {
                    read.take_frame(frame);
                    runnable.push(read);
                }
                Claimed::Yours(mut read) => {
                    let (frame, waiting) = self.unpack(key, &read.frames, decoder, Some(&read.image));
                    runnable.extend(waiting);
                    match frame {
                        Some(frame) => {
                            read.take_frame(frame);
                            runnable.push(read);
                        }
                        None => read.refuse(),
                    }
                }
            }
        }
    }

    /// Unpacks a frame that was claimed. Who waited for it has it already, or was told that it cannot be had.
    fn unpack(
        &self,
        key: Key,
        frames: &StoredFrames,
        decoder: &mut FrameDecoder,
        reader: Option<&OpenImage>,
    ) -> (Option<Frame>, Vec<Read>) {
        let mut bytes = self.state.lock().spare.pop().unwrap_or_default();
        let frame = match frames.read(key.frame, decoder, &mut bytes) {
            Ok(FrameContent::Zero) => Ok(Frame::Zero),
            Ok(FrameContent::Bytes) => Ok(Frame::Bytes(Arc::new(bytes))),
            Err(error) => Err(error),
        };
        match frame {
            Ok(frame) => {
                let mut state = self.state.lock();
                let (mut waiting, gone) = state.cache.put(key, frame.clone());
                for bytes in gone.into_iter().filter_map(|frame| match frame {
                    Frame::Zero => None,
                    Frame::Bytes(bytes) => Arc::into_inner(bytes),
                }) {
                    if state.spare.len() < SPARE_BUFFERS {
                        state.spare.push(bytes);
                    }
                }
                drop(state);
                for read in &mut waiting {
                    read.take_frame(frame.clone());
                }
                (Some(frame), waiting)
            }
            Err(error) => {
                let waiting = self.state.lock().cache.fail(key);
                if let Some(image) = reader.or(waiting.first().map(|read| &*read.image)) {
                    (self.failed)(image, &error);
                }
                waiting.into_iter().for_each(Read::refuse);
                (None, Vec::new())
            }
        }
    }
}

impl Read {
    /// Takes the frame that the next part is of.
    fn take_frame(&mut self, frame: Frame) {
        let Some(ExportPart::Frame { within, .. }) = self.todo.pop_front() else { return };
        self.done.push(match frame {
            Frame::Bytes(bytes) => Piece::Frame(bytes, within),
            Frame::Zero => {
                let count = within.end.saturating_sub(within.start);
                Piece::Zeroes(u64::try_from(count).unwrap_or(0))
            }
        });
    }

    /// Takes a part that is of no frame.
    fn take(&mut self, part: ExportPart) {
        match part {
            ExportPart::Bytes(bytes) => self.done.push(Piece::Bytes(bytes)),
            ExportPart::Zeroes(count) => self.done.push(Piece::Zeroes(count)),
            // Its bytes are not here: whoever asked is told so, and gets no others.
            ExportPart::Frame { within, .. } => self.done.push(Piece::Frame(Arc::default(), within)),
        }
    }

    fn refuse(self) {
        (self.answer)(Err(Refusal::Damaged));
    }

    /// Answers; without copying where it is one piece, as most reads are.
    fn finish(self) {
        if let [piece] = self.done.as_slice()
            && let Some(bytes) = piece.bytes()
        {
            return (self.answer)(Ok(bytes));
        }
        let mut bytes = Vec::new();
        for piece in &self.done {
            match (piece.bytes(), piece) {
                (Some(piece), _) => bytes.extend_from_slice(piece),
                (None, Piece::Zeroes(count)) => {
                    let count = usize::try_from(*count).unwrap_or(0);
                    bytes.resize(bytes.len().saturating_add(count), 0);
                }
                // A frame that is shorter than its table says was refused before.
                (None, _) => return self.refuse(),
            }
        }
        (self.answer)(Ok(&bytes));
    }
}

impl Piece {
    /// Its bytes, where they are somewhere.
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Zeroes(count) => usize::try_from(*count).ok().and_then(|count| ZEROES.get(..count)),
            Self::Frame(bytes, within) => bytes.get(within.clone()),
        }
    }
}
