//! Taking in a file: as the body itself, or as the field `file` of a form; bounded while it comes.

use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;

use super::Desk;
use crate::refusal::Refusal;

/// What a form adds to its file: borders and names.
const BORDERS: usize = 64 << 10;

/// The bound of a route that takes in a file of so many bytes, however it comes.
pub(super) fn bound(most: usize) -> DefaultBodyLimit {
    DefaultBodyLimit::max(most.saturating_add(BORDERS))
}

/// What came.
pub(super) struct Upload {
    pub(super) bytes: Bytes,
    /// As the form says; empty: it does not.
    pub(super) name: String,
    /// Room among uploads, for as long as this lies in memory.
    pub(super) _room: OwnedSemaphorePermit,
}

/// Takes in one file of at most so many bytes.
pub(super) async fn take(
    desk: &Desk,
    request: Request,
    what: &str,
    most: usize,
) -> Result<Upload, Refusal> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > most.saturating_add(BORDERS)) {
        return Err(Refusal::too_large(what, most));
    }
    let Ok(room) = desk.uploads.clone().try_acquire_owned() else {
        let message = "too many uploads are coming in";
        let hint = "try again in a few seconds";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message, hint));
    };
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_form = kind.is_some_and(|kind| kind.starts_with("multipart/form-data"));
    let (bytes, name) = match is_form {
        true => of_form(request, what, most).await?,
        false => (of_body(request, what, most).await?, String::new()),
    };
    if bytes.is_empty() {
        let hint = "send the file as the body, or as the field `file` of a form";
        return Err(Refusal::bad_request(format!("{what} is empty"), hint));
    }
    Ok(Upload { bytes, name, _room: room })
}

async fn of_body(request: Request, what: &str, most: usize) -> Result<Bytes, Refusal> {
    let mut parts = request.into_body().into_data_stream();
    let mut all = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| cut_off(&error))?;
        grow(&mut all, &part, what, most)?;
    }
    Ok(all.freeze())
}

async fn of_form(request: Request, what: &str, most: usize) -> Result<(Bytes, String), Refusal> {
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|rejection| {
        Refusal::bad_request(rejection.body_text(), "send a form with the field `file`")
    })?;
    while let Some(mut field) = form.next_field().await.map_err(|error| unreadable(&error))? {
        if field.name() != Some("file") {
            continue;
        }
        let name = field.file_name().unwrap_or_default().to_string();
        let mut all = BytesMut::new();
        while let Some(part) = field.chunk().await.map_err(|error| unreadable(&error))? {
            grow(&mut all, &part, what, most)?;
        }
        return Ok((all.freeze(), name));
    }
    let message = "the form has no field `file`";
    Err(Refusal::bad_request(message, "send the file in a field of this name"))
}

fn grow(all: &mut BytesMut, part: &[u8], what: &str, most: usize) -> Result<(), Refusal> {
    if all.len() + part.len() > most {
        return Err(Refusal::too_large(what, most));
    }
    all.extend_from_slice(part);
    Ok(())
}

fn unreadable(error: &MultipartError) -> Refusal {
    Refusal::bad_request(error.body_text(), "send a form with the field `file`")
}

fn cut_off(error: &axum::Error) -> Refusal {
    Refusal::bad_request(format!("the upload broke off: {error}"), "send it again")
}
