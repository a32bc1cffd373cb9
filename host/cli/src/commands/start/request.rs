//! What was typed, in the form of a request: keys and values of the settings as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::push::{name_of, read_rows};
use crate::client::Client;
use crate::config::{Effective, Item, OPTIONS, Origin, Shape};
use crate::failure::Failure;
use crate::plan::split_data;
use crate::workbench::requestable;

/// All that flags, environment and file say of a run; files of rows are handed over.
pub(super) async fn settings(client: &Client, settings: &Effective) -> Result<Value, Failure> {
    let mut wanted = plain(settings);
    let mut sets = Map::new();
    for item in settings.items("data") {
        let name = item.name.clone().unwrap_or_default();
        sets.insert(name, data_set(client, item).await?);
    }
    if !sets.is_empty() {
        wanted.insert("data".to_string(), Value::Object(sets));
    }
    Ok(Value::Object(wanted))
}

/// All but data sets. Defaults are the master's to know.
fn plain(settings: &Effective) -> Map<String, Value> {
    let mut wanted = Map::new();
    let options = OPTIONS.iter().filter(|option| requestable(option.key) && option.key != "data");
    for option in options {
        let given: Vec<&Item> = settings
            .items(option.key)
            .iter()
            .filter(|item| item.origin != Origin::Default)
            .collect();
        let Some(last) = given.last() else { continue };
        let value = match option.shape {
            Shape::One | Shape::Switch => json!(last.text),
            Shape::Many(_) => given.iter().map(|item| json!(item.text)).collect(),
            Shape::Map => given
                .iter()
                .map(|item| (item.name.clone().unwrap_or_default(), json!(item.text)))
                .collect::<Map<_, _>>()
                .into(),
        };
        wanted.insert(option.key.to_string(), value);
    }
    if !settings.phases.is_empty() {
        let table = |phase: &BTreeMap<String, Item>| -> Value {
            let pairs = phase.iter().map(|(key, item)| (key.clone(), json!(item.text)));
            pairs.collect::<Map<_, _>>().into()
        };
        wanted.insert("phases".to_string(), settings.phases.iter().map(table).collect());
    }
    wanted
}

async fn data_set(client: &Client, item: &Item) -> Result<Value, Failure> {
    let (path, words) = split_data(item)?;
    let format = words.get("format").copied();
    let info = client.push_data(&name_of(&path), format, read_rows(Path::new(&path))?).await?;
    let mut set = Map::from_iter([("file".to_string(), json!(info.digest))]);
    // How it is read, the master knows by now.
    let words = words.iter().filter(|(key, _)| **key != "format");
    set.extend(words.map(|(key, word)| (key.to_string(), json!(word))));
    Ok(Value::Object(set))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::from_file;

    #[test]
    fn what_was_typed_is_what_is_asked_for_and_defaults_are_not() {
        let file = "users = 3\njson = 'x.json'\ntags = ['a', 'b']\ninsecure = true\n\
                    [params]\nname = 'anna'\n[[phases]]\nusers = 2\n";
        let settings = Effective::of([from_file("loadhost.toml".as_ref(), file).unwrap()]);
        let wanted = Value::Object(plain(&settings));
        assert_eq!(
            wanted,
            json!({
                "users": "3", "tags": ["a", "b"], "insecure": "true", "params": {"name": "anna"},
                "phases": [{"users": "2"}],
            })
        );
    }
}
