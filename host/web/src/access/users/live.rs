//! The users file as a server sees it: read again when it changes, kept as it was when it breaks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::disk::{self, Stamp};
use super::{Content, User, UsersError, digest_of};
use crate::access::role::{Identity, Means};
use crate::access::secret::Signer;

/// How often a request looks whether the file is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One version of the file.
pub(in crate::access) struct Version {
    content: Content,
    by_digest: HashMap<[u8; 32], String>,
    pub(in crate::access) signer: Signer,
}

impl Version {
    fn new(content: Content) -> Self {
        let by_digest =
            content.tokens.iter().map(|(name, token)| (token.digest, name.clone())).collect();
        Self { signer: Signer::new(&content.secret), by_digest, content }
    }

    pub(in crate::access) fn user(&self, name: &str) -> Option<&User> {
        self.content.users.get(name)
    }

    /// Whose token it is, if it is good at `now`. Found by its digest: how long that takes says nothing about it.
    pub(in crate::access) fn bearer(&self, token: &str, now: Timestamp) -> Option<Identity> {
        let name = self.by_digest.get(&digest_of(token))?;
        let token = self.content.tokens.get(name)?;
        let good = token.expires.is_none_or(|expires| now < expires);
        good.then(|| Identity { name: name.as_str().into(), role: token.role, means: Means::Token })
    }
}

/// The users file, followed. Cheap to clone.
#[derive(Clone)]
pub struct Users {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    version: Arc<Version>,
    stamp: Option<Stamp>,
    looked: Instant,
}

impl Users {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// If it is not there, may be read by others, or says something else.
    pub fn open(path: &Path) -> Result<Self, UsersError> {
        let (version, stamp) = read(path)?;
        let state = State { version, stamp: Some(stamp), looked: Instant::now() };
        Ok(Self { path: path.into(), state: Arc::new(Mutex::new(state)) })
    }

    /// Names of those that could log in.
    pub fn count(&self) -> usize {
        self.state().version.content.users.len()
    }

    /// The file as it is, or as it last was in order.
    pub(in crate::access) fn now(&self) -> Arc<Version> {
        let mut state = self.state();
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            self.look(&mut state);
        }
        state.version.clone()
    }

    fn look(&self, state: &mut State) {
        let found = Stamp::of(&self.path);
        if found == state.stamp {
            return;
        }
        // Noted also of a broken file, so that one change is told once.
        state.stamp = found;
        match read(&self.path) {
            Ok((version, stamp)) => {
                (state.version, state.stamp) = (version, Some(stamp));
                let users = state.version.content.users.len();
                tracing::info!(target: "audit", users, "the users file has been read again");
            }
            Err(error) => {
                tracing::warn!(%error, "the users file is used as it was before");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<(Arc<Version>, Stamp), UsersError> {
    let (text, stamp) = disk::read(path)?;
    let content = Content::parse(&text)
        .map_err(|reason| UsersError::Malformed { path: path.into(), reason })?;
    Ok((Arc::new(Version::new(content)), stamp))
}
