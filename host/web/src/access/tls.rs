//! Certificates: read at the start, and again when their files change.
//!
//! Certificates are renewed while servers go on, often file by file. A pair that is not in order is
//! told once, and the former one stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::users::disk::Stamp;

/// How often a new connection looks whether the files are others.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds something else.
    #[error("the {what} `{}` cannot be used: {reason}", path.display())]
    File {
        /// "certificate" or "private key".
        what: &'static str,
        /// Given.
        path: PathBuf,
        /// Says more.
        reason: String,
    },
    /// Both are readable, but not together.
    #[error("the certificate `{}` and the private key `{}` do not go together: {reason}", cert.display(), key.display())]
    Pair {
        /// Given.
        cert: PathBuf,
        /// Given.
        key: PathBuf,
        /// What rustls said.
        reason: String,
    },
}

/// A certificate chain with its key, followed.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    cert: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

struct State {
    acceptor: TlsAcceptor,
    stamps: [Option<Stamp>; 2],
    looked: Instant,
}

impl Tls {
    /// Reads certificate chain and private key, both PEM.
    ///
    /// # Errors
    /// If one cannot be used, or both not together.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let stamps = [Stamp::of(cert), Stamp::of(key)];
        let acceptor = read(cert, key)?;
        let state = Mutex::new(State { acceptor, stamps, looked: Instant::now() });
        Ok(Self(Arc::new(Inner { cert: cert.into(), key: key.into(), state })))
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            self.0.look(&mut state);
        }
        state.acceptor.clone()
    }
}

impl Inner {
    fn look(&self, state: &mut State) {
        let stamps = [Stamp::of(&self.cert), Stamp::of(&self.key)];
        if stamps == state.stamps {
            return;
        }
        // Noted also of broken files, so that one change is told once.
        state.stamps = stamps;
        match read(&self.cert, &self.key) {
            Ok(acceptor) => {
                state.acceptor = acceptor;
                let cert = self.cert.display();
                tracing::info!(%cert, "the certificate has been read again");
            }
            Err(error) => {
                tracing::warn!(%error, "the former certificate is used");
            }
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong =
        |what, path: &Path, reason: String| TlsError::File { what, path: path.into(), reason };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong("certificate", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("certificate", cert, "it holds no `BEGIN CERTIFICATE`".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong("private key", key, error.to_string()))?;
    let pair = |error: rustls::Error| TlsError::Pair {
        cert: cert.into(),
        key: key.into(),
        reason: error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
