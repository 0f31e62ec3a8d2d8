use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, pipe_with};

use super::*;
use crate::DumpSigns;

const LONG: Duration = Duration::from_mins(5);

/// A pump, and the end of its pipe that the hypervisor has.
fn pump(ending: Ending) -> (DumpStream, File, DumpSigns) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let signs = DumpSigns::default();
    let open = move || Ok(Pipe { reader, writer: None, path: String::new() });
    let pump = Pump::start(ending, signs.clone(), LONG, open).unwrap();
    (pump.stream, OwnedFd::into(writer), signs)
}

/// Writes until the pipe is closed or `bytes` are written; how many that were.
fn write_on(mut writer: File, bytes: usize) -> usize {
    let piece = [7; 16 << 10];
    let mut written = 0;
    while written < bytes && writer.write_all(&piece).is_ok() {
        written += piece.len();
    }
    written
}

#[test]
fn bytes_pass_until_the_end_in_their_order() {
    for ending in [Ending::Close, Ending::Drain] {
        let (mut stream, mut writer, _) = pump(ending);
        let sent: Vec<u8> =
            (0..20 << 20).map(|number: u32| number.to_le_bytes()[number as usize % 3]).collect();
        let mut read = Vec::new();
        std::thread::scope(|scope| {
            let sent = &sent;
            scope.spawn(move || writer.write_all(sent).unwrap());
            stream.read_to_end(&mut read).unwrap();
        });
        assert!(read == sent);
        assert_eq!(stream.valve().cut(), None);
    }
}

#[test]
fn a_frozen_guest_whose_reader_is_stuck_is_let_go_at_the_pause_limit() {
    let (mut stream, writer, _) = pump(Ending::Close);
    let limit = Duration::from_millis(300);
    stream.valve().limit(limit, LONG);
    let began = Instant::now();
    // Nobody reads: the write ends when the pipe is closed.
    assert!(write_on(writer, 1 << 30) < 16 << 20);
    let took = began.elapsed();
    assert!(took >= limit && took < limit + Duration::from_secs(1), "{took:?}");
    assert_eq!(stream.valve().cut(), Some(Cut::PauseLimit));
    assert_eq!(
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err().kind(),
        std::io::ErrorKind::TimedOut
    );
}

#[test]
fn a_frozen_guest_of_which_nothing_comes_is_let_go_long_before_the_pause_limit() {
    let (stream, mut writer, _) = pump(Ending::Close);
    stream.valve().limit(LONG, Duration::from_millis(200));
    writer.write_all(b"ELF").unwrap();
    while stream.valve().cut().is_none() {
        std::thread::yield_now();
    }
    assert_eq!(stream.valve().cut(), Some(Cut::NoProgress));
    // What the pipe holds may still go in while it is being closed; a pipe that stays open would block here.
    assert!(write_on(writer, 1 << 20) < 1 << 20, "the pipe is closed");
}

#[test]
fn a_live_dump_whose_reader_is_stuck_is_drained_to_its_end_and_never_closed() {
    let (mut stream, writer, signs) = pump(Ending::Drain);
    stream.valve().limit(Duration::from_millis(200), LONG);
    signs.guest_stopped(true);
    let bytes = 64 << 20;
    assert_eq!(write_on(writer, bytes), bytes, "all of it was taken");
    assert_eq!(stream.valve().cut(), Some(Cut::PauseLimit));
    assert!(std::io::copy(&mut stream, &mut std::io::sink()).is_err());
}

#[test]
fn a_live_guest_that_runs_is_waited_for_however_slow_the_reader_is() {
    let (mut stream, writer, _) = pump(Ending::Drain);
    stream.valve().limit(Duration::from_millis(1), Duration::from_millis(1));
    let bytes = 16 << 20;
    std::thread::scope(|scope| {
        scope.spawn(|| write_on(writer, bytes));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(std::io::copy(&mut stream, &mut std::io::sink()).unwrap(), bytes as u64);
    });
}

