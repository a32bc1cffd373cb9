//! Random numbers, and signatures under the users file's secret.
//!
//! Signing and comparing are ring's; a signature is compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SecureRandom as _;
use ring::{hmac, rand};

/// Bytes of secrets and signatures.
pub(super) const LENGTH: usize = 32;

/// The system gives no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers; look at /dev/urandom")]
pub struct NoRandomness;

/// 256 random bits.
pub(super) fn random() -> Result<[u8; LENGTH], NoRandomness> {
    let mut bytes = [0; LENGTH];
    rand::SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// In 43 letters that stand in headers, cookies and files.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What [`encode`] wrote.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Signs what only we may have written.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(secret: &[u8; LENGTH]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// HMAC-SHA256 of `text` for one `purpose`: a signature for one is none for another.
    pub(super) fn sign(&self, purpose: &str, text: &str) -> Vec<u8> {
        hmac::sign(&self.0, joined(purpose, text).as_bytes()).as_ref().to_vec()
    }

    /// Whether [`Signer::sign`] wrote it.
    pub(super) fn is_ours(&self, purpose: &str, text: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.0, joined(purpose, text).as_bytes(), signature).is_ok()
    }
}

/// No purpose has the separator.
fn joined(purpose: &str, text: &str) -> String {
    format!("{purpose}\n{text}")
}
