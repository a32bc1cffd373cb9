//! The layer of the file: TOML, with the line of each value.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Item, Layer, OPTIONS, Opt, Origin, PhaseItems, Shape, by_key, similar};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Keys of a table in `[[phases]]`.
pub(crate) const PHASE_KEYS: [&str; 15] = [
    "name",
    "start",
    "user-types",
    "users",
    "spawn-rate",
    "stages",
    "rate",
    "rate-stages",
    "poisson",
    "max-users",
    "preallocate",
    "max-lag",
    "iterations",
    "per-user",
    "run-time",
];

/// What the file says; unknown keys are refused with their line and a similar one.
pub(crate) fn from_file(path: &Path, text: &str) -> Result<Layer, Failure> {
    let reader = Reader { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| reader.line(span.start));
        Failure::new(ExitCode::Configuration, format!("{}:{line} is no TOML", path.display()))
            .because(&std::io::Error::other(error.message().to_string()))
            .hint("see https://toml.io for how to write it")
    })?;
    let mut layer = Layer::default();
    reader.table(document.get_ref(), "", &mut layer)?;
    Ok(layer)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

type Table<'i> = DeTable<'i>;
type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn table(&self, table: &Table<'_>, prefix: &str, layer: &mut Layer) -> Result<(), Failure> {
        for (key, value) in table {
            let line = self.line(key.span().start);
            let full = format!("{prefix}{}", key.get_ref());
            if full == "phases" {
                layer.phases = self.phases(value)?;
                continue;
            }
            match (by_key(&full), value.get_ref()) {
                (Some(option), _) => self.option(option, value, layer)?,
                (None, DeValue::Table(inner)) if is_prefix(&full) => {
                    self.table(inner, &format!("{full}."), layer)?
                }
                (None, _) => return Err(self.unknown(&full, line)),
            }
        }
        Ok(())
    }

    fn option(
        &self,
        option: &'static Opt,
        value: &Value<'_>,
        layer: &mut Layer,
    ) -> Result<(), Failure> {
        let origin = self.origin(value);
        match (option.shape, value.get_ref()) {
            (Shape::Map, DeValue::Table(entries)) => {
                for (name, value) in entries {
                    let (name, text) =
                        (Some(name.get_ref().to_string()), self.text(option.key, value)?);
                    layer.push(option, Item { name, text, origin: self.origin(value) });
                }
            }
            (Shape::Map, _) => {
                return Err(self.wrong(option.key, value, "a table of names and values"));
            }
            (Shape::Many(_), DeValue::Array(elements)) => {
                for element in elements.iter() {
                    let text = self.text(option.key, element)?;
                    layer.push(option, Item { name: None, text, origin: self.origin(element) });
                }
            }
            (Shape::Many(_), DeValue::String(_)) => {
                let text = self.text(option.key, value)?;
                layer.push(option, Item { name: None, text, origin });
            }
            (Shape::Many(_), _) => return Err(self.wrong(option.key, value, "a list of texts")),
            (Shape::One | Shape::Switch, _) => {
                let text = self.text(option.key, value)?;
                layer.push(option, Item { name: None, text, origin });
            }
        }
        Ok(())
    }

    fn phases(&self, value: &Value<'_>) -> Result<Vec<PhaseItems>, Failure> {
        let DeValue::Array(tables) = value.get_ref() else {
            return Err(self.wrong("phases", value, "written as `[[phases]]` tables"));
        };
        tables.iter().map(|table| self.phase(table)).collect()
    }

    fn phase(&self, value: &Value<'_>) -> Result<PhaseItems, Failure> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong("phases", value, "written as `[[phases]]` tables"));
        };
        let mut items = PhaseItems::new();
        for (key, value) in table {
            let name = key.get_ref().replace('_', "-");
            if !PHASE_KEYS.contains(&name.as_str()) {
                return Err(self.refused(
                    key.get_ref(),
                    self.line(key.span().start),
                    similar(&name, PHASE_KEYS),
                ));
            }
            let text = match value.get_ref() {
                DeValue::Array(elements) => elements
                    .iter()
                    .map(|element| self.text(&name, element))
                    .collect::<Result<Vec<_>, _>>()?
                    .join(","),
                _ => self.text(&name, value)?,
            };
            items.insert(name, Item { name: None, text, origin: self.origin(value) });
        }
        Ok(items)
    }

    /// A scalar as it would be written in a flag.
    fn text(&self, key: &str, value: &Value<'_>) -> Result<String, Failure> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.as_str().replace('_', "")),
            DeValue::Float(number) => Ok(number.as_str().replace('_', "")),
            DeValue::Boolean(value) => Ok(value.to_string()),
            _ => Err(self.wrong(key, value, "a single value")),
        }
    }

    fn origin(&self, value: &Value<'_>) -> Origin {
        Origin::File { path: self.path.to_path_buf(), line: self.line(value.span().start) }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
    }

    fn wrong(&self, key: &str, value: &Value<'_>, wanted: &str) -> Failure {
        let line = self.line(value.span().start);
        Failure::new(
            ExitCode::Configuration,
            format!("`{key}` in {}:{line} must be {wanted}", self.path.display()),
        )
        .hint("`loadhost config` shows all keys with their values")
    }

    fn unknown(&self, key: &str, line: usize) -> Failure {
        let names = OPTIONS.iter().map(|option| option.key).chain(["phases"]);
        self.refused(key, line, similar(key, names))
    }

    fn refused(&self, key: &str, line: usize, like: Option<&str>) -> Failure {
        let question = like.map(|like| format!(", did you mean `{like}`?")).unwrap_or_default();
        Failure::new(
            ExitCode::Configuration,
            format!("unknown key `{key}` in {}:{line}{question}", self.path.display()),
        )
        .hint("`loadhost config` shows all keys with their values")
    }
}

/// `worker` of `worker.id`.
fn is_prefix(key: &str) -> bool {
    OPTIONS
        .iter()
        .any(|option| option.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}
