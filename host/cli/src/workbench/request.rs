//! The layer of a request: keys and values of `loadhost.toml` as JSON, with all that is wrong.

use std::collections::BTreeMap;

use loadhost_model::data::{DataSet, LostRows, RowOrder};
use loadhost_model::id::Digest;
use loadhost_model::text::{Target, parse_stages};
use loadhost_web::workbench::{Fault, SettingKind, Wanted};
use serde_json::{Map, Value};

use super::{fault, table};
use crate::config::{
    Item, Layer, Opt, Origin, PHASE_KEYS, PhaseItems, Shape, as_duration, as_number, as_rate,
    as_switch, by_key, refuse, similar,
};
use crate::failure::Failure;

/// What was understood, and what was not.
#[derive(Default)]
pub(super) struct Read {
    pub(super) layer: Layer,
    pub(super) data: BTreeMap<String, DataSet>,
    pub(super) faults: Vec<Fault>,
}

/// Reads all that is asked for. What is at fault is left out of the layer.
pub(super) fn read(wanted: &Wanted<'_>) -> Read {
    let mut read = Read::default();
    for (key, value) in wanted.settings {
        if value.is_null() {
            continue; // As if it had not been given.
        }
        let spelt = key.replace('_', "-");
        match (spelt.as_str(), by_key(&spelt)) {
            ("phases", _) => read.phases(value),
            ("data", Some(option)) => read.data(option, value, wanted),
            (spelt, Some(option)) if table::requestable(spelt) => read.option(option, value),
            (_, Some(_)) => read.faults.push(forbidden(key)),
            (spelt, None) => read.faults.push(unknown(key, spelt)),
        }
    }
    read
}

impl Read {
    fn option(&mut self, option: &'static Opt, value: &Value) {
        let items = match (option.shape, value) {
            (Shape::Map, Value::Object(entries)) => entries
                .iter()
                .filter(|(_, value)| !value.is_null())
                .filter_map(|(name, value)| self.item(option.key, Some(name), value))
                .collect(),
            (Shape::Map, _) => return self.wrong(option.key, "an object of names and values"),
            (Shape::Many(_), Value::Array(elements)) => elements
                .iter()
                .filter_map(|element| self.item(option.key, None, element))
                .collect::<Vec<_>>(),
            _ => self.item(option.key, None, value).into_iter().collect(),
        };
        for item in items {
            match checked(option, &item) {
                Ok(()) => self.layer.push(option, item),
                Err(failure) => self.faults.push(fault(&failure)),
            }
        }
    }

    /// A scalar as it would be typed.
    fn item(&mut self, key: &str, name: Option<&String>, value: &Value) -> Option<Item> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(switch) => switch.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let of = name.map(|name| format!("{key}.{name}"));
                self.wrong(of.as_deref().unwrap_or(key), "a text, a number or true or false");
                return None;
            }
        };
        Some(Item { name: name.cloned(), text, origin: Origin::Request })
    }

    fn wrong(&mut self, key: &str, wanted: &str) {
        self.faults.push(Fault {
            key: Some(key.to_string()),
            code: "setting".to_string(),
            message: format!("`{key}` in the request must be {wanted}"),
            hint: "GET /api/v1/settings lists all settings with the kind of their values"
                .to_string(),
        });
    }

    fn phases(&mut self, value: &Value) {
        let Value::Array(tables) = value else { return self.wrong("phases", "a list of objects") };
        for (index, table) in tables.iter().enumerate() {
            let place = format!("phases.{}", index + 1);
            match table {
                Value::Object(entries) => {
                    let items = self.phase(&place, entries);
                    self.layer.phases.push(items);
                }
                _ => self.wrong(&place, "an object, such as {\"users\": 10, \"run-time\": \"1m\"}"),
            }
        }
    }

    fn phase(&mut self, place: &str, entries: &Map<String, Value>) -> PhaseItems {
        let mut items = PhaseItems::new();
        for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            let (spelt, place) = (key.replace('_', "-"), format!("{place}.{key}"));
            if !PHASE_KEYS.contains(&spelt.as_str()) {
                let like = similar(&spelt, PHASE_KEYS);
                self.faults.push(no_key(&place, key, like, &PHASE_KEYS.join(", ")));
                continue;
            }
            let elements = match value {
                Value::Array(elements) => elements.as_slice(),
                one => std::slice::from_ref(one),
            };
            let texts: Option<Vec<_>> = elements
                .iter()
                .map(|element| self.item(&place, None, element).map(|item| item.text))
                .collect();
            let Some(texts) = texts else { continue };
            let item = Item { name: None, text: texts.join(","), origin: Origin::Request };
            let sound = by_key(&spelt).map_or(Ok(()), |option| checked(option, &item));
            match sound {
                Ok(()) => drop(items.insert(spelt, item)),
                Err(failure) => self.faults.push(Fault { key: Some(place), ..fault(&failure) }),
            }
        }
        items
    }

    fn data(&mut self, option: &'static Opt, value: &Value, wanted: &Wanted<'_>) {
        let Value::Object(sets) = value else {
            return self.wrong("data", "an object, such as {\"users\": {\"file\": DIGEST}}");
        };
        for (name, value) in sets.iter().filter(|(_, value)| !value.is_null()) {
            match data_set(name, value, wanted) {
                Ok((set, text)) => {
                    let item = Item { name: Some(name.clone()), text, origin: Origin::Request };
                    self.layer.push(option, item);
                    self.data.insert(name.clone(), set);
                }
                Err(message) => self.faults.push(Fault {
                    key: Some(format!("data.{name}")),
                    code: "data".to_string(),
                    message,
                    hint: "upload the file with POST /api/v1/data-sets, and give the digest that it answers as `file`"
                        .to_string(),
                }),
            }
        }
    }
}

