//! Converts a live dump to an ELF core: `convert_qevm STREAM IMAGE [SPOOL-DIR]`.
//!
//! STREAM is what `virsh dump --live GUEST STREAM` writes, or `-`. IMAGE may be `-` for nowhere: only measured then.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Instant;

use memdeck_image::{ImageStore, LiveCapture};
use memdeck_model::ByteCount;

fn told(what: &str, bytes: ByteCount, since: Instant) {
    let seconds = since.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    let gigabytes = bytes.0 as f64 / 1e9;
    println!("{what:<8} {bytes:>10} in {seconds:6.3} s  {:6.2} GB/s", gigabytes / seconds);
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(stream), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: convert_qevm STREAM IMAGE [SPOOL-DIR]".into());
    };
    let store = ImageStore::open(Path::new(&arguments.next().unwrap_or_else(|| ".".to_owned())))?;
    let stream: Box<dyn Read> =
        if stream == "-" { Box::new(io::stdin().lock()) } else { Box::new(File::open(stream)?) };
    let mut out: Box<dyn Write> =
        if image == "-" { Box::new(io::sink()) } else { Box::new(File::create(image)?) };

    let start = Instant::now();
    let received = LiveCapture::receive(&store, stream, &|| false, &mut |_| {})?;
    told("stream", received.stream_bytes, start);
    told("memory", received.ram_bytes, start);
    println!("{} with {} CPUs; {:?}", received.machine, received.cpus, received.pages);
    for block in &received.omitted {
        println!("omitted: {} ({})", block.name, block.bytes);
    }
    for missing in &received.missing {
        println!("missing: {missing}");
    }

    let start = Instant::now();
    let expected = received.image_size();
    let mut reader = received.into_reader();
    let mut buffer = vec![0; 1 << 20];
    let mut written = ByteCount(0);
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count])?;
        written.0 += u64::try_from(count)?;
    }
    told("image", written, start);
    if written == expected { Ok(()) } else { Err(format!("{expected} were promised").into()) }
}
