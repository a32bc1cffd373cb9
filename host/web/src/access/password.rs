//! Passwords: Argon2id as OWASP's Password Storage Cheat Sheet has it (19 MiB, 2 rounds, 1 lane).
//!
//! Hashing is slow on purpose, so it happens on threads of its own, a few at a time: [`Desk`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

use super::secret::{self, NoRandomness};

/// Characters that a password has at least: NIST SP 800-63B asks for 15 where it stands alone, and 8 at least.
pub const SHORTEST: usize = 10;
/// Bytes that a password has at most, so that nobody makes us hash megabytes.
pub const LONGEST: usize = 1_024;
/// KiB; OWASP's first choice of those with little memory.
const MEMORY_KIB: u32 = 19 * 1024;
const ROUNDS: u32 = 2;
const LANES: u32 = 1;
/// KiB that a hash in the file may ask for, since each login takes them.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// Passwords checked at once: 2 × 19 MiB, and no more of the cores.
const AT_ONCE: usize = 2;
/// That wait for their turn, at about 50 ms each.
const WAITING: usize = 32;

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short to keep anybody out.
    #[error("the password has {0} characters; give {SHORTEST} at least")]
    TooShort(usize),
    /// Too long.
    #[error("the password has {0} bytes; give {LONGEST} at most")]
    TooLong(usize),
    /// No salt.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Argon2 itself failed.
    #[error("the password cannot be hashed: {0}")]
    Failed(String),
}

/// A stored password, in PHC's form (`$argon2id$…`).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hashed(String);

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed(…)")
    }
}

impl Hashed {
    /// Of a new password.
    pub(super) fn new(password: &str) -> Result<Self, PasswordError> {
        let characters = password.chars().count();
        if characters < SHORTEST {
            return Err(PasswordError::TooShort(characters));
        }
        if password.len() > LONGEST {
            return Err(PasswordError::TooLong(password.len()));
        }
        let salt = secret::random()?;
        let hash = argon2()?
            .hash_password_with_salt(password.as_bytes(), &salt[..16])
            .map_err(|error| PasswordError::Failed(error.to_string()))?;
        Ok(Self(hash.to_string()))
    }

    /// From the file. The reason if it is none that we would check.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let hash = PasswordHash::new(text).map_err(|error| error.to_string())?;
        if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() {
            return Err(format!("it is `{}`, not `argon2id`", hash.algorithm));
        }
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err("salt or hash is missing".into());
        }
        let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
        if params.m_cost() > MOST_MEMORY_KIB || params.t_cost() > 20 {
            return Err(format!("it asks for more than {MOST_MEMORY_KIB} KiB or 20 rounds"));
        }
        Ok(Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this password's. Takes tens of milliseconds, and `memory`, which grows as it needs.
    fn is_of(&self, password: &str, memory: &mut Vec<Block>) -> bool {
        password.len() <= LONGEST && self.verify(password, memory).unwrap_or(false)
    }

    /// None: it cannot be checked.
    fn verify(&self, password: &str, memory: &mut Vec<Block>) -> Option<bool> {
        let hash = PasswordHash::new(&self.0).ok()?;
        let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from).ok()?;
        let params = Params::try_from(&hash).ok()?;
        memory.resize(params.block_count(), Block::default());
        let mut found = [0; Output::MAX_LENGTH];
        let found = found.get_mut(..expected.len())?;
        Argon2::new(Algorithm::Argon2id, version, params)
            .hash_password_into_with_memory(password.as_bytes(), salt, found, memory)
            .ok()?;
        // In constant time.
        Some(Output::new(found).ok()? == *expected)
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, ROUNDS, LANES, None);
    let params = params.map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// So many logins wait already that this one is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// Memory for as many checks as there are at once.
type Spare = Arc<Mutex<Vec<Vec<Block>>>>;

/// Where passwords are checked, a few at a time.
pub(super) struct Desk {
    turns: Arc<Semaphore>,
    here: Arc<AtomicUsize>,
    /// Of checks that are over, for the next ones. Each thread would keep its own otherwise, and many threads take turns.
    spare: Spare,
    /// Checked for users that do not exist, so that they take as long.
    nobody: Hashed,
}

