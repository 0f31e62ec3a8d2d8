//! Browsers that are signed in.
//!
//! ```text
//! open ──► (used again within 12 h, until 7 days have passed) ──► gone
//!   └──► signed out, ended by somebody, or its account is gone ──► gone
//! ```
//!
//! In memory and in the catalog, so that a restart signs nobody out; as hashes, so that what is read there opens nothing.
//! When one was used last is kept to some minutes. Holders of an [`OpenSession`] learn that it ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use memdeck_catalog::{Catalog, CatalogError, SecretDigest, SessionOf, SessionRow};
use memdeck_clock::Clock;
use memdeck_model::{AccountName, Millis, Timestamp};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::{Accounts, OpenSession};
use crate::blocking;

/// A session that nobody uses ends after this.
const IDLE_LIMIT: Duration = Duration::from_hours(12);
/// A session ends after this, however much it is used.
const AGE_LIMIT: Duration = Duration::from_hours(7 * 24);
/// Beyond this the one that was not used for the longest time ends.
const MOST: usize = 1000;
/// How far behind the kept time of the last use may be.
const USE_STEP: Millis = Millis(5 * 60 * 1000);
/// What is kept of what a browser says it is, in characters.
const MOST_OF_BROWSER: usize = 200;

struct Session {
    row: SessionRow,
    /// When the kept row says that it was used last.
    kept_used_at: Timestamp,
    /// Dropped with the session, which is how its streams learn of its end.
    _alive: watch::Sender<()>,
    end: watch::Receiver<()>,
}

impl Session {
    fn new(row: SessionRow) -> Self {
        let (alive, end) = watch::channel(());
        Self { kept_used_at: row.used_at, row, _alive: alive, end }
    }
}

fn is_over(row: &SessionRow, now: Timestamp) -> bool {
    now.since(row.used_at) >= Millis::from(IDLE_LIMIT) || now.since(row.opened_at) >= Millis::from(AGE_LIMIT)
}

/// What is known of a browser that signs in.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it is.
    pub of: SessionOf,
    /// From where it came.
    pub address: String,
    /// What it says it is.
    pub browser: Option<String>,
}

/// The open sessions.
pub struct Sessions {
    catalog: Option<Arc<Catalog>>,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<SecretDigest, Session>>,
}

impl Sessions {
    pub(super) fn in_memory(clock: Arc<dyn Clock>) -> Self {
        Self { catalog: None, clock, open: Mutex::default() }
    }

    /// Those that the catalog keeps. Blocks.
    pub(super) fn load(catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Result<Self, CatalogError> {
        let now = clock.now();
        let (over, open): (Vec<_>, Vec<_>) =
            catalog.sessions()?.into_iter().partition(|row| is_over(row, now));
        catalog.forget_sessions(&over.iter().map(|row| row.key).collect::<Vec<_>>())?;
        let open = open.into_iter().map(|row| (row.key, Session::new(row))).collect();
        Ok(Self { catalog: Some(catalog), clock, open: Mutex::new(open) })
    }

    async fn open(&self, new: NewSession) -> Result<String, OpenError> {
        let cookie = random()?;
        let id = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(random()?)[..12]);
        let now = self.clock.now();
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        let browser = new.browser.map(|text| text.chars().take(MOST_OF_BROWSER).map(printable).collect());
        let row = SessionRow {
            key: key(&cookie),
            id,
            of: new.of,
            opened_at: now,
            used_at: now,
            address: new.address,
            browser,
        };
        let gone = self.make_room(now);
        if let Some(catalog) = self.catalog.clone() {
            let row = row.clone();
            blocking(move || {
                catalog.forget_sessions(&gone)?;
                catalog.keep_session(&row)
            })
            .await?;
        }
        self.open.lock().insert(row.key, Session::new(row));
        Ok(cookie)
    }

    /// Takes out what is over, and the least used one if there are too many.
    fn make_room(&self, now: Timestamp) -> Vec<SecretDigest> {
        let mut open = self.open.lock();
        let mut gone: Vec<SecretDigest> = open
            .values()
            .filter(|session| is_over(&session.row, now))
            .map(|session| session.row.key)
            .collect();
        if open.len() - gone.len() >= MOST
            && let Some(oldest) = open.values().min_by_key(|session| session.row.used_at)
        {
            gone.push(oldest.row.key);
        }
        for key in &gone {
            open.remove(key);
        }
        gone
    }

