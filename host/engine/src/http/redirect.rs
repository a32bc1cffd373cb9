//! What a redirect makes of a request.

use std::sync::Arc;

use url::Url;

use super::head::Head;
use super::origin::Origin;
use super::outcome::{Failure, FailureKind};
use super::request::Request;

/// What to do with an answer.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is the answer.
    Final,
    /// The request, changed, is to be sent again.
    Follow,
    /// It leads where nobody may go.
    Refused(Failure),
}

/// Looks at an answer's status and location and, if it is to be followed, turns the request
/// to its new place. `followed` counts redirects so far.
pub(super) fn turn(request: &mut Request<'_>, head: &Head, followed: u32, limit: u32) -> Verdict {
    let Some(location) = head.location().filter(|_| limit > 0) else {
        return Verdict::Final;
    };
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return Verdict::Final;
    }
    if followed >= limit {
        return Verdict::Refused(Failure::new(FailureKind::Other, "too many redirects"));
    }
    let target = Url::parse(&request.url_text()).and_then(|base| base.join(location));
    let Ok(mut url) = target else { return Verdict::Final };
    // Credentials in a location are the server's idea, not the author's.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    let Some(origin) = Origin::of(&url) else {
        let message = format!("redirected to scheme `{}`", url.scheme());
        return Verdict::Refused(Failure::denied(message));
    };
    let hop = &mut request.hop;
    hop.as_get |= match head.status {
        301 | 302 => request.template.method() == "POST",
        303 => !matches!(request.template.method(), "GET" | "HEAD"),
        _ => false,
    };
    if *hop.origin != origin {
        hop.leave(Arc::new(origin));
    }
    hop.url = Some(Box::new(url));
    Verdict::Follow
}
