//! What the users of one shard have in common.

use std::net::SocketAddr;
use std::sync::Arc;

use loadhost_model::plan::{HttpSettings, Limits};

use super::origin::{Site, basic, split_absolute};
use super::policy::Policy;
use super::resolve::Resolver;
use super::template::{TemplateError, is_header_name};
use super::text::{encode_url_literal, has_control_bytes};
use super::tls::Tls;

/// Why a run's HTTP settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The target is no URL.
    #[error("target `{target}` is no URL of scheme http or https: {why}")]
    Target {
        /// As given.
        target: String,
        /// What is wrong.
        why: String,
    },
    /// An entry of the allow list.
    #[error("allowed host `{0}` is malformed: use `name`, `name:port`, `*.name` or `*`")]
    AllowHost(String),
    /// A host override.
    #[error("host override `{0}` is malformed: give `name[:port]` and `address[:port]`")]
    Override(String),
    /// A header of the settings.
    #[error("header `{0}` of the run's settings is malformed, or set by loadhost itself")]
    Header(String),
    /// Certificates or keys.
    #[error("{what} cannot be used: {why}")]
    Certificate {
        /// Which of them.
        what: &'static str,
        /// From the parser.
        why: String,
    },
}

/// What the worker's operator grants and refuses, whatever the run says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Loopback and private ranges also of hosts other than the target.
    pub private: bool,
    /// Addresses of the fleet's own brokers and masters; port 0: all ports.
    pub refused: Vec<SocketAddr>,
}

/// Settings, resolver, TLS and policy of a run; one per shard.
#[derive(Debug)]
pub struct Shared {
    pub(super) settings: HttpSettings,
    pub(super) limits: Limits,
    pub(super) target: Option<Target>,
    pub(super) policy: Policy,
    pub(super) resolver: Resolver,
    pub(super) tls: Tls,
    /// Sent with each request, unless the template has one of that name.
    pub(super) headers: Vec<DefaultHeader>,
    /// All of `headers` in one block.
    pub(super) header_block: Vec<u8>,
}

/// Where relative URLs go.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) origin: Arc<super::origin::Origin>,
    /// Without a slash at its end, so mostly empty.
    pub(super) path: String,
    /// Value of `Authorization`.
    pub(super) authorization: Option<String>,
}

/// A header line of the run.
#[derive(Debug)]
pub(super) struct DefaultHeader {
    /// Lower case.
    pub(super) name: String,
    /// With line end.
    pub(super) line: String,
}

impl Shared {
    /// Reads settings, certificates and patterns; opens nothing.
    pub fn new(
        settings: &HttpSettings,
        target: Option<&str>,
        limits: &Limits,
        grants: &Grants,
    ) -> Result<Arc<Shared>, SetupError> {
        let target = target.map(|text| Target::new(text, settings)).transpose()?;
        let policy = Policy::new(
            target.as_ref().map(|target| &*target.origin),
            &settings.allow_hosts,
            grants.private,
            grants.refused.clone(),
        )?;
        let headers = default_headers(settings)?;
        let header_block = headers.iter().flat_map(|header| header.line.bytes()).collect();
        Ok(Arc::new(Shared {
            policy,
            resolver: Resolver::new(settings)?,
            tls: Tls::new(settings)?,
            target,
            headers,
            header_block,
            settings: settings.clone(),
            limits: limits.clone(),
        }))
    }

    /// Value of `Authorization` for requests to this origin.
    pub(super) fn authorization(&self, origin: &super::origin::Origin) -> Option<&str> {
        let target = self.target.as_ref().filter(|target| *target.origin == *origin)?;
        target.authorization.as_deref()
    }
}

impl Target {
    fn new(text: &str, settings: &HttpSettings) -> Result<Self, SetupError> {
        let fault = |why: String| SetupError::Target { target: text.to_string(), why };
        let (site, path) = match split_absolute(text.trim()) {
            Ok(Some(parts)) => parts,
            Ok(None) => return Err(fault("begin it with `http://` or `https://`".to_string())),
            Err(TemplateError::Url { why, .. }) => return Err(fault(why)),
            Err(error) => return Err(fault(error.to_string())),
        };
        let Site { origin, authorization } = site;
        let authorization = match (&settings.basic_auth, &settings.bearer) {
            (_, Some(token)) => Some(format!("Bearer {token}")),
            (Some((user, password)), None) => Some(basic(user, password)),
            (None, None) => authorization,
        };
        if authorization.as_deref().is_some_and(has_control_bytes) {
            return Err(SetupError::Header("Authorization".to_string()));
        }
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        Ok(Self { origin: Arc::new(origin), path: encode_url_literal(path), authorization })
    }
}

fn default_headers(settings: &HttpSettings) -> Result<Vec<DefaultHeader>, SetupError> {
    let own = [("User-Agent", settings.user_agent.as_str()), ("Accept", "*/*")];
    let given = settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut headers: Vec<DefaultHeader> = Vec::new();
    for (name, value) in given.chain(own) {
        let lower = name.to_ascii_lowercase();
        let is_ours = matches!(
            lower.as_str(),
            "content-length" | "transfer-encoding" | "host" | "upgrade" | "connection"
        );
        if !is_header_name(name) || has_control_bytes(value) || is_ours {
            return Err(SetupError::Header(name.to_string()));
        }
        let is_own = own.iter().any(|(own, _)| *own == name);
        let known = headers.iter().any(|header| header.name == lower);
        if !(is_own && (known || value.is_empty())) {
            headers.push(DefaultHeader { name: lower, line: format!("{name}: {value}\r\n") });
        }
    }
    Ok(headers)
}
