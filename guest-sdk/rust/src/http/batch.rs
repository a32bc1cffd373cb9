//! Several requests at once, as a browser loads a page.

use super::request::as_expected;
use super::{Error, Request, Response, Result, Summary};
use crate::host;

/// Sends all of them at once, as [`Request::send`] does; answers in the order of the requests.
///
/// ```no_run
/// # use loadhost_sdk::prelude::*;
/// # fn assets() -> Outcome {
/// for answer in batch([get("/style.css"), get("/app.js"), get("/img/{id}").with(7)]) {
///     answer?.check("small", |answer| answer.body_size < 100_000);
/// }
/// # Ok(())
/// # }
/// ```
pub fn batch<'a>(requests: impl IntoIterator<Item = Request<'a>>) -> Vec<Result<Summary>> {
    let requests: Vec<_> = requests.into_iter().collect();
    if requests.iter().any(Request::has_bytes) {
        // Handles carry texts only.
        let answers = fetch_all(requests).into_iter();
        return answers.map(|answer| answer.map(|response| response.summary())).collect();
    }
    let templates: Vec<_> = requests.iter().map(Request::template).collect();
    let sent = templates.iter().zip(&requests).filter_map(|(template, request)| {
        template.as_ref().ok().map(|template| (&template.handle, request.values()))
    });
    let mut answers = host::send_templates(&sent.collect::<Vec<_>>()).into_iter();
    let results = templates.into_iter().map(|template| {
        let template = template?;
        match answers.next() {
            Some(Ok(summary)) => as_expected(summary, &template.label),
            Some(Err(cause)) => Err(Error::new(&*template.label, cause)),
            None => Err(no_answer(&template.label)),
        }
    });
    results.collect()
}

/// Sends all of them at once, as [`Request::fetch`] does; answers in the order of the requests.
pub fn fetch_all<'a>(requests: impl IntoIterator<Item = Request<'a>>) -> Vec<Result<Response>> {
    let plain: Vec<_> = requests.into_iter().map(Request::into_plain).collect();
    let sent: Vec<_> = plain.iter().filter_map(|request| request.as_ref().ok()).collect();
    let mut answers = host::send_all(&sent).into_iter();
    let results = plain.iter().map(|request| {
        let label = request.as_ref().map_err(Clone::clone)?.label();
        match answers.next() {
            Some(Ok(raw)) => {
                as_expected(raw.summary(), &label)?;
                Ok(Response { label: label.into(), raw })
            }
            Some(Err(cause)) => Err(Error::new(label, cause)),
            None => Err(no_answer(&label)),
        }
    });
    results.collect()
}

fn no_answer(label: &str) -> Error {
    Error::new(label, super::Cause::Other("the host gave no answer".to_string()))
}
