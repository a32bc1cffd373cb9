//! `http.response`: what the guest looks at of an answer.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::time::Duration;

use wasmtime::component::Resource;

use super::sample::{Finished, nanos};
use super::state::VuState;
use crate::bindings::http as wit;
use crate::http::{Kept, Timings};
use crate::recorder::Recorder;

/// An answer that the guest holds. It is counted when the guest lets go of it, or when the
/// call into the guest ends.
pub struct HostResponse {
    summary: wit::Summary,
    timings: Timings,
    kept: Box<Kept>,
    /// None: counted.
    finished: Option<Finished>,
    /// Whether it was counted that the body is cut, if it is.
    cut_counted: bool,
}

impl HostResponse {
    pub(super) fn new(
        summary: wit::Summary,
        timings: Timings,
        kept: Box<Kept>,
        finished: Finished,
    ) -> Self {
        let cut_counted = kept.is_cut_as_received();
        Self { summary, timings, kept, finished: Some(finished), cut_counted }
    }

    /// Bytes of memory that it takes.
    pub(super) fn held(&self) -> u64 {
        self.kept.held_bytes()
    }

    pub(super) fn record(&mut self, recorder: &Recorder) {
        if let Some(finished) = self.finished.take() {
            finished.record(recorder);
        }
    }
}

impl VuState {
    fn response(&mut self, this: &Resource<HostResponse>) -> wasmtime::Result<&mut HostResponse> {
        self.call()?;
        Ok(self.table.get_mut(this)?)
    }

    /// The answer with its body decompressed, which it may not have been before.
    fn decompressed(&mut self, this: &Resource<HostResponse>) -> wasmtime::Result<&Kept> {
        let response = self.response(this)?;
        let before = response.held();
        let is_cut = response.kept.is_cut();
        let counts = is_cut && !std::mem::replace(&mut response.cut_counted, is_cut);
        let more = response.held() - before;
        if counts {
            self.capped("response_body_bytes");
        }
        self.hold(more)?;
        Ok(&self.table.get(this)?.kept)
    }
}

impl wit::HostResponse for VuState {
    fn summary(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<wit::Summary> {
        Ok(self.response(&this)?.summary)
    }

    fn header(
        &mut self,
        this: Resource<HostResponse>,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.response(&this)?.kept.header(&name))
    }

    fn headers(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.response(&this)?.kept.headers())
    }

    fn bytes(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<Vec<u8>> {
        Ok(self.decompressed(&this)?.bytes().to_vec())
    }

    fn text(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<String> {
        Ok(self.decompressed(&this)?.text().into_owned())
    }

    fn contains(&mut self, this: Resource<HostResponse>, needle: String) -> wasmtime::Result<bool> {
        Ok(self.decompressed(&this)?.contains(&needle))
    }

    fn json(
        &mut self,
        this: Resource<HostResponse>,
        pointer: String,
    ) -> wasmtime::Result<Option<String>> {
        Ok(self.decompressed(&this)?.json(&pointer))
    }

    fn mark(
        &mut self,
        this: Resource<HostResponse>,
        verdict: Result<(), String>,
    ) -> wasmtime::Result<()> {
        let response = self.response(&this)?;
        response.summary.ok = verdict.is_ok();
        if let Some(finished) = &mut response.finished {
            finished.mark(verdict);
        }
        Ok(())
    }

    fn timings(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<Vec<(String, u64)>> {
        let timings = self.response(&this)?.timings;
        let step = |name: &str, span: Duration| (name.to_string(), nanos(span));
        Ok(vec![
            step("dns", timings.dns),
            step("connect", timings.connect),
            step("tls", timings.tls),
            step("sending", timings.sending),
            step("waiting", timings.waiting),
            step("receiving", timings.receiving),
        ])
    }

    fn url(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<String> {
        Ok(self.response(&this)?.kept.url().to_string())
    }

    fn drop(&mut self, this: Resource<HostResponse>) -> wasmtime::Result<()> {
        let mut response = self.table.delete(this)?;
        self.let_go(response.held());
        if response.finished.is_some() {
            response.record(&self.shard.recorder);
            self.unrecorded = self.unrecorded.saturating_sub(1);
        }
        Ok(())
    }
}
