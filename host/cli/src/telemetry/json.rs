//! Events as lines of JSON: `deploy/logging/log-line.schema.json` says what stands in them.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::SystemTime;

use loadhost_model::id::WorkerId;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::outlet::Outlet;

/// Who this process is, if it is a worker.
static WORKER: OnceLock<String> = OnceLock::new();

/// From here on, lines that name no worker are this one's.
pub(crate) fn worker(id: &WorkerId) {
    // It has one name for good.
    let _ = WORKER.set(id.to_string());
}

/// Writes each event as a line.
pub(crate) struct JsonLines(pub(crate) Outlet);

/// One line. What is unknown is left out.
#[derive(Debug, Clone, Default, Serialize)]
struct Line {
    time: String,
    level: String,
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vu: Option<u64>,
    message: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        match field.name() {
            "message" => self.message = text(value),
            "run" => self.run = Some(text(value)),
            "worker" => self.worker = Some(text(value)),
            "vu" if value.is_u64() => self.vu = value.as_u64(),
            name => drop(self.fields.insert(name.to_string(), value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string().into());
    }
}

/// What a span says of all lines within it.
#[derive(Debug, Default)]
struct OfSpan(Line);

impl<S> Layer<S> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        // There may be two of these layers.
        if extensions.get_mut::<OfSpan>().is_none() {
            let mut of_span = OfSpan::default();
            attributes.record(&mut of_span.0);
            extensions.insert(of_span);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(of_span) = span.extensions_mut().get_mut::<OfSpan>()
        {
            values.record(&mut of_span.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Line { worker: WORKER.get().cloned(), ..Line::default() };
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(OfSpan(of_span)) = span.extensions().get::<OfSpan>() {
                let Line { run, worker, vu, fields, .. } = of_span.clone();
                (line.run, line.worker) = (run.or(line.run), worker.or(line.worker));
                line.vu = vu.or(line.vu);
                line.fields.extend(fields);
            }
        }
        event.record(&mut line);
        line.time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        line.level = event.metadata().level().to_string();
        line.target = event.metadata().target().to_string();
        // Strings and numbers can always be written.
        if let Ok(mut text) = serde_json::to_vec(&line) {
            text.push(b'\n');
            self.0.put(text);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn what_a_span_says_stands_in_its_lines_and_the_event_has_the_last_word() {
        let (seen, lines) = channel();
        let outlet = Outlet::new("test", move |lines: &[Vec<u8>]| {
            lines.iter().for_each(|line| drop(seen.send(line.clone())));
            0
        })
        .unwrap();
        let two = [JsonLines(outlet.clone()), JsonLines(outlet.clone())];
        let [first, second] = two;
        let subscriber = tracing_subscriber::registry().with(first).with(second);
        tracing::subscriber::with_default(subscriber, || {
            let _run =
                tracing::error_span!("run", run = %"r1", worker = "w1", shard = 2u32).entered();
            tracing::warn!(worker = "w2", vu = 7u64, error = %"no\nroom", took = ?Duration::ZERO, "half {}", 1);
        });
        outlet.flush(Duration::from_secs(20));
        let line: Value = serde_json::from_slice(&lines.recv().unwrap()).unwrap();
        assert_eq!(line["run"], "r1");
        assert_eq!((&line["worker"], &line["vu"]), (&"w2".into(), &7.into()));
        assert_eq!(line["message"], "half 1");
        let fields = serde_json::json!({ "shard": 2, "error": "no\nroom", "took": "0ns" });
        assert_eq!(line["fields"], fields);
        assert_eq!(line["level"], "WARN");
        let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        let order = ["time", "level", "target", "run", "worker", "vu", "message", "fields"];
        assert_eq!(keys, order);
    }
}
