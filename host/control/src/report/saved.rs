//! A report as bytes, so that any master can hand it out later.

use std::borrow::Cow;
use std::sync::Arc;

use loadhost_model::description::Description;
use loadhost_model::interval::Statistics;
use loadhost_model::plan::RunPlan;
use serde::{Deserialize, Serialize};

use super::{EndReason, RunReport, Verdict};
use crate::error::Unreadable;
use crate::view::{Point, RunView};

/// What the bytes are, for people.
const WHAT: &str = "the report";
/// Of the bytes. Another one is refused by name.
const VERSION: u8 = 3;

/// Numbers in postcard, and in JSON what postcard cannot say.
#[derive(Serialize, Deserialize)]
struct Numbers<'a> {
    words: Cow<'a, [u8]>,
    view: Cow<'a, RunView>,
    statistics: Cow<'a, Statistics>,
    after_load: Cow<'a, Statistics>,
    history: Cow<'a, [Point]>,
    verdict: Cow<'a, Verdict>,
}

/// Types with a tag among their fields.
#[derive(Serialize, Deserialize)]
struct Words {
    plan: Arc<RunPlan>,
    description: Arc<Description>,
    ended: EndReason,
    view_ended: Option<EndReason>,
}

impl RunReport {
    /// As bytes. Holds secrets, as the plan does.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = Words {
            plan: self.plan.clone(),
            description: self.description.clone(),
            ended: self.ended.clone(),
            view_ended: self.view.ended.clone(),
        };
        let numbers = Numbers {
            // Lengths are known, keys are texts, and nothing is written to but memory.
            words: serde_json::to_vec(&words).unwrap_or_default().into(),
            view: Cow::Owned(RunView { ended: None, ..self.view.clone() }),
            statistics: Cow::Borrowed(&self.statistics),
            after_load: Cow::Borrowed(&self.after_load),
            history: Cow::Borrowed(&self.history),
            verdict: Cow::Borrowed(&self.verdict),
        };
        postcard::to_extend(&numbers, vec![VERSION]).unwrap_or_default()
    }

    /// What [`Self::to_bytes`] made.
    ///
    /// # Errors
    /// If it was saved by another release, or is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let malformed = |error: &dyn std::fmt::Display| Unreadable::malformed(WHAT, error);
        let body = match bytes.split_first() {
            Some((&VERSION, body)) => body,
            Some((theirs, _)) => return Err(Unreadable::version(WHAT, *theirs, VERSION)),
            None => return Err(malformed(&"it is empty")),
        };
        let numbers: Numbers<'_> = postcard::from_bytes(body).map_err(|e| malformed(&e))?;
        let words: Words = serde_json::from_slice(&numbers.words).map_err(|e| malformed(&e))?;
        Ok(Self {
            view: RunView { ended: words.view_ended, ..numbers.view.into_owned() },
            statistics: numbers.statistics.into_owned(),
            after_load: numbers.after_load.into_owned(),
            history: numbers.history.into_owned(),
            plan: words.plan,
            description: words.description,
            verdict: numbers.verdict.into_owned(),
            ended: words.ended,
        })
    }
}
