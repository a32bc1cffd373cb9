//! What `loadhost user` does to the file.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Content, MOST, TOKEN_PREFIX, Token, User, UsersError, digest_of, disk, name_of};
use crate::access::password::Hashed;
use crate::access::role::Role;
use crate::access::secret;

/// A users file that is being looked at or changed. Nothing is written before [`UserFile::save`].
pub struct UserFile {
    path: PathBuf,
    content: Content,
    /// As it was read; None if the file is new.
    before: Option<String>,
}

/// A token of a users file. What it is itself, nobody knows but who was given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserToken {
    /// Audit lines name it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Until when it is good; None: for ever.
    pub expires: Option<Timestamp>,
}

impl UserFile {
    /// The file at `path`.
    ///
    /// # Errors
    /// If it is not there, may be read by others, or says something else.
    pub fn open(path: &Path) -> Result<Self, UsersError> {
        let (text, _) = disk::read(path)?;
        let content = Content::parse(&text)
            .map_err(|reason| UsersError::Malformed { path: path.into(), reason })?;
        Ok(Self { path: path.into(), content, before: Some(text) })
    }

    /// The file at `path`, or a new one with a new secret if there is none.
    ///
    /// # Errors
    /// As of [`UserFile::open`], but for a file that is not there.
    pub fn open_or_new(path: &Path) -> Result<Self, UsersError> {
        match Self::open(path) {
            Err(UsersError::Missing(_)) => {
                Ok(Self { path: path.into(), content: Content::new()?, before: None })
            }
            opened => opened,
        }
    }

    /// Names and roles, in the order of names.
    pub fn users(&self) -> impl Iterator<Item = (&str, Role)> {
        self.content.users.iter().map(|(name, user)| (name.as_str(), user.role))
    }

    /// In the order of names, also those that have expired.
    pub fn tokens(&self) -> Vec<UserToken> {
        let tokens = self.content.tokens.iter();
        let shown = |(name, token): (&String, &Token)| UserToken {
            name: name.clone(),
            role: token.role,
            expires: token.expires,
        };
        tokens.map(shown).collect()
    }

    /// A new user. Hashing the password takes a moment.
    ///
    /// # Errors
    /// If the name is none or taken, the password is too short, or the file is full.
    pub fn add(&mut self, name: &str, role: Role, password: &str) -> Result<(), UsersError> {
        let name = name_of(name)?;
        if self.content.users.contains_key(&name) {
            return Err(UsersError::Exists { kind: "user", name });
        }
        if self.content.users.len() >= MOST {
            return Err(UsersError::Full("user"));
        }
        let password = Hashed::new(password)?;
        self.content.users.insert(name, User { role, password });
        Ok(())
    }

    /// Another password, which ends the user's sessions.
    ///
    /// # Errors
    /// If there is no such user, or the password is too short.
    pub fn set_password(&mut self, name: &str, password: &str) -> Result<(), UsersError> {
        let hashed = Hashed::new(password)?;
        self.user(name)?.password = hashed;
        Ok(())
    }

    /// Another role, from the next request on.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn set_role(&mut self, name: &str, role: Role) -> Result<(), UsersError> {
        self.user(name)?.role = role;
        Ok(())
    }

    /// Takes a user out, which ends their sessions. Tokens stay.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn remove(&mut self, name: &str) -> Result<(), UsersError> {
        self.user(name)?;
        self.content.users.remove(name);
        Ok(())
    }

    /// A new token: the only time that it can be seen.
    ///
    /// # Errors
    /// If the name is none or taken, or the file is full.
    pub fn add_token(
        &mut self,
        name: &str,
        role: Role,
        expires: Option<Timestamp>,
    ) -> Result<String, UsersError> {
        let name = name_of(name)?;
        if self.content.tokens.contains_key(&name) {
            return Err(UsersError::Exists { kind: "token", name });
        }
        if self.content.tokens.len() >= MOST {
            return Err(UsersError::Full("token"));
        }
        let token = format!("{TOKEN_PREFIX}{}", secret::encode(&secret::random()?));
        let kept = Token { role, digest: digest_of(&token), expires };
        self.content.tokens.insert(name, kept);
        Ok(token)
    }

    /// Takes a token out; from the next request on it is unknown.
    ///
    /// # Errors
    /// If there is no such token.
    pub fn remove_token(&mut self, name: &str) -> Result<(), UsersError> {
        let tokens = &mut self.content.tokens;
        match tokens.remove(name) {
            Some(_) => Ok(()),
            None => Err(nobody("token", name, tokens.keys())),
        }
    }

    /// Ends all sessions: no cookie that was given is good any more.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn end_sessions(&mut self) -> Result<(), UsersError> {
        self.content.secret = secret::random()?;
        Ok(())
    }

    /// Writes the file, whole or not at all, for its owner only.
    ///
    /// # Errors
    /// If somebody else changed it meanwhile, or it cannot be written.
    pub fn save(&mut self) -> Result<(), UsersError> {
        let now = match disk::read(&self.path) {
            Ok((text, _)) => Some(text),
            Err(UsersError::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        if now != self.before {
            return Err(UsersError::ChangedMeanwhile(self.path.clone()));
        }
        let text = self.content.text().map_err(|error| UsersError::Malformed {
            path: self.path.clone(),
            reason: error.to_string(),
        })?;
        disk::write(&self.path, &text)?;
        self.before = Some(text);
        Ok(())
    }

    fn user(&mut self, name: &str) -> Result<&mut User, UsersError> {
        let users = &mut self.content.users;
        if !users.contains_key(name) {
            return Err(nobody("user", name, users.keys()));
        }
        users.get_mut(name).ok_or_else(|| UsersError::BadName(name.into()))
    }
}

fn nobody<'a>(
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> UsersError {
    let known = known.map(String::as_str).collect::<Vec<_>>();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    UsersError::Nobody { kind, name: name.chars().take(64).collect(), known }
}
