//! A progress bar for every dump, on standard error.

use std::cell::RefCell;
use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use memdeck_model::{DumpId, DumpPhase, DumpStatus, JobState};

const TEMPLATE: &str =
    "{prefix:16!} {bar:32} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {msg}";

pub struct Bars {
    all: MultiProgress,
    by_dump: RefCell<HashMap<DumpId, ProgressBar>>,
}

impl Bars {
    pub fn new() -> Self {
        Self { all: MultiProgress::new(), by_dump: RefCell::default() }
    }

    pub fn show(&self, dumps: &[DumpStatus]) {
        let mut by_dump = self.by_dump.borrow_mut();
        for dump in dumps {
            let bar = by_dump.entry(dump.dump_id.clone()).or_insert_with(|| {
                let bar = self.all.add(ProgressBar::new(0));
                bar.set_style(
                    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()),
                );
                bar
            });
            bar.set_prefix(dump.display_name().to_owned());
            if let Some(progress) = dump.bytes {
                bar.set_length(progress.bytes_expected.0);
                bar.set_position(progress.bytes_done.0);
            }
            match dump.exact_state() {
                JobState::Queued => bar.set_message("queued"),
                JobState::Running => bar.set_message(match dump.phase {
                    Some(DumpPhase::Storing) => "storing",
                    Some(DumpPhase::Copying) | None => "copying",
                }),
                ended => bar.finish_with_message(ended.as_str()),
            }
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // The summary says it all; an error of a closed terminal changes nothing.
        let _ = self.all.clear();
    }
}
