//! What handlers take in, with every rejection in the API's form.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access::Identity;
use crate::refusal::Refusal;

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);
/// Parts of the path.
pub(super) struct At<T>(pub(super) T);
/// What follows the `?`.
pub(super) struct Asked<T>(pub(super) T);
/// Who asks; None: there is no login.
pub(super) struct By(pub(super) Option<String>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Json::<T>::from_request(request, state).await?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Path::<T>::from_request_parts(parts, state).await?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        Ok(Self(Query::<T>::from_request_parts(parts, state).await?.0))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let identity = parts.extensions.get::<Identity>();
        let known = identity.filter(|identity| identity.means != crate::access::Means::Nothing);
        Ok(Self(known.map(|identity| identity.name.to_string())))
    }
}