/// The set, and how `--data` would say it.
fn data_set(name: &str, value: &Value, wanted: &Wanted<'_>) -> Result<(DataSet, String), String> {
    let empty = Map::new();
    let (digest, words) = match value {
        Value::String(digest) => (Some(digest), &empty),
        Value::Object(words) => match words.get("file") {
            Some(Value::String(digest)) => (Some(digest), words),
            _ => (None, words),
        },
        _ => (None, &empty),
    };
    let digest = digest.ok_or_else(|| format!("data set `{name}` names no `file`"))?;
    let digest: Digest = digest.parse().map_err(|_| {
        format!("the file of data set `{name}` is no digest: 64 hexadecimal digits")
    })?;
    let file = wanted
        .files
        .get(&digest)
        .ok_or_else(|| format!("the file {} of data set `{name}` is not here", digest.short()))?;
    let word = |key: &str| words.get(key).filter(|word| !word.is_null());
    let text_of = |key: &str| {
        word(key).map(|word| {
            word.as_str().ok_or_else(|| format!("`{key}` of data set `{name}` must be a text"))
        })
    };
    if let Some(other) = words.keys().find(|key| !["file", "order", "lost"].contains(&key.as_str()))
    {
        return Err(format!("data set `{name}` has no `{other}`: it has file, order and lost"));
    }
    let order = text_of("order").transpose()?.map(str::parse::<RowOrder>).transpose();
    let lost = text_of("lost").transpose()?.map(str::parse::<LostRows>).transpose();
    let order = order.map_err(|error| error.to_string())?;
    let lost = lost.map_err(|error| error.to_string())?;
    let mut text = file.name.clone();
    for (key, word) in
        [("order", order.map(|o| o.to_string())), ("lost", lost.map(|l| l.to_string()))]
    {
        text.extend(word.map(|word| format!(",{key}={word}")));
    }
    let set = DataSet {
        digest,
        format: file.format,
        rows: file.rows,
        order: order.unwrap_or_default(),
        lost: lost.unwrap_or_default(),
    };
    Ok((set, text))
}

/// Whether a value is of its option's kind, so that each fault is found, not the first alone.
fn checked(option: &Opt, item: &Item) -> Result<(), Failure> {
    let target = if option.key == "rate-stages" { Target::Rate } else { Target::Users };
    match table::kind(option) {
        SettingKind::Integer => as_number::<u64>(option.key, item).map(drop),
        SettingKind::Number => as_number::<f64>(option.key, item).map(drop),
        SettingKind::Duration => as_duration(option.key, item).map(drop),
        SettingKind::Rate => as_rate(option.key, item).map(drop),
        SettingKind::Switch => as_switch(option.key, item).map(drop),
        SettingKind::Stages => parse_stages(&item.text, target)
            .map(drop)
            .map_err(|error| refuse(option.key, item, &error.to_string())),
        SettingKind::Text
        | SettingKind::Choice
        | SettingKind::List
        | SettingKind::Map
        | SettingKind::Tables => Ok(()),
    }
}

fn forbidden(key: &str) -> Fault {
    Fault {
        key: Some(key.to_string()),
        code: "closed-setting".to_string(),
        message: format!("`{key}` cannot be set by a request"),
        hint: "set it where the master or the worker is started; GET /api/v1/settings lists what a request may set"
            .to_string(),
    }
}

fn unknown(key: &str, spelt: &str) -> Fault {
    let names = crate::config::OPTIONS.iter().map(|option| option.key);
    let like = similar(spelt, names.filter(|key| table::requestable(key)).chain(["phases"]));
    no_key(key, key, like, "those that GET /api/v1/settings lists")
}

fn no_key(place: &str, key: &str, like: Option<&str>, known: &str) -> Fault {
    Fault {
        key: Some(place.to_string()),
        code: "unknown-setting".to_string(),
        message: format!("there is no setting `{key}`"),
        hint: match like {
            Some(like) => format!("did you mean `{like}`?"),
            None => format!("there are {known}"),
        },
    }
}
