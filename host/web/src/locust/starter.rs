//! A master starts what `/swarm` asks for as its API starts runs.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use loadhost_model::id::{Digest, RunId};
use serde_json::{Map, Value};

use super::{Ports, Ready, Starter};
use crate::api::Desk;
use crate::refusal::Refusal;

impl Ports {
    /// Of a master's API.
    pub(crate) fn of(desk: &Arc<Desk>) -> Self {
        let has_workers = desk.site.workbench.is_some();
        Self {
            handle: desk.site.handle.clone(),
            starter: Arc::new(OfDesk(desk.clone())),
            has_workers,
        }
    }
}

struct OfDesk(Arc<Desk>);

impl Starter for OfDesk {
    fn scenario(&self) -> BoxFuture<'_, Result<Ready, String>> {
        Box::pin(async {
            if self.0.site.workbench.is_none() {
                return Err("this process runs one scenario and no other; start `loadhost master`"
                    .to_string());
            }
            let all = self.0.library.scenarios().await.map_err(|error| error.to_string())?;
            let last = all.iter().max_by(|a, b| a.uploaded_at.cmp(&b.uploaded_at)).ok_or(
                "there is no scenario to start: upload one with `loadhost push FILE.wasm`, or on the page",
            )?;
            let digest: Digest =
                last.digest.parse().map_err(|_| "its digest is none".to_string())?;
            let kept = self.0.library.scenario(digest).await.map_err(|error| error.to_string())?;
            let kept = kept.ok_or("the scenario was deleted a moment ago")?;
            Ok(Ready { digest, description: kept.description })
        })
    }

    fn start(
        &self,
        scenario: Digest,
        settings: Map<String, Value>,
    ) -> BoxFuture<'_, Result<RunId, String>> {
        Box::pin(async move {
            self.0.begin(scenario.to_string(), settings).await.map_err(|refusal| in_words(&refusal))
        })
    }

    fn logs(&self) -> Vec<(String, String)> {
        let lines = self.0.hub.logs(None, usize::MAX);
        let line = |line: crate::live::LogEntry| {
            let text = format!(
                "[{:.3}s] user {} {}: {}",
                line.at_seconds,
                line.user,
                line.level.to_uppercase(),
                line.message
            );
            (line.worker, text)
        };
        lines.into_iter().map(line).collect()
    }
}

fn in_words(refusal: &Refusal) -> String {
    let faults = refusal.faults.iter().map(|fault| match &fault.key {
        Some(key) => format!("{key}: {}", fault.message),
        None => fault.message.clone(),
    });
    let faults: Vec<_> = faults.collect();
    match faults.is_empty() {
        true => format!("{} ({})", refusal.message, refusal.hint),
        false => faults.join("; "),
    }
}