impl Desk {
    pub(super) fn new() -> Result<Self, PasswordError> {
        let nobody = Hashed::new(&secret::encode(&secret::random()?))?;
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self { turns, here: Arc::default(), spare: Arc::default(), nobody })
    }

    /// Whether `password` is that of `hashed`; without one, no, but as late.
    pub(super) async fn check(
        &self,
        hashed: Option<Hashed>,
        password: String,
    ) -> Result<bool, TooMany> {
        let place = Place::take(&self.here)?;
        let Ok(turn) = self.turns.clone().acquire_owned().await else { return Ok(false) };
        let exists = hashed.is_some();
        let hashed = hashed.unwrap_or_else(|| self.nobody.clone());
        let spare = self.spare.clone();
        let checked = tokio::task::spawn_blocking(move || {
            // Held here: the work goes on even if nobody waits for it any more.
            let (_place, _turn) = (place, turn);
            let shelf = || spare.lock().unwrap_or_else(PoisonError::into_inner);
            let mut memory = shelf().pop().unwrap_or_default();
            let good = hashed.is_of(&password, &mut memory);
            // A hash that somebody made to be dearer has memory of its own.
            if memory.len() <= MEMORY_KIB as usize {
                shelf().push(memory);
            }
            good
        });
        Ok(checked.await.unwrap_or(false) && exists)
    }
}

/// One of those that wait or are checked.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(here: &Arc<AtomicUsize>) -> Result<Self, TooMany> {
        let place = Self(here.clone());
        if here.fetch_add(1, Ordering::Relaxed) >= AT_ONCE + WAITING {
            return Err(TooMany);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_password_is_kept_as_a_hash_with_the_costs_that_owasp_asks_for() {
        let hashed = Hashed::new("correct horse").unwrap();
        assert!(hashed.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hashed.0);
        let memory = &mut Vec::new();
        assert!(hashed.is_of("correct horse", memory) && !hashed.is_of("correct horsf", memory));
        assert!(hashed.is_of("correct horse", memory), "what lay in the memory does not matter");
        assert_ne!(hashed, Hashed::new("correct horse").unwrap(), "each has a salt of its own");
        assert_eq!(Hashed::parse(hashed.as_str()).unwrap(), hashed);
        assert!(!format!("{hashed:?}").contains("argon2"));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert_eq!(Hashed::new("123456789"), Err(PasswordError::TooShort(9)));
        let endless = "x".repeat(LONGEST + 1);
        assert_eq!(Hashed::new(&endless), Err(PasswordError::TooLong(LONGEST + 1)));
    }

    #[test]
    fn hashes_that_would_not_be_checked_are_refused() {
        let salted = "c2FsdHNhbHRzYWx0$OUC8aqK4lTG5wVQeqhpaIAOd1u9hPvzqbQmqzbgjbaI";
        for (text, why) in [
            ("hunter2".into(), ""),
            (format!("$argon2i$v=19$m=19456,t=2,p=1${salted}"), "argon2id"),
            (format!("$argon2id$v=19$m=4000000,t=2,p=1${salted}"), "KiB"),
            (format!("$argon2id$v=19$m=19456,t=2000,p=1${salted}"), "rounds"),
            ("$argon2id$v=19$m=19456,t=2,p=1".into(), "missing"),
        ] {
            let error = Hashed::parse(&text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn only_so_many_logins_are_checked_or_wait() {
        let desk = Arc::new(Desk::new().unwrap());
        let places: Vec<_> =
            (0..AT_ONCE + WAITING).map(|_| Place::take(&desk.here).unwrap()).collect();
        let check = || desk.check(None, "correct horse".into());
        assert_eq!(check().await, Err(TooMany));
        drop(places);
        assert_eq!(check().await, Ok(false));
        assert_eq!(desk.here.load(Ordering::Relaxed), 0, "every place is given back");
    }

    #[test]
    fn a_hash_of_others_with_other_costs_is_checked() {
        let hash = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(64, 3, 2, Some(24)).unwrap(),
        );
        let hash = hash.hash_password_with_salt(b"correct horse", b"saltsaltsalt").unwrap();
        let hashed = Hashed::parse(&hash.to_string()).unwrap();
        let memory = &mut vec![Block::default(); 1_000];
        assert!(hashed.is_of("correct horse", memory) && !hashed.is_of("correct horsf", memory));
    }

    #[tokio::test]
    async fn many_logins_take_the_memory_of_a_few() {
        let desk = Arc::new(Desk::new().unwrap());
        let checks = (0..WAITING).map(|_| desk.check(None, "correct horse".into()));
        futures_util::future::join_all(checks).await;
        let kept = desk.spare.lock().unwrap().len();
        assert!((1..=AT_ONCE).contains(&kept), "{kept}");
    }

    #[tokio::test]
    async fn a_user_that_does_not_exist_has_no_password() {
        let desk = Desk::new().unwrap();
        let hashed = Hashed::new("correct horse").unwrap();
        assert_eq!(desk.check(Some(hashed), "correct horse".into()).await, Ok(true));
        assert_eq!(desk.check(None, "correct horse".into()).await, Ok(false));
    }
}
