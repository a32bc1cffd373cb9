//! Lines of the log on their way to a collector, as log records of OpenTelemetry.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    LogBatch, LogExporter as _, LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider,
};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Sends lines of JSON. It lives on a thread of its own, where it may wait.
pub(super) struct LogExport {
    exporter: LogExporter,
    runtime: Runtime,
    logger: SdkLogger,
    made: Made,
    told: bool,
}

/// Records that the SDK has made; it lets nobody else make them.
#[derive(Debug, Clone, Default)]
struct Made(Arc<Mutex<Vec<(SdkLogRecord, InstrumentationScope)>>>);

impl LogProcessor for Made {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        let made = (record.clone(), scope.clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogExport {
    /// Its thread waits in it.
    pub(super) fn new(exporter: LogExporter) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let made = Made::default();
        let provider = SdkLoggerProvider::builder().with_log_processor(made.clone()).build();
        Ok(Self { exporter, runtime, logger: provider.logger("loadhost"), made, told: false })
    }

    /// Sends these lines, and waits until the collector has them. How many of them it did not take.
    pub(super) fn send(&mut self, lines: &[Vec<u8>]) -> u64 {
        for line in lines.iter().filter_map(|line| serde_json::from_slice(line).ok()) {
            self.make(line);
        }
        let made = std::mem::take(&mut *self.made.0.lock().unwrap_or_else(PoisonError::into_inner));
        if made.is_empty() {
            return 0;
        }
        let batch: Vec<_> = made.iter().map(|(record, scope)| (record, scope)).collect();
        let sent = self.runtime.block_on(self.exporter.export(LogBatch::new(&batch)));
        let Err(error) = sent else { return 0 };
        if !std::mem::replace(&mut self.told, true) {
            say!(
                "warning: the collector of `--otlp` does not take logs: {error}; they are lost until it does"
            );
        }
        batch.len() as u64
    }

    fn make(&self, line: Value) {
        let Value::Object(mut line) = line else { return };
        let text = |value: Option<Value>| match value {
            Some(Value::String(text)) => text,
            other => other.map(|value| value.to_string()).unwrap_or_default(),
        };
        let mut record = self.logger.create_log_record();
        let time = humantime::parse_rfc3339(&text(line.remove("time")));
        record.set_timestamp(time.unwrap_or_else(|_| SystemTime::now()));
        record.set_observed_timestamp(SystemTime::now());
        let (name, severity) = severity(&text(line.remove("level")));
        record.set_severity_text(name);
        record.set_severity_number(severity);
        record.set_body(AnyValue::String(text(line.remove("message")).into()));
        record.add_attribute("code.namespace", text(line.remove("target")));
        if let Some(Value::Object(fields)) = line.remove("fields") {
            for (key, value) in fields {
                record.add_attribute(key, any(value));
            }
        }
        // What is left: run, worker and user.
        for (key, value) in line {
            record.add_attribute(format!("loadhost.{key}"), any(value));
        }
        self.logger.emit(record);
    }
}

fn severity(level: &str) -> (&'static str, Severity) {
    match level {
        "ERROR" => ("ERROR", Severity::Error),
        "WARN" => ("WARN", Severity::Warn),
        "DEBUG" => ("DEBUG", Severity::Debug),
        "TRACE" => ("TRACE", Severity::Trace),
        _ => ("INFO", Severity::Info),
    }
}

fn any(value: Value) -> AnyValue {
    match value {
        Value::Bool(value) => AnyValue::Boolean(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => AnyValue::Int(whole),
            (None, Some(value)) => AnyValue::Double(value),
            (None, None) => AnyValue::String(number.to_string().into()),
        },
        Value::String(text) => AnyValue::String(text.into()),
        other => AnyValue::String(other.to_string().into()),
    }
}
