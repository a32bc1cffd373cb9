//! Signed modules: whose code a worker runs.
//!
//! Keys and their texts are those of NATS' nkeys (Ed25519), of the kind *account*: public keys begin with
//! `A`, seeds with `SA`. What is signed is a short statement: the module's SHA-256 behind a word that no
//! other signature of such a key begins with. Signatures lie beside the module in the store; a worker
//! that trusts certain keys runs only what one of them has signed.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use loadhost_model::id::Digest;
use nkeys::{KeyPair, KeyPairType};

/// Signatures kept of one module.
pub const MAX_SIGNATURES: usize = 16;
/// Bytes of an Ed25519 signature (RFC 8032).
const SIGNATURE_BYTES: usize = 64;

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a public key.
    #[error(
        "`{0}` is no public key of a signer; `loadhost key new` shows one, which begins with `A`"
    )]
    Public(String),
    /// Not a seed. The text is a secret, or was meant to be one: it is not shown.
    #[error(
        "this is no seed of a signing key; `loadhost key new` makes one, which begins with `SA`"
    )]
    Seed,
}

/// Whom a signature is by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(String);

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match KeyPair::from_public_key(text) {
            Ok(pair) if pair.key_pair_type() == KeyPairType::Account => Ok(Self(text.to_string())),
            // A seed in the wrong place must not end up in a log.
            _ if text.starts_with('S') => Err(KeyError::Public("S…".to_string())),
            _ => Err(KeyError::Public(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What signs. Its seed is a secret and never shown by accident.
pub struct SigningKey(KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl SigningKey {
    /// A new one, from the system's randomness.
    pub fn generate() -> Self {
        Self(KeyPair::new_account())
    }

    /// The key of a seed, as [`Self::seed`] gives it; white space around it does no harm.
    ///
    /// # Errors
    /// If the text is none.
    pub fn from_seed(text: &str) -> Result<Self, KeyError> {
        match KeyPair::from_seed(text.trim()) {
            Ok(pair) if pair.key_pair_type() == KeyPairType::Account => Ok(Self(pair)),
            _ => Err(KeyError::Seed),
        }
    }

    /// The secret, for a file that only its owner can read.
    ///
    /// # Errors
    /// If the key holds none.
    pub fn seed(&self) -> Result<String, KeyError> {
        self.0.seed().map_err(|_| KeyError::Seed)
    }

    /// What others trust.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key())
    }

    /// Vouches for a module.
    ///
    /// # Errors
    /// If the key holds no secret.
    pub fn sign(&self, digest: Digest) -> Result<Signature, KeyError> {
        let bytes = self.0.sign(statement(digest).as_bytes()).map_err(|_| KeyError::Seed)?;
        Ok(Signature { by: self.public(), bytes })
    }
}

/// What is signed.
fn statement(digest: Digest) -> String {
    format!("loadhost module 1\n{digest}\n")
}

/// Somebody vouches for a module. As a text: `PUBLIC-KEY:HEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Who.
    pub by: PublicKey,
    bytes: Vec<u8>,
}

impl Signature {
    /// Whether it is a true signature of this module.
    pub fn is_of(&self, digest: Digest) -> bool {
        KeyPair::from_public_key(&self.by.0)
            .and_then(|pair| pair.verify(statement(digest).as_bytes(), &self.bytes))
            .is_ok()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.by)?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signature: PUBLIC-KEY:HEX of 64 bytes is expected")]
pub struct SignatureError;

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let (by, hex) = text.split_once(':').ok_or(SignatureError)?;
        let digits: Option<Vec<u8>> = hex
            .chars()
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let digits = digits.filter(|d| d.len() == 2 * SIGNATURE_BYTES).ok_or(SignatureError)?;
        let bytes = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Ok(Self { by: by.parse().map_err(|_| SignatureError)?, bytes })
    }
}

/// Whose modules are run: anybody's by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    keys: BTreeSet<PublicKey>,
}

/// Why a module is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Nobody vouches for it.
    #[error("it is not signed; sign it with `loadhost master --sign KEYFILE`")]
    Unsigned,
    /// Others vouch for it.
    #[error("it is signed by {}, who is not trusted here; trust the key with `--trust`, or sign it with a trusted one", list(.0))]
    Strangers(Vec<PublicKey>),
    /// A trusted name stands under something that it did not sign.
    #[error("its signature by {0} is false: the module or the signature was altered")]
    False(PublicKey),
}