    /// The open sessions as they are.
    pub(super) fn list(&self) -> Vec<SessionRow> {
        let now = self.clock.now();
        let open = self.open.lock();
        open.values().map(|session| &session.row).filter(|row| !is_over(row, now)).cloned().collect()
    }

    pub(super) fn count_of(&self, of: &SessionOf) -> u32 {
        let count = self.list().iter().filter(|row| row.of == *of).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Ends the one of this id; false if there is none.
    pub(super) async fn end(&self, id: &str) -> bool {
        let keys: Vec<SecretDigest> =
            self.open.lock().values().filter(|open| open.row.id == id).map(|open| open.row.key).collect();
        self.end_keys(keys.clone()).await;
        !keys.is_empty()
    }

    pub(super) async fn end_all_of(&self, of: &SessionOf) {
        self.end_where(|row| row.of == *of).await;
    }

    /// Ends those of the person without an account who is called so.
    pub(super) async fn end_of_person(&self, name: &AccountName) {
        let key = name.key();
        self.end_where(|row| matches!(&row.of, SessionOf::Person(_, person) if person.name.key() == key))
            .await;
    }

    /// Ends those that another token than the one of this digest opened.
    pub async fn keep_only_of_token(&self, token: SecretDigest) {
        self.end_where(|row| matches!(&row.of, SessionOf::Token(opened) if *opened != token)).await;
    }

    /// Ends those of people who were let in by other settings of the provider than those of this digest; by any, without one.
    pub async fn keep_only_of_provider(&self, settings: Option<SecretDigest>) {
        let is_other = |opened: &SecretDigest| Some(*opened) != settings;
        self.end_where(|row| matches!(&row.of, SessionOf::Person(opened, _) if is_other(opened))).await;
    }

    async fn end_where(&self, is_to_end: impl Fn(&SessionRow) -> bool) {
        let keys: Vec<SecretDigest> =
            self.open.lock().values().filter(|open| is_to_end(&open.row)).map(|open| open.row.key).collect();
        self.end_keys(keys).await;
    }

    /// They open nothing from now on, whatever the catalog says.
    pub(super) async fn end_keys(&self, keys: Vec<SecretDigest>) {
        if keys.is_empty() {
            return;
        }
        {
            let mut open = self.open.lock();
            for key in &keys {
                open.remove(key);
            }
        }
        let Some(catalog) = self.catalog.clone() else { return };
        if let Err(error) = blocking(move || catalog.forget_sessions(&keys)).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "a session ended and could not be forgotten: a restart would open it again"
            );
        }
    }

    /// The session of a cookie, which is used hereby.
    pub(super) fn resume(self: &Arc<Self>, cookie: &str) -> Option<OpenSession> {
        let key = key(cookie);
        let (of, end) = self.touch(key)?;
        Some(OpenSession::new(Arc::clone(self), key, of, end))
    }

    pub(super) fn touch(&self, key: SecretDigest) -> Option<(SessionOf, watch::Receiver<()>)> {
        let now = self.clock.now();
        let mut open = self.open.lock();
        if is_over(&open.get(&key)?.row, now) {
            open.remove(&key);
            return None;
        }
        let session = open.get_mut(&key)?;
        session.row.used_at = now;
        if now.since(session.kept_used_at) >= USE_STEP
            && let Some(catalog) = self.catalog.clone()
        {
            session.kept_used_at = now;
            // In the background: no call waits for it.
            tokio::spawn(async move {
                if let Err(error) = blocking(move || catalog.use_session(&key, now)).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the use of a session was not noted"
                    );
                }
            });
        }
        Some((session.row.of.clone(), session.end.clone()))
    }
}

impl Accounts {
    /// Opens a session; what its cookie holds.
    ///
    /// # Errors
    /// The system returned no random numbers, or the catalog failed.
    pub async fn open_session(&self, new: NewSession) -> Result<String, OpenError> {
        let of = new.of.clone();
        let cookie = self.sessions.open(new).await?;
        self.note_sign_in(&of);
        Ok(cookie)
    }
}

