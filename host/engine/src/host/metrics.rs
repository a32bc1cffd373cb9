//! `metrics`: custom metrics, checks and groups.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::collections::HashMap;
use std::sync::Arc;

use loadhost_model::metric::{Kind, SeriesKey};
use loadhost_model::threshold::is_built_in;
use wasmtime::component::Resource;

use super::names::{sorted, tidy};
use super::state::VuState;
use crate::bindings::metrics as wit;
use crate::recorder::{Recorder, SeriesId};
use crate::sandbox::trap::HostTrap;

/// Combinations of tags of one metric whose series is remembered.
const REMEMBERED: usize = 64;

/// A metric that the guest made.
pub struct HostMetric {
    name: Arc<str>,
    kind: Kind,
    unit: Arc<str>,
    /// Without tags: the usual case.
    plain: Option<SeriesId>,
    tagged: HashMap<Vec<(String, String)>, SeriesId>,
    /// Held against the user's `kept_bytes`.
    held: u64,
}

/// A metric's name and kind: the same name with another kind is a mistake.
pub(super) type Known = (Arc<str>, Kind);

impl HostMetric {
    fn key(&self, recorder: &Recorder, tags: &[(String, String)]) -> SeriesKey {
        SeriesKey::Custom {
            name: Arc::clone(&self.name),
            kind: self.kind,
            unit: Arc::clone(&self.unit),
            tags: sorted(recorder, tags),
        }
    }
}

impl wit::HostMetric for VuState {
    fn new(
        &mut self,
        name: String,
        kind: wit::Kind,
        unit: String,
    ) -> wasmtime::Result<Resource<HostMetric>> {
        self.call()?;
        let kind = match kind {
            wit::Kind::Counter => Kind::Counter,
            wit::Kind::Gauge => Kind::Gauge,
            wit::Kind::Rate => Kind::Rate,
            wit::Kind::Trend => Kind::Trend,
        };
        if is_built_in(&name) {
            return Err(HostTrap::Misuse(format!(
                "`{name}` is a metric of loadhost's own; choose another name",
            ))
            .into());
        }
        let recorder = &self.shard.recorder;
        let (name, unit) = (tidy(recorder, &name), tidy(recorder, &unit));
        let (name, unit): (Arc<str>, Arc<str>) = (name.into(), unit.into());
        match self.metrics.iter().find(|(known, _)| *known == name) {
            Some((_, known)) if *known != kind => {
                return Err(HostTrap::Misuse(format!(
                    "the metric `{name}` is a {known:?} and cannot be a {kind:?} too; choose another name",
                ))
                .into());
            }
            Some(_) => {}
            None if self.metrics.len() >= self.plan.limits.metrics as usize => {
                // Its samples go to the series `other`, as the recorder decides and counts.
            }
            None => self.metrics.push((Arc::clone(&name), kind)),
        }
        let metric = HostMetric { name, kind, unit, plain: None, tagged: HashMap::new(), held: 0 };
        self.table.push(metric).map_err(|_| self.exceeded("handles", self.plan.limits.handles))
    }

    fn add(
        &mut self,
        this: Resource<HostMetric>,
        value: f64,
        tags: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.call()?;
        let metric = self.table.get_mut(&this)?;
        let known = if tags.is_empty() { metric.plain } else { metric.tagged.get(&tags).copied() };
        let recorder = &self.shard.recorder;
        let mut remembered = 0;
        let id = match known {
            Some(id) => id,
            None => {
                let id = recorder.series(&metric.key(recorder, &tags));
                if tags.is_empty() {
                    metric.plain = Some(id);
                } else if metric.tagged.len() < REMEMBERED {
                    let texts = tags.iter().map(|(key, value)| key.len() + value.len() + 64);
                    remembered = texts.sum::<usize>() as u64;
                    metric.held += remembered;
                    metric.tagged.insert(tags, id);
                }
                id
            }
        };
        recorder.custom(id, value);
        self.hold(remembered)
    }

    fn drop(&mut self, this: Resource<HostMetric>) -> wasmtime::Result<()> {
        let metric = self.table.delete(this)?;
        self.let_go(metric.held);
        Ok(())
    }
}

impl wit::Host for VuState {
    fn check(&mut self, name: String, ok: bool) -> wasmtime::Result<bool> {
        self.call()?;
        let recorder = &self.shard.recorder;
        recorder.check(&tidy(recorder, &name), self.groups.path(), ok);
        Ok(ok)
    }

    fn group_begin(&mut self, name: String) -> wasmtime::Result<()> {
        self.call()?;
        let name = tidy(&self.shard.recorder, &name);
        if self.groups.begin(&name) {
            Ok(())
        } else {
            Err(HostTrap::Misuse(format!(
                "the group `{name}` is nested too deeply; end groups with `group-end`"
            ))
            .into())
        }
    }

    fn group_end(&mut self) -> wasmtime::Result<()> {
        self.call()?;
        // One end too many is harmless.
        self.groups.end(&self.shard.recorder);
        Ok(())
    }
}
