//! What the fuzz targets share: valid inputs with something wrong in them, and readers that give bytes in pieces.
//!
//! Every target makes its valid inputs itself, so it needs no seeds: the fuzzer's bytes choose one and say how it is
//! damaged, or stand for themselves.

use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use memdeck_image::{
    CaptureError, CaptureFacts, Captured, FrozenCapture, GuestFacts, HypervisorFacts, ImageStore,
    PartialImage, Provenance, SeekTable,
};
use memdeck_model::{ByteCount, CaptureMode, GuestName, HostClock, Millis};
use tempfile::TempDir;

/// More edits than this make nothing but noise.
const MAX_EDITS: usize = 8;
/// Numbers at which parsers trip.
const ODD_NUMBERS: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x1000, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX.unsigned_abs(), u64::MAX];

/// One of `valid` with a few edits, or what is left of `data` as it is. Nothing in `data` gives nothing.
pub fn damaged(data: &mut Unstructured<'_>, valid: &[&[u8]]) -> Vec<u8> {
    let choice = usize::from(data.arbitrary::<u8>().unwrap_or_default());
    let Some(base) = (choice % (valid.len() + 1)).checked_sub(1) else {
        return data.take_rest_now().to_vec();
    };
    let mut bytes = valid[base].to_vec();
    for _ in 0..MAX_EDITS {
        if data.is_empty() {
            break;
        }
        // Only the end of the data is an error, and then it is one edit less.
        let _ = edit(data, &mut bytes);
    }
    bytes
}

trait TakeRest<'a> {
    fn take_rest_now(&mut self) -> &'a [u8];
}

impl<'a> TakeRest<'a> for Unstructured<'a> {
    fn take_rest_now(&mut self) -> &'a [u8] {
        let rest = self.len();
        self.bytes(rest).unwrap_or_default()
    }
}

fn edit(data: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> arbitrary::Result<()> {
    let kind = data.arbitrary::<u8>()?;
    let at = place(data, bytes.len())?;
    match kind % 7 {
        0 => {
            let new = few(data)?;
            let end = bytes.len().min(at + new.len());
            bytes.splice(at..end, new.iter().copied());
        }
        1 => {
            let new = few(data)?;
            bytes.splice(at..at, new.iter().copied());
        }
        2 => {
            let end = bytes.len().min(at + usize::from(data.arbitrary::<u8>()?));
            bytes.drain(at..end);
        }
        3 => {
            let end = bytes.len().min(at + usize::from(data.arbitrary::<u16>()?));
            let part = bytes[at..end].to_vec();
            let to = place(data, bytes.len())?;
            bytes.splice(to..to, part);
        }
        4 => bytes.truncate(at),
        kind => {
            let width = 1_usize << (data.arbitrary::<u8>()? % 4);
            let number = *data.choose(&ODD_NUMBERS)?;
            let end = bytes.len().min(at + width);
            if kind == 5 {
                bytes.splice(at..end, number.to_be_bytes()[8 - width..].iter().copied());
            } else {
                bytes.splice(at..end, number.to_le_bytes()[..width].iter().copied());
            }
        }
    }
    Ok(())
}

/// A place in a sequence of that length, its end included. Half of them are near its end.
fn place(data: &mut Unstructured<'_>, length: usize) -> arbitrary::Result<usize> {
    let number = usize::from(data.arbitrary::<u16>()?);
    Ok(if number & 1 == 0 { (number >> 1).min(length) } else { length.saturating_sub(number >> 1) })
}

fn few<'a>(data: &mut Unstructured<'a>) -> arbitrary::Result<&'a [u8]> {
    let count = usize::from(data.arbitrary::<u8>()? % 32).min(data.len());
    data.bytes(count)
}

/// Bytes that come in pieces of changing sizes.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    bytes: &'a [u8],
    state: u64,
    largest: usize,
}

impl<'a> Pieces<'a> {
    /// The sizes follow from `seed`; none is larger than `largest`.
    #[must_use]
    pub fn new(bytes: &'a [u8], seed: u8, largest: usize) -> Self {
        Self { bytes, state: u64::from(seed) + 1, largest: largest.max(1) }
    }