/// Why no session can be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No random numbers.
    #[error("the system returned no random numbers")]
    Random(#[from] getrandom::Error),
    /// It cannot be kept.
    #[error("the session cannot be kept in the catalog")]
    Catalog(#[from] CatalogError),
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Found by its hash: how long that takes says nothing about cookies that exist.
fn key(cookie: &str) -> SecretDigest {
    Sha256::digest(cookie).into()
}

#[cfg(test)]
mod tests {
    use memdeck_clock::ManualClock;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const TOKEN: SessionOf = SessionOf::Token([7; 32]);

    fn sessions() -> (Arc<Sessions>, ManualClock) {
        let clock = ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap());
        (Arc::new(Sessions::in_memory(Arc::new(clock.clone()))), clock)
    }

    async fn open(sessions: &Sessions) -> String {
        let new = NewSession { of: TOKEN, address: "127.0.0.1".to_owned(), browser: Some("x\n".repeat(400)) };
        sessions.open(new).await.unwrap()
    }

    #[tokio::test]
    async fn a_session_ends_when_nobody_uses_it_for_twelve_hours() {
        let (sessions, clock) = sessions();
        let cookie = open(&sessions).await;
        for _ in 0..3 {
            clock.advance(11 * HOUR);
            assert!(sessions.resume(&cookie).is_some());
        }
        clock.advance(12 * HOUR);
        assert!(sessions.resume(&cookie).is_none());
    }

    #[tokio::test]
    async fn a_session_ends_after_seven_days_however_much_it_is_used() {
        let (sessions, clock) = sessions();
        let cookie = open(&sessions).await;
        for _ in 1..7 * 24 {
            clock.advance(HOUR);
            assert!(sessions.resume(&cookie).is_some());
        }
        clock.advance(HOUR);
        assert!(sessions.resume(&cookie).is_none());
    }

    #[tokio::test]
    async fn only_what_was_given_out_opens_a_session_and_nothing_of_it_is_kept() {
        let (sessions, _) = sessions();
        let cookie = open(&sessions).await;
        assert_eq!(cookie.len(), 43, "256 bits");
        assert!(sessions.resume("").is_none());
        assert!(sessions.resume(&cookie[..42]).is_none());
        let row = sessions.list().remove(0);
        assert!(sessions.resume(&row.id).is_none(), "its name opens nothing");
        assert_ne!(BASE64_URL_SAFE_NO_PAD.encode(row.key), cookie);
        assert_eq!(row.browser.unwrap(), "x ".repeat(100), "short and on one line");
    }

    #[tokio::test]
    async fn whoever_holds_a_session_learns_of_its_end() {
        let (sessions, _) = sessions();
        let cookie = open(&sessions).await;
        let mut held = sessions.resume(&cookie).unwrap();
        sessions.resume(&cookie).unwrap().close().await;
        held.ended().await;
        assert!(!held.is_open());
        assert!(sessions.resume(&cookie).is_none());
    }

    #[tokio::test]
    async fn the_least_used_session_gives_way_to_one_too_many() {
        let (sessions, clock) = sessions();
        let first = open(&sessions).await;
        clock.advance(Duration::from_secs(1));
        let second = open(&sessions).await;
        clock.advance(Duration::from_secs(1));
        sessions.resume(&first).unwrap();
        for _ in 2..=MOST {
            open(&sessions).await;
        }
        assert!(sessions.resume(&second).is_none());
        assert!(sessions.resume(&first).is_some());
    }

    #[tokio::test]
    async fn a_restart_signs_nobody_out_and_another_token_does() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::open(dir.path()).unwrap());
        let clock: Arc<dyn Clock> =
            Arc::new(ManualClock::starting_at("2025-11-14T08:58:23Z".parse().unwrap()));
        let started = || Arc::new(Sessions::load(Arc::clone(&catalog), Arc::clone(&clock)).unwrap());
        let cookie = open(&started()).await;
        assert!(started().resume(&cookie).is_some());
        started().keep_only_of_token([7; 32]).await;
        assert!(started().resume(&cookie).is_some());
        started().keep_only_of_token([8; 32]).await;
        assert!(started().resume(&cookie).is_none());
        assert_eq!(catalog.sessions().unwrap(), []);
    }
}