fn list(keys: &[PublicKey]) -> String {
    keys.iter().map(PublicKey::to_string).collect::<Vec<_>>().join(", ")
}

impl Trust {
    /// Only these; none: anybody.
    pub fn only(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// Whether a module with these signatures may be run.
    ///
    /// # Errors
    /// If certain keys are trusted and none of them has signed it.
    pub fn check(&self, digest: Digest, signatures: &[Signature]) -> Result<(), TrustError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let trusted = |signature: &&Signature| self.keys.contains(&signature.by);
        let mut by_trusted = signatures.iter().filter(trusted).peekable();
        match (by_trusted.peek(), signatures) {
            (None, []) => Err(TrustError::Unsigned),
            (None, others) => {
                Err(TrustError::Strangers(others.iter().map(|s| s.by.clone()).collect()))
            }
            (Some(first), _) => {
                let first = first.by.clone();
                let good = by_trusted.any(|signature| signature.is_of(digest));
                if good { Ok(()) } else { Err(TrustError::False(first)) }
            }
        }
    }
}

/// Signatures as they lie in the store, parted by commas. What is none is left out, and so are those
/// beyond [`MAX_SIGNATURES`]: a module needs one that is good.
pub(crate) fn parse_signatures(text: &str) -> Vec<Signature> {
    text.split(',').take(MAX_SIGNATURES).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::new([byte; 32])
    }

    #[test]
    fn a_signed_module_is_run_where_the_signer_is_trusted_and_only_there() {
        let (ours, theirs) = (SigningKey::generate(), SigningKey::generate());
        let trust = Trust::only([ours.public()]);
        let (by_us, by_them) = (ours.sign(digest(1)).unwrap(), theirs.sign(digest(1)).unwrap());
        let check = |signatures: &[Signature]| trust.check(digest(1), signatures);
        assert_eq!(check(std::slice::from_ref(&by_us)), Ok(()));
        assert_eq!(check(&[by_them.clone(), by_us.clone()]), Ok(()));
        assert_eq!(check(&[]), Err(TrustError::Unsigned));
        assert_eq!(
            check(std::slice::from_ref(&by_them)),
            Err(TrustError::Strangers(vec![theirs.public()]))
        );
        assert_eq!(trust.check(digest(2), &[by_us]), Err(TrustError::False(ours.public())));
        let forged = Signature { by: ours.public(), ..by_them };
        assert_eq!(check(&[forged]), Err(TrustError::False(ours.public())));
        assert_eq!(Trust::default().check(digest(1), &[]), Ok(()));
    }

    #[test]
    fn keys_are_texts_and_the_secret_one_is_never_shown_by_accident() {
        let key = SigningKey::generate();
        let seed = key.seed().unwrap();
        assert!(seed.starts_with("SA") && key.public().to_string().starts_with('A'));
        assert_eq!(SigningKey::from_seed(&format!(" {seed}\n")).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&seed));
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_seed_in_the_wrong_place_is_not_repeated() {
        let user = KeyPair::new_user();
        for bad in ["", "A", "ABC", &user.public_key(), "../etc/passwd"] {
            assert!(matches!(bad.parse::<PublicKey>(), Err(KeyError::Public(_))), "{bad}");
        }
        for bad in ["", "SA", &user.seed().unwrap(), &SigningKey::generate().public().to_string()] {
            assert_eq!(SigningKey::from_seed(bad).err(), Some(KeyError::Seed), "{bad}");
        }
        let seed = SigningKey::generate().seed().unwrap();
        assert!(!seed.parse::<PublicKey>().unwrap_err().to_string().contains(&seed[4..]));
    }

    #[test]
    fn signatures_survive_their_text() {
        let key = SigningKey::generate();
        let signature = key.sign(digest(7)).unwrap();
        let text = format!("{signature},nonsense,{}:zz,{signature}", key.public());
        assert_eq!(parse_signatures(&text), [signature.clone(), signature]);
        assert_eq!(parse_signatures(""), []);
    }

    proptest! {
        #[test]
        fn no_text_is_a_signature_by_accident(text in "\\PC{0,200}") {
            prop_assert!(parse_signatures(&text).is_empty());
        }

        #[test]
        fn an_altered_digest_is_noticed(at in 0_usize..32, bit in 0_u8..8) {
            let key = SigningKey::generate();
            let signature = key.sign(digest(9)).unwrap();
            let mut altered = [9; 32];
            altered[at] ^= 1 << bit;
            prop_assert!(!signature.is_of(Digest::new(altered)));
        }
    }
}
