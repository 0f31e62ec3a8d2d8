//! Passwords as argon2id hashes: on threads that may block, a few at a time, since each takes memory and a processor.

use std::sync::{Arc, OnceLock};

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use memdeck_model::{Password, Problem, ProblemKind};
use tokio::sync::Semaphore;

use crate::blocking;

/// Hashes that are computed at the same time: 19 MiB each.
const AT_ONCE: usize = 2;
/// Callers that wait for their turn. Further ones are told to come back.
const MOST_WAITING: usize = 16;

/// Computes hashes.
pub(super) struct Hashing {
    turns: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What the password of an account is compared with that does not exist, so that it takes as long.
    decoy: Arc<OnceLock<String>>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::new(Semaphore::new(AT_ONCE + MOST_WAITING)),
            decoy: Arc::default(),
        }
    }
}

impl Hashing {
    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// Too many wait, or the system returned no random numbers.
    pub(super) async fn hash(&self, password: Password) -> Result<String, Problem> {
        self.in_turn(move || hashed(password.expose())).await?
    }

    /// Whether `password` is that of `kept`; never, if nothing is kept, which takes as long.
    ///
    /// # Errors
    /// Too many wait.
    pub(super) async fn verify(&self, password: Password, kept: Option<String>) -> Result<bool, Problem> {
        let decoy = Arc::clone(&self.decoy);
        self.in_turn(move || {
            let decoy = decoy.get_or_init(|| hashed("nobody has this password").unwrap_or_default());
            let is_right = matches(password.expose(), kept.as_ref().unwrap_or(decoy));
            kept.is_some() && is_right
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            Problem::new(
                ProblemKind::Unavailable,
                "too many sign-ins are being checked; try again in a few seconds",
            )
        };
        let place = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| busy())?;
        // The turn goes with the work: whoever hangs up does not make room for another one.
        Ok(blocking(move || {
            let result = work();
            drop((turn, place));
            result
        })
        .await)
    }
}

/// Parameters that OWASP recommends: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

fn hashed(password: &str) -> Result<String, Problem> {
    let failed = |what: &str| {
        tracing::error!(what, "a password could not be hashed");
        Problem::new(ProblemKind::Internal, "the password could not be hashed; the log of memdeck says why")
    };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| failed(&error.to_string()))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(&error.to_string()))?;
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(|error| failed(&error.to_string()))?.to_string())
}

fn matches(password: &str, kept: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else { return false };
    argon2().verify_password(password.as_bytes(), &kept).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_hash_tells_its_password_and_no_other_one() {
        let hashing = Hashing::default();
        let kept = hashing.hash(password("correct horse")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert_ne!(hashing.hash(password("correct horse")).await.unwrap(), kept, "another salt");
        assert!(hashing.verify(password("correct horse"), Some(kept.clone())).await.unwrap());
        assert!(!hashing.verify(password("battery staple"), Some(kept)).await.unwrap());
        assert!(!hashing.verify(password("nobody has this password"), None).await.unwrap());
        assert!(!hashing.verify(password("x"), Some("no hash".to_owned())).await.unwrap());
    }

    #[tokio::test]
    async fn only_so_many_wait() {
        let hashing = Hashing::default();
        let _turns = Arc::clone(&hashing.turns).acquire_many_owned(2).await.unwrap();
        let _waiting = Arc::clone(&hashing.waiting).acquire_many_owned(18).await.unwrap();
        let refused = hashing.verify(password("x"), None).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Unavailable);
    }
}
