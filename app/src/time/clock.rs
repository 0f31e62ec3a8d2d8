//! The present, once a second.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::Timestamp;

/// The present by the browser's clock.
pub fn browser_now() -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds, within 53 bits")]
    let micros = (js_sys::Date::now() as i64).saturating_mul(1000);
    Timestamp::from_unix_micros(micros).unwrap_or_else(|_| std::time::UNIX_EPOCH.into())
}

/// A clock that runs with the server's: instants from the server are compared with its own present, because
/// the operator's clock may be wrong.
#[derive(Clone, Copy)]
pub struct Clock {
    now: RwSignal<Timestamp>,
    /// Microseconds by which the server's clock is ahead of the browser's.
    ahead_micros: StoredValue<i64>,
}

impl Clock {
    /// Starts the clock and provides it to every part of the page.
    pub fn provide() {
        let clock = Self { now: RwSignal::new(browser_now()), ahead_micros: StoredValue::new(0) };
        provide_context(clock);
        // Lives as long as the page. A hidden page shows nobody the time.
        Interval::new(1000, move || {
            if !document().hidden() {
                clock.tick();
            }
        })
        .forget();
    }

    /// The clock that [`Self::provide`] started.
    pub fn expect() -> Self {
        expect_context()
    }

    /// The present by the server's clock; changes every second.
    pub fn now(self) -> Timestamp {
        self.now.get()
    }

    /// The present by the server's clock, once.
    pub fn now_untracked(self) -> Timestamp {
        self.now.get_untracked()
    }

    /// Reads nothing, but again every second.
    pub fn track(self) {
        self.now.track();
    }

    /// Sets the clock by an answer of the server that was written a moment ago.
    pub fn adjust(self, server_time: Timestamp) {
        let ahead = server_time.unix_micros().saturating_sub(browser_now().unix_micros());
        self.ahead_micros.set_value(ahead);
        self.tick();
    }

    fn tick(self) {
        let micros = browser_now().unix_micros().saturating_add(self.ahead_micros.get_value());
        self.now.set(Timestamp::from_unix_micros(micros).unwrap_or_else(|_| browser_now()));
    }
}
