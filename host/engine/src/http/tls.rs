//! Encryption: roots, client certificates, and tests against servers with none of either.

use std::sync::{Arc, OnceLock};

use loadhost_model::plan::HttpSettings;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::outcome::{Failure, FailureKind};
use super::shared::SetupError;

/// The certificates that the machine trusts; read once per process, when first needed,
/// because it takes some milliseconds.
static NATIVE_ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();

/// TLS of one run.
#[derive(Debug)]
pub(super) struct Tls {
    insecure: bool,
    extra_roots: Vec<CertificateDer<'static>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    config: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Tls {
    /// Reads the PEM texts of the settings.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, SetupError> {
        let extra_roots = match &settings.extra_roots {
            Some(pem) => certificates("the certificate of `extra_roots`", pem)?,
            None => Vec::new(),
        };
        let identity = match &settings.client_identity {
            Some(pem) => {
                let what = "the client certificate";
                let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| {
                    SetupError::Certificate { what: "the client key", why: error.to_string() }
                })?;
                Some((certificates(what, pem)?, key))
            }
            None => None,
        };
        let tls =
            Self { insecure: settings.insecure, extra_roots, identity, config: OnceLock::new() };
        // A key that does not fit its certificate is found now, not at the first request.
        if tls.identity.is_some() {
            let built = tls.build(RootCertStore::empty());
            built.map_err(|why| SetupError::Certificate { what: "the client certificate", why })?;
        }
        Ok(tls)
    }

    /// The configuration of all connections, made when the first is opened.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        self.config
            .get_or_init(|| self.build(self.roots()).map(Arc::new))
            .clone()
            .map_err(|why| Failure::new(FailureKind::Tls, why))
    }

    fn roots(&self) -> RootCertStore {
        if self.insecure {
            return RootCertStore::empty();
        }
        let native = NATIVE_ROOTS.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        let mut roots = RootCertStore::clone(native);
        roots.add_parsable_certificates(self.extra_roots.iter().cloned());
        roots
    }

    fn build(&self, roots: RootCertStore) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if self.insecure {
            let verifier = Arc::new(AnyCertificate { provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_root_certificates(roots)
        };
        let mut config = match &self.identity {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| error.to_string())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Users do not know each other: one's session must not make another's handshake cheap.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let fault = |why: String| SetupError::Certificate { what, why };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| fault(error.to_string()))?;
    if found.is_empty() { Err(fault("it has no PEM certificate".to_string())) } else { Ok(found) }
}

/// Trusts every server, as `--insecure` asks. Signatures are still checked, since a server
/// that fails at them is broken rather than unknown.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
