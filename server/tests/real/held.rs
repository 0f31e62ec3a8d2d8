//! Dumps that are held in their middle: of a guest that runs, and of one that an operator paused.

use std::time::Duration;

use serde_json::json;

use crate::lab::{LabGuest, Suspended};
use crate::support::{Home, Service, holds_at_points};

/// A guest that ran, and one that an operator paused: a memdeck holds a dump of each. Whatever becomes of the dumps, the
/// one has to run and the other to stay paused.
pub struct Held<'a> {
    pub home: Home,
    pub serve: Service,
    ran: Option<&'a LabGuest>,
    operators: Option<Suspended<'a>>,
    mode: &'static str,
}

impl<'a> Held<'a> {
    /// Both.
    pub fn in_the_middle(home: Home, mode: &'static str, ran: &'a LabGuest, others: &'a LabGuest) -> Self {
        Self::these(home, mode, Some(ran), Some(others))
    }

    /// One or the other.
    pub fn these(
        home: Home,
        mode: &'static str,
        ran: Option<&'a LabGuest>,
        others: Option<&'a LabGuest>,
    ) -> Self {
        Self::these_after(home, mode, ran, others, |_, _| ())
    }

    /// The same, after something was done to a memdeck that runs.
    pub fn these_after(
        home: Home,
        mode: &'static str,
        ran: Option<&'a LabGuest>,
        others: Option<&'a LabGuest>,
        before: impl FnOnce(&Home, &Service),
    ) -> Self {
        assert!(
            holds_at_points(),
            "this test needs points to hold at: build with --features memdeck/failpoints"
        );
        let release = home.path().join("release");
        let points = ["capture::half-read", "capture::half-live"];
        let failpoints = points.map(|point| format!("{point}=return({})", release.display())).join(";");
        let operators = others.map(LabGuest::suspend);
        let serve = Service::start(&home, "serve", &[("FAILPOINTS", &failpoints)]);
        before(&home, &serve);
        let held = Self { home, serve, ran, operators, mode };
        held.serve.ask(&json!({"vms": held.names(), "mode": mode}));
        for name in held.names() {
            held.serve.wait(&format!("/api/memory-dumps/status/{name}"), "half of the bytes", |status| {
                let state = status["job_state"].as_str()?;
                assert!(matches!(state, "queued" | "running"), "{status}");
                let half = status["bytes"]["bytes_expected"].as_u64()? / 2;
                (half > 0 && status["bytes"]["bytes_done"].as_u64()? >= half).then_some(())
            });
        }
        if let Some(ran) = ran {
            assert_eq!(ran.state(), if mode == "frozen" { "paused" } else { "running" });
        }
        held
    }

    /// Of the guests that are dumped.
    pub fn names(&self) -> Vec<&'static str> {
        let operators = self.operators.as_ref().map(Suspended::guest);
        self.ran.into_iter().chain(operators).map(|guest| guest.name).collect()
    }

    /// Lets the dumps go on.
    pub fn release(&self) {
        std::fs::write(self.home.path().join("release"), "").unwrap();
    }

    /// The one guest runs, no later than this test allows, and the other is as its operator left it.
    pub fn assert_guests_are_as_they_were(&self, limit: Duration) {
        if let Some(ran) = self.ran {
            let took = ran.wait_until_running(limit);
            eprintln!("{}: the guest ran after {took:?}", self.mode);
        }
        if let Some(operators) = &self.operators {
            assert_eq!(operators.guest().state(), "paused", "an operator's guest stays paused");
        }
    }

    /// Waits until the memdeck has ended by itself. Gives its home, its exit code and the operator's guest, which stays
    /// paused until dropped.
    pub fn wait_for_exit(self) -> (Home, Option<i32>, Option<Suspended<'a>>) {
        (self.home, self.serve.wait_for_exit().code(), self.operators)
    }

    /// SIGKILL for the memdeck. Gives its home, and the operator's guest, which stays paused until dropped.
    pub fn kill(self) -> (Home, Option<Suspended<'a>>) {
        self.serve.kill();
        (self.home, self.operators)
    }
}
