//! Looks for patterns in stored images.

use std::ops::ControlFlow;
use std::path::Path;

use memdeck_model::{HuntHit, HuntProgress, HuntReport, HuntedDump, Message, Problem, ProblemKind, Sought};
use memdeck_operations::{HuntWatcher, ImageRef, Searched, SearchedImage};
use memdeck_study::hunt::{HuntedImage, Pattern, PatternError, PatternOptions, PatternSet, Watcher};

use super::uses::{InUse, Uses};
use super::{StoredImage, internal};

/// Dumps, and everything else on this machine, come first. The kernel reads from disk by it, too.
const NICENESS: i32 = 19;
/// Letters of a sentence that may quote a pattern.
const LONGEST_SENTENCE: usize = 400;

/// Prepares patterns.
pub(super) fn patterns(sought: &Sought) -> Result<PatternSet, Problem> {
    let pattern = |text: &str| Pattern { text: text.to_owned(), kind: sought.kind };
    let options = PatternOptions { utf16: sought.utf16, ignore_case: sought.ignore_case };
    PatternSet::new(sought.counted().map(pattern).collect(), options)
        .map_err(|error| unusable(sought, &error))
}

fn unusable(sought: &Sought, error: &PatternError) -> Problem {
    let is_wrong = |text: &String, wrong: &str| Sought::counts(text) && text == wrong;
    let line =
        error.pattern().and_then(|wrong| sought.patterns.iter().position(|text| is_wrong(text, wrong)));
    let sentence = match line {
        Some(line) => format!("line {}: {error}", line.saturating_add(1)),
        None => error.to_string(),
    };
    Problem::new(ProblemKind::Invalid, Message::new(sentence).bounded(LONGEST_SENTENCE))
}

/// Looks for them. The work is done on a thread of its own, because a thread that is not privileged cannot raise its
/// priority again.
pub(super) fn hunt(
    uses: &Uses,
    images: &[ImageRef],
    sought: &Sought,
    limit: u32,
    watcher: &mut dyn HuntWatcher,
) -> Result<Searched, Problem> {
    let patterns = patterns(sought)?;
    let images = images.iter().cloned().map(StoredImage::of).collect::<Result<Vec<_>, _>>()?;
    let mut follower = Watched { uses, images: &images, in_use: None, watcher };
    let hunted: Vec<_> =
        images.iter().map(|image| HuntedImage { path: &image.path, record: Some(&image.record) }).collect();
    let report = std::thread::scope(|scope| {
        let work = || {
            // Where the system does not allow it, it hunts at the usual priority.
            let _ = rustix::process::nice(NICENESS);
            memdeck_study::hunt::hunt(&hunted, &patterns, limit.into(), &mut follower)
        };
        let thread = std::thread::Builder::new().name("hunt".to_owned()).spawn_scoped(scope, work);
        let thread = thread.map_err(|error| internal(&error))?;
        thread.join().map_err(|_| {
            tracing::error!("a hunt panicked");
            Problem::new(ProblemKind::Internal, "memdeck failed; its log says why")
        })
    })?;
    Ok(searched(&report, &images))
}

fn searched(report: &HuntReport, images: &[StoredImage]) -> Searched {
    let of = |(dump, image): (&HuntedDump, &StoredImage)| SearchedImage {
        bytes: dump.searched_bytes,
        problem: dump.problem.as_deref().map(|problem| told(problem, &image.path)),
    };
    Searched { images: report.dumps.iter().zip(images).map(of).collect(), is_cut_short: report.truncated }
}

/// What is wrong with an image, but not where on the host it lies.
fn told(problem: &str, path: &Path) -> Message {
    tracing::warn!(path = %path.display(), problem, "an image was not searched to its end");
    let problem = match path.parent() {
        Some(directory) => problem.replace(&format!("{}/", directory.display()), ""),
        None => problem.to_owned(),
    };
    Message::new(problem).bounded(LONGEST_SENTENCE)
}

/// Passes on what happens, and keeps the image whose turn it is from being deleted. One that is being deleted already is
/// searched as far as that goes, and the report says how far.
struct Watched<'a> {
    uses: &'a Uses,
    images: &'a [StoredImage],
    in_use: Option<InUse>,
    watcher: &'a mut dyn HuntWatcher,
}

impl Watcher for Watched<'_> {
    fn begins(&mut self, image: usize) {
        self.in_use = self.images.get(image).and_then(|image| self.uses.read(&image.dump_id).ok());
        self.watcher.begins(image);
    }

    fn hit(&mut self, hit: &HuntHit) {
        self.watcher.hit(hit);
    }

    fn progress(&mut self, progress: HuntProgress) -> ControlFlow<()> {
        self.watcher.progress(progress)
    }
}
