//! The role that a handler wants, as one of its arguments.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::denied::Denied;
use super::role::{Identity, Role};

/// Somebody who may look.
#[derive(Debug, Clone)]
pub struct View(pub Identity);
/// Somebody who may upload, start, change and stop.
#[derive(Debug, Clone)]
pub struct Operate(pub Identity);
/// Somebody who may do everything.
#[derive(Debug, Clone)]
pub struct Admin(pub Identity);

fn somebody(parts: &Parts, needed: Role) -> Result<Identity, Denied> {
    // Without the guard in front, nobody is known, and so nobody gets in.
    let identity = parts.extensions.get::<Identity>().ok_or(Denied::Unknown)?;
    match identity.role >= needed {
        true => Ok(identity.clone()),
        false => Err(Denied::Role { needed }),
    }
}

impl<S: Sync> FromRequestParts<S> for View {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        somebody(parts, Role::View).map(View)
    }
}

impl<S: Sync> FromRequestParts<S> for Operate {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        somebody(parts, Role::Operate).map(Operate)
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        somebody(parts, Role::Admin).map(Admin)
    }
}