    /// The size of the next piece, where there is so much left.
    pub fn next_size(&mut self) -> usize {
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % self.largest as u64).unwrap_or_default() + 1
    }

    /// The next piece.
    pub fn next_piece(&mut self) -> Option<&'a [u8]> {
        let size = self.next_size().min(self.bytes.len());
        let (piece, rest) = self.bytes.split_at(size);
        self.bytes = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.next_size().min(buffer.len()).min(self.bytes.len());
        self.bytes.split_off(..size).unwrap_or_default().read(buffer)
    }
}

/// Reads `source` to its end in steps of changing sizes.
///
/// # Errors
/// Those of the source; what came before it is lost.
pub fn read_in_steps(source: &mut impl Read, seed: u8, largest: usize) -> io::Result<Vec<u8>> {
    let mut steps = Pieces::new(&[], seed, largest);
    let mut all = Vec::new();
    loop {
        let filled = all.len();
        all.resize(filled + steps.next_size(), 0);
        let count = source.read(&mut all[filled..])?;
        all.truncate(filled + count);
        if count == 0 {
            return Ok(all);
        }
    }
}

/// A directory of this process, in memory where there is such a place: targets write a lot of small files.
#[must_use]
pub fn scratch() -> &'static Path {
    static DIR: LazyLock<TempDir> = LazyLock::new(|| {
        TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary directory")
    });
    DIR.path()
}

/// Receives an image and stores it, as a frozen dump does.
///
/// # Errors
/// The bytes are no image, or cannot be stored.
pub fn capture(
    store: &ImageStore,
    partial: &mut PartialImage,
    image: impl Read,
) -> Result<Captured, CaptureError> {
    let received = FrozenCapture::prepare(store)?.receive(image, &|| false, &mut |_| {})?;
    partial.capture(received, &|| false, &mut |_| {})
}

/// This image as memdeck stores one, but in frames of `frame_bytes` and whatever it holds; not empty.
///
/// # Panics
/// A frame is larger than a stored image may have.
#[must_use]
pub fn stored(image: &[u8], frame_bytes: usize) -> Vec<u8> {
    let (mut file, mut table) = (Vec::new(), SeekTable::new());
    let mut compressor = zstd::bulk::Compressor::new(1).expect("a compressor");
    for frame in image.chunks(frame_bytes) {
        let stored = compressor.compress(frame).expect("compressed bytes");
        let lengths = (u32::try_from(stored.len()), u32::try_from(frame.len()));
        let (Ok(stored_bytes), Ok(image_bytes)) = lengths else { unreachable!("frames are small") };
        table.push(stored_bytes, image_bytes).expect("a valid frame");
        file.extend(stored);
    }
    table.write_to(&mut file).expect("a table in memory");
    file
}

/// Who took an image, when and of what.
///
/// # Panics
/// Never: what it reads is written here.
#[must_use]
pub fn provenance(mode: CaptureMode) -> Provenance {
    let at = |text: &str| text.parse().expect("an instant");
    Provenance {
        guest: GuestFacts {
            name: GuestName("web-01".to_owned()),
            uuid: "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22".to_owned(),
            vmid: "7".to_owned(),
            memory_bytes: ByteCount(8000),
            domain_xml_sha256: None,
            os_banner: None,
        },
        host: "kvm-a".to_owned(),
        host_kernel: None,
        host_clock: HostClock::default(),
        hypervisor: HypervisorFacts {
            uri: "qemu:///system".to_owned(),
            libvirt_version: Some("9.0.0".to_owned()),
            qemu_version: None,
        },
        memdeck_version: "0.1.0".to_owned(),
        requested_by: memdeck_model::Actor::Page,
        mode,
        started_at: at("2025-11-14T08:58:23.550273Z"),
        finished_at: at("2025-11-14T08:58:24.100000Z"),
        pause_ms: Some(Millis(412)),
        capture: CaptureFacts::default(),
        case: None,
        note: None,
        audit: None,
    }
}
