//! The guardian: a small process of the same program that outlives this one by as long as a guest needs.
//!
//! ```text
//! engine ──pipe──► memdeck guard       "watch" before a guest is touched, "release" when it is as it was; "beat" meanwhile
//!    ✗ dies ─ end of the pipe ─► guests that are still watched, ran before and were left paused are resumed
//!    ✗ hangs, is stopped ─ no beat for 6 s ─► it is killed, which closes the pipes of its dumps; then the same
//! ```
//!
//! The guardian opens no file, and nobody waits for its log: whatever the engine waits for does not concern it.
//!
//! What a live dump changed of its guest for its time is set back as well.
//!
//! Libvirt's own clean-up is not enough: when the reader of a live dump dies during its last two megabytes, libvirt
//! leaves the guest paused.

mod watch;

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use memdeck_engine::{Guardian, Intent};
use memdeck_model::{DumpId, Millis};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::config::LibvirtConfig;
use crate::service_manager;

pub use watch::watch;

/// The subcommand of the guardian's process.
pub const SUBCOMMAND: &str = "guard";

/// What the engine sends to the guardian, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Watch {
        dump_id: DumpId,
        guest_uuid: String,
        was_running: bool,
        max_downtime: Option<Millis>,
        #[serde(default)]
        owns_unexplained_pause: bool,
    },
    Release {
        dump_id: DumpId,
    },
    /// First of all: who is watched over.
    Engine {
        pid: i32,
    },
    /// The engine is alive.
    Beat,
}

/// A guardian in a process of its own.
pub struct GuardProcess {
    libvirt: LibvirtConfig,
    state: Mutex<Guarding>,
}

#[derive(Default)]
struct Guarding {
    process: Option<(Child, ChildStdin)>,
    watched: Vec<Intent>,
    beaten_at: Option<Instant>,
}

/// Between two beats.
const BEAT_INTERVAL: Duration = Duration::from_millis(500);

impl GuardProcess {
    /// Starts it.
    pub fn start(libvirt: &LibvirtConfig) -> Self {
        let guard = Self { libvirt: libvirt.clone(), state: Mutex::default() };
        guard.launch(&mut guard.state.lock());
        guard
    }

    /// Starts the process anew and sends it what is watched. A failure is logged: dumps go on, and guests are looked
    /// after by the next start.
    fn launch(&self, state: &mut Guarding) {
        state.process = None;
        // This very program, also if its file was replaced or removed since.
        let spawned = Command::new("/proc/self/exe")
            .arg(SUBCOMMAND)
            .env("LIBVIRT_URI", &self.libvirt.uri)
            .env("LIBVIRT_TIMEOUT", self.libvirt.timeout.as_secs_f64().to_string())
            // It is not the service that a service manager watches.
            .env_remove(service_manager::VARIABLES[0])
            // Ctrl-C in a terminal goes to the whole group: the guardian must outlive it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        match spawned {
            Ok(mut child) => state.process = child.stdin.take().map(|pipe| (child, pipe)),
            Err(error) => tracing::error!(%error, "the guardian cannot be started; guests are not watched"),
        }
        if let Some((_, pipe)) = &state.process
            && let Err(error) = set_nonblocking(pipe)
        {
            tracing::warn!(%error, "a guardian that does not listen will be waited for");
        }
        if let Ok(pid) = i32::try_from(std::process::id()) {
            // What follows says where it does not listen.
            let _ = tell(state, &Message::Engine { pid });
        }
        for intent in state.watched.clone() {
            if let Err(error) = tell(state, &watched(&intent)) {
                tracing::error!(%error, "the guardian does not listen; guests are not watched");
            }
        }
    }
}

/// A guardian that does not read must not hold up a dump, nor the thread that beats.
fn set_nonblocking(pipe: &ChildStdin) -> std::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(pipe)?;
    Ok(rustix::fs::fcntl_setfl(pipe, flags | rustix::fs::OFlags::NONBLOCK)?)
}

fn watched(intent: &Intent) -> Message {
    Message::Watch {
        dump_id: intent.dump_id.clone(),
        guest_uuid: intent.guest_uuid.clone(),
        was_running: intent.was_running,
        max_downtime: intent.max_downtime,
        owns_unexplained_pause: intent.owns_unexplained_pause,
    }
}

fn tell(state: &mut Guarding, message: &Message) -> std::io::Result<()> {
    let Some((_, pipe)) = &mut state.process else {
        return Err(std::io::ErrorKind::BrokenPipe.into());
    };
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    pipe.write_all(&line)
}

impl Guardian for GuardProcess {
    fn watch(&self, intent: &Intent) {
        let mut state = self.state.lock();
        state.watched.push(intent.clone());
        if tell(&mut state, &watched(intent)).is_err() {
            tracing::warn!("the guardian has ended; starting another one");
            self.launch(&mut state);
        }
    }

    fn release(&self, intent: &Intent) {
        let mut state = self.state.lock();
        state.watched.retain(|watched| watched != intent);
        // A guardian that has ended watches nothing; the next watch starts another one.
        let _ = tell(&mut state, &Message::Release { dump_id: intent.dump_id.clone() });
    }

    fn beat(&self) {
        let Some(mut state) = self.state.try_lock() else { return };
        let is_early = state.beaten_at.is_some_and(|at| at.elapsed() < BEAT_INTERVAL);
        if state.watched.is_empty() || is_early {
            return;
        }
        state.beaten_at = Some(Instant::now());
        if tell(&mut state, &Message::Beat).is_err() {
            // Half a line may be in the pipe. The next guest starts another guardian, which learns of this one too.
            state.process = None;
        }
    }
}

impl Drop for GuardProcess {
    fn drop(&mut self) {
        if let Some((mut child, pipe)) = self.state.lock().process.take() {
            drop(pipe);
            // It ends at once when nothing is watched; else it goes on, and is no child of anybody's concern.
            let _ = child.try_wait();
        }
    }
}
