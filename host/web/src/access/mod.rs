//! Who may reach the page and the API, and what they may do there.
//!
//! | part | does |
//! |---|---|
//! | [`UserFile`] | users, tokens and the secret, on disk |
//! | [`Access`], [`guard`] | who asks, from which page, and whether they may |
//! | [`View`], [`Operate`], [`Admin`] | the role that a handler wants, as its argument |
//! | [`session_routes`] | login and logout |
//! | [`serve`], [`Tls`], [`BasePath`] | connections: TLS, deadlines, bounds, the proxy's path |
//!
//! Nothing about sessions is remembered: any master with the same users file accepts what another
//! one signed. There is no CORS, no trust in `X-Forwarded-*` but from [`Proxies`] that are named, and no login by URL.

mod audit;
mod base;
mod denied;
mod extract;
mod guard;
mod headers;
pub(crate) mod login;
mod origin;
mod password;
mod proxy;
mod role;
mod rules;
mod secret;
mod serve;
mod session;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;
mod users;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

pub use audit::TARGET as AUDIT_TARGET;
pub use base::{BasePath, NoBasePath};
pub use denied::Denied;
pub use extract::{Admin, Operate, View};
pub use guard::{Peer, guard};
pub use login::{About, session_routes};
pub use password::{LONGEST as LONGEST_PASSWORD, PasswordError, SHORTEST as SHORTEST_PASSWORD};
pub use proxy::{Caller, NoProxies, Proxies};
pub use role::{Identity, Means, NoRole, Role};
pub use rules::{Effect, Need, needed};
pub use serve::{DoorCounters, Doors, serve};
pub use session::{LASTS as SESSION_LASTS, Wire};
pub use tls::{Tls, TlsError};
pub use users::live::Users;
pub use users::{UserFile, UserToken, UsersError};

use session::Cookie;

/// Who can reach the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine.
    ThisMachine,
    /// Everybody who can reach the address.
    Anyone,
}

impl Reach {
    /// Of an address that is listened on.
    pub fn of(address: SocketAddr) -> Self {
        if address.ip().is_loopback() { Reach::ThisMachine } else { Reach::Anyone }
    }
}

/// A listener with what stands in front of its routes.
pub struct Front {
    /// Where.
    pub listener: TcpListener,
    /// Who may do what.
    pub access: Access,
    /// TLS and base path.
    pub doors: Doors,
}

impl Front {
    /// Without login, TLS and base path.
    ///
    /// # Errors
    /// If the listener does not know its address.
    pub fn open(listener: TcpListener) -> std::io::Result<Self> {
        let reach = Reach::of(listener.local_addr()?);
        let access = Access::open(reach, Wire::Plain);
        Ok(Self { listener, access, doors: Doors::default() })
    }
}

/// Who may do what. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
    proxies: Proxies,
}

struct Inner {
    login: Option<Login>,
    reach: Reach,
    wire: Wire,
    /// Where the exchange is plain, and where it is encrypted.
    cookies: [Cookie; 2],
}

struct Login {
    users: Users,
    desk: password::Desk,
    throttle: throttle::Throttle,
}

impl Access {
    /// Without a login: everybody who can `reach` us may do everything.
    pub fn open(reach: Reach, wire: Wire) -> Self {
        Self::new(Inner { login: None, reach, wire, cookies: cookies(&BasePath::default()) })
    }

    /// With a login for those in the users file.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn guarded(
        users: Users,
        reach: Reach,
        wire: Wire,
        base: &BasePath,
    ) -> Result<Self, PasswordError> {
        let (desk, throttle) = (password::Desk::new()?, throttle::Throttle::new());
        let login = Some(Login { users, desk, throttle });
        Ok(Self::new(Inner { login, reach, wire, cookies: cookies(base) }))
    }

    fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), proxies: Proxies::default() }
    }

    /// Behind proxies that say who asks, and whether there is TLS before them.
    pub fn behind(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Whether one logs in here.
    pub fn has_login(&self) -> bool {
        self.inner.login.is_some()
    }

    fn login(&self) -> Option<&Login> {
        self.inner.login.as_ref()
    }

    fn reach(&self) -> Reach {
        self.inner.reach
    }

    fn wire(&self) -> Wire {
        self.inner.wire
    }

    fn cookie(&self, wire: Wire) -> &Cookie {
        let [plain, encrypted] = &self.inner.cookies;
        match wire {
            Wire::Plain => plain,
            Wire::Encrypted => encrypted,
        }
    }
}

fn cookies(base: &BasePath) -> [Cookie; 2] {
    [Wire::Plain, Wire::Encrypted].map(|wire| Cookie::new(wire, base))
}