#[test]
fn a_dump_that_is_given_up_or_dropped_ends_at_once() {
    let (stream, writer, _) = pump(Ending::Close);
    stream.valve().give_up();
    assert!(write_on(writer, 1 << 30) < 16 << 20);
    assert_eq!(stream.valve().cut(), Some(Cut::GivenUp));

    let (stream, writer, _) = pump(Ending::Close);
    drop(stream);
    assert!(write_on(writer, 1 << 30) < 16 << 20);
}

/// Writes `bytes` into the pipe from a thread of its own, and how many of them it got rid of.
fn write_aside(mut writer: File, bytes: usize) -> (Arc<AtomicUsize>, std::thread::JoinHandle<()>) {
    let written = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&written);
    let thread = std::thread::spawn(move || {
        let piece = [7; 16 << 10];
        while count.load(Ordering::Acquire) < bytes && writer.write_all(&piece).is_ok() {
            count.fetch_add(piece.len(), Ordering::AcqRel);
        }
    });
    (written, thread)
}

const MUCH: usize = 256 << 20;

#[test]
fn an_abort_reaches_the_hypervisor_only_when_nothing_moves() {
    for is_dropped in [false, true] {
        let (stream, writer, signs) = pump(Ending::Drain);
        let valve = stream.valve();
        let (written, writing) = write_aside(writer, MUCH);
        let reading = if is_dropped {
            drop(stream);
            None
        } else {
            let mut stream = stream;
            Some(std::thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()).unwrap()))
        };
        let mut before = 0;
        valve
            .abort(&signs, |_| {
                before = written.load(Ordering::Acquire);
                std::thread::sleep(Duration::from_millis(50));
                assert_eq!(written.load(Ordering::Acquire), before, "the writer waits");
                Ok::<_, ()>(())
            })
            .unwrap();
        assert!(before < MUCH, "it was held in the middle: {before}");
        writing.join().unwrap();
        assert_eq!(written.load(Ordering::Acquire), MUCH, "the rest was read");
        assert_eq!(reading.map(|reading| reading.join().unwrap()), (!is_dropped).then_some(MUCH as u64));
    }
}

#[test]
fn a_dump_whose_guest_is_stopped_for_the_last_pass_is_read_on_before_it_is_aborted() {
    let (stream, writer, signs) = pump(Ending::Drain);
    let (written, writing) = write_aside(writer, MUCH);
    let valve = stream.valve();
    drop(stream);
    let stops = signs.clone();
    let stopping = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        stops.guest_stopped(true);
    });
    let began = Instant::now();
    let sent = |moment| {
        assert_eq!(moment, Moment::Stopped, "before, the abort would end the guest");
        Ok::<_, ()>(())
    };
    valve.abort(&signs, sent).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    stopping.join().unwrap();
    writing.join().unwrap();
    assert_eq!(written.load(Ordering::Acquire), MUCH, "the guest waits for nothing");
}

#[test]
fn a_pipe_stays_held_for_a_second_attempt_where_the_hypervisor_cannot_be_reached() {
    let (stream, writer, signs) = pump(Ending::Drain);
    let valve = stream.valve();
    let (written, writing) = write_aside(writer, MUCH);
    drop(stream);
    assert_eq!(valve.abort(&signs, |_| Err("libvirt is away")), Err("libvirt is away"));
    let before = written.load(Ordering::Acquire);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(written.load(Ordering::Acquire), before);
    valve.abort(&signs, |_| Ok::<_, ()>(())).unwrap();
    writing.join().unwrap();
    assert_eq!(written.load(Ordering::Acquire), MUCH);
}

#[test]
fn a_last_pass_that_does_not_end_is_aborted_all_the_same() {
    let (stream, writer, signs) = pump(Ending::Drain);
    let valve = stream.valve();
    drop(stream);
    signs.guest_stopped(true);
    let mut sent = None;
    valve
        .abort(&signs, |moment| {
            let _: () = sent = Some(moment);
            Ok::<_, ()>(())
        })
        .unwrap();
    assert_eq!(sent, Some(Moment::Stopped));
    drop(writer);
}
