//! The guard in front of all routes: who asks, from which page, and whether they may.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::denied::Denied;
use super::origin::{Origin, names_this_machine, origin};
use super::proxy::Caller;
use super::role::{Identity, Means};
use super::rules::{Effect, Need, SESSION, needed};
use super::session::Wire;
use super::{Access, Reach, audit, headers, session};

/// Until a handler answers: also an upload over a slow line is over by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(600);
/// How often whoever follows a stream is asked again who they are, by what they showed when they opened it.
const ASKED_AGAIN: Duration = Duration::from_secs(5);
/// Of a refused request, so much is read away, and for so long.
const UNHEARD_BYTES: usize = 32 << 20;
const UNHEARD_WITHIN: Duration = Duration::from_secs(5);

/// Who is at the other end of the connection. [`super::serve`] puts it into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Puts the guard in front of everything that `router` has. What is added later has none.
pub fn guard(router: Router, access: Access) -> Router {
    router.layer(from_fn_with_state(access, pass))
}

async fn pass(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_string());
    let (need, effect) = needed(request.method(), matched.as_deref());
    let asked = request.headers().clone();
    let path = request.uri().path().to_string();
    let caller = access.caller(&request);
    request.extensions_mut().insert(caller);
    let mut entry = audit::Entry::of(&request);
    let decided = access.decide(&asked, caller, matched.as_deref(), need, effect);
    let response = match decided {
        Err(denied) => {
            entry.denied = Some(denied.code());
            read_away(request).await;
            denied.into_response()
        }
        Ok(identity) => {
            if let Some(identity) = identity {
                entry.identity = Some(identity.clone());
                request.extensions_mut().insert(identity);
            }
            let answered = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
            answered.unwrap_or_else(|_| Denied::TooSlow.into_response())
        }
    };
    // Logins tell their own outcome.
    if effect == Effect::Changes && (matched.as_deref() != Some(SESSION) || entry.denied.is_some())
    {
        entry.write(response.status());
    }
    let mut response = access.ending(response, &asked, caller.wire);
    headers::dress(response.headers_mut(), &path, access.wire(), &asked);
    response
}

/// Whoever still sends when we answer and hang up sees a broken pipe instead of the answer.
async fn read_away(request: Request) {
    let read = async {
        let (mut body, mut left) = (request.into_body().into_data_stream(), UNHEARD_BYTES);
        while let Some(Ok(chunk)) = body.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(UNHEARD_WITHIN, read).await;
}

impl Access {
    /// Who is at the other end, of the connection or of the proxy's.
    pub fn caller(&self, request: &Request) -> Caller {
        let peer = request.extensions().get::<Peer>().copied();
        self.proxies.caller(peer, self.wire(), request.headers())
    }

    /// Who asks, if that is known and needed; or why they may not.
    fn decide(
        &self,
        headers: &HeaderMap,
        caller: Caller,
        matched: Option<&str>,
        need: Need,
        effect: Effect,
    ) -> Result<Option<Identity>, Denied> {
        if !self.has_login() && self.reach() == Reach::ThisMachine && !names_this_machine(headers) {
            return Err(Denied::ForeignHost);
        }
        let identity = self.identify(headers, caller.wire, Timestamp::now())?;
        let means = identity.as_ref().map(|identity| identity.means);
        let is_api = matched.is_some_and(|path| path.starts_with("/api/"));
        if effect == Effect::Changes && means != Some(Means::Token) {
            match origin(headers, caller.wire) {
                Origin::Foreign => return Err(Denied::ForeignPage),
                // Whoever shows a cookie is a browser, and browsers say it.
                Origin::Unsaid if means == Some(Means::Session) => return Err(Denied::ForeignPage),
                Origin::Unsaid | Origin::Ours => {}
            }
            if is_api && is_form(headers) {
                return Err(Denied::FormBody);
            }
        }
        match (need, &identity) {
            (Need::Anyone, _) => Ok(identity),
            (Need::Role(_), None) => Err(Denied::Unknown),
            (Need::Role(needed), Some(who)) if who.role < needed => Err(Denied::Role { needed }),
            (Need::Role(_), Some(_)) => Ok(identity),
        }
    }

    /// By bearer token, else by cookie. A token that is wrong is not overlooked.
    pub(super) fn identify(
        &self,
        headers: &HeaderMap,
        wire: Wire,
        now: Timestamp,
    ) -> Result<Option<Identity>, Denied> {
        let Some(login) = self.login() else { return Ok(Some(Identity::anybody())) };
        let version = login.users.now();
        if let Some(shown) = headers.get(header::AUTHORIZATION) {
            let token = bearer(shown).ok_or(Denied::Token)?;
            return version.bearer(token, now).map(Some).ok_or(Denied::Token);
        }
        let mut cookies = self.cookie(wire).values(headers);
        Ok(cookies.find_map(|value| session::open(&version, value, now)))
    }

    /// A stream ends with the session or the token that opened it. Browsers come again unasked, and are told to log in.
    fn ending(&self, response: Response, shown: &HeaderMap, wire: Wire) -> Response {
        let kind = response.headers().get(header::CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !is_stream || !self.has_login() {
            return response;
        }
        let (access, shown) = (self.clone(), shown.clone());
        let end = async move {
            let mut looks = tokio::time::interval(ASKED_AGAIN);
            while let Ok(Some(_)) = access.identify(&shown, wire, Timestamp::now()) {
                looks.tick().await;
            }
        };
        response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(end))))
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a browser sends for any page without asking us first, besides `multipart/form-data`, which uploads may be.
fn is_form(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return false };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/x-www-form-urlencoded", "text/plain"]
        .iter()
        .any(|form| kind.eq_ignore_ascii_case(form))
}
