//! Where settings come from and which of them holds.
//!
//! Five layers, weakest first: defaults, what the scenario proposes, the file
//! `loadhost.toml`, the environment (`LOADHOST_…`), flags. Each is a [`Layer`] of texts; [`Effective`]
//! is what they come to, with the origin of each value, so that errors and `loadhost config`
//! can name it.

mod environment;
mod file;
mod options;
mod reference;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

pub(crate) use self::environment::from_environment;
pub(crate) use self::file::{PHASE_KEYS, from_file};
pub(crate) use self::options::{Commands, OPTIONS, Opt, Shape, by_key, similar};
pub(crate) use self::reference::reference;
pub(crate) use self::typed::{as_duration, as_number, as_rate, as_switch, refuse, refuse_secret};

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Read if it is there and no other file is named.
pub(crate) const DEFAULT_FILE: &str = "loadhost.toml";

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Scenario,
    File {
        path: PathBuf,
        line: usize,
    },
    Environment(String),
    Flag(String),
    /// Of the API, or the form of the page.
    Request,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Scenario => f.write_str("the scenario's settings"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Request => f.write_str("the request"),
        }
    }
}

/// One value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Of options that are maps.
    pub(crate) name: Option<String>,
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Values of one phase of `[[phases]]`.
pub(crate) type PhaseItems = BTreeMap<String, Item>;

/// What one place says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) items: BTreeMap<&'static str, Vec<Item>>,
    pub(crate) phases: Vec<PhaseItems>,
}

/// Each of these is a load of its own; of the layers, the strongest that has one decides.
const LOADS: [&str; 5] = ["users", "stages", "rate", "rate-stages", "iterations"];

impl Layer {
    pub(crate) fn push(&mut self, option: &'static Opt, item: Item) {
        self.items.entry(option.key).or_default().push(item);
    }

    /// The same without the options that `keep` refuses.
    pub(crate) fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.items.retain(|key, _| keep(key));
        self
    }

    fn has(&self, key: &str) -> bool {
        self.items.contains_key(key)
    }

    /// Takes out what a stronger layer's kind of load makes meaningless: `--users` over a
    /// file's `rate` means users, not both.
    fn yield_load_to(&mut self, stronger: &Layer) {
        let users_and_iterations = ["users", "iterations"];
        let chosen: Vec<_> = LOADS.into_iter().filter(|key| stronger.has(key)).collect();
        if chosen.is_empty() && stronger.phases.is_empty() {
            return;
        }
        // Iterations are shared by users: one of the two completes the other.
        let keeps = |key: &str| {
            users_and_iterations.contains(&key)
                && !chosen.is_empty()
                && chosen.iter().all(|key| users_and_iterations.contains(key))
        };
        self.items.retain(|key, _| !LOADS.contains(key) || keeps(key));
        self.phases.clear();
    }
}

/// What holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effective {
    items: BTreeMap<&'static str, Vec<Item>>,
    pub(crate) phases: Vec<PhaseItems>,
}

impl Effective {
    /// Of layers, weakest first.
    pub(crate) fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut layers: Vec<_> = std::iter::once(defaults()).chain(layers).collect();
        for strong in 1..layers.len() {
            let (weaker, stronger) = layers.split_at_mut(strong);
            weaker.iter_mut().for_each(|layer| layer.yield_load_to(&stronger[0]));
        }
        let mut effective = Self::default();
        for layer in layers {
            effective.add(layer);
        }
        effective
    }

    fn add(&mut self, layer: Layer) {
        for (key, items) in layer.items {
            let held = self.items.entry(key).or_default();
            if by_key(key).is_some_and(|option| option.shape == Shape::Map) {
                // Names are added one by one.
                held.retain(|item| !items.iter().any(|new| same_name(&new.name, &item.name)));
                held.extend(items);
            } else {
                *held = items;
            }
        }
        if !layer.phases.is_empty() {
            self.phases = layer.phases;
        }
    }

    /// The same with one value in the place of those of an option.
    pub(crate) fn with(mut self, key: &'static str, text: String, origin: Origin) -> Self {
        self.items.insert(key, vec![Item { name: None, text, origin }]);
        self
    }

    /// The setting that the load comes from.
    pub(crate) fn load_key(&self) -> &'static str {
        if !self.phases.is_empty() {
            return "phases";
        }
        // With iterations, users are how many share them.
        let mut held = ["iterations", "stages", "rate", "rate-stages"].into_iter();
        held.find(|key| self.item(key).is_some()).unwrap_or("users")
    }

    /// All values of an option, in order.
    pub(crate) fn items(&self, key: &str) -> &[Item] {
        debug_assert!(by_key(key).is_some(), "no option `{key}`");
        self.items.get(key).map_or(&[], Vec::as_slice)
    }

    /// The value of an option that takes one.
    pub(crate) fn item(&self, key: &str) -> Option<&Item> {
        self.items(key).last()
    }
}

/// Environment variables have no lower case and no dashes.
fn same_name(a: &Option<String>, b: &Option<String>) -> bool {
    let folded = |name: &Option<String>| name.as_deref().map(fold);
    folded(a) == folded(b)
}

/// The form in which names are compared where case and dashes may be lost.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

fn defaults() -> Layer {
    let mut layer = Layer::default();
    for option in OPTIONS {
        if let Some(text) = option.default {
            let text = text.to_string();
            layer.push(option, Item { name: None, text, origin: Origin::Default });
        }
    }
    layer
}

/// What a scenario proposes, by the keys of the file.
pub(crate) fn from_scenario(settings: &[(String, String)]) -> Result<Layer, Failure> {
    let mut layer = Layer::default();
    for (key, text) in settings {
        let proposable = || OPTIONS.iter().filter(|option| option.proposable);
        let Some(option) = by_key(key).filter(|option| option.proposable) else {
            let failure = Failure::new(
                ExitCode::FaultyScenario,
                format!(
                    "the scenario proposes the setting `{key}`, which is none that a scenario may propose"
                ),
            );
            return Err(match similar(key, proposable().map(|option| option.key)) {
                Some(like) => failure.hint(format!("did you mean `{like}`?")),
                None => failure.hint(format!(
                    "it may propose {}",
                    proposable().map(|option| option.key).collect::<Vec<_>>().join(", ")
                )),
            });
        };
        for (name, text) in parts(option, text) {
            layer.push(option, Item { name, text, origin: Origin::Scenario });
        }
    }
    Ok(layer)
}

/// One text as the values it stands for.
fn parts(option: &Opt, text: &str) -> Vec<(Option<String>, String)> {
    match option.shape {
        Shape::Many(separator) => text
            .split(separator)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| (None, part.to_string()))
            .collect(),
        Shape::Map => text
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (Some(name.trim().to_string()), value.trim().to_string()))
            .collect(),
        Shape::One | Shape::Switch => vec![(None, text.trim().to_string())],
    }
}

/// `NAME=VALUE` of a flag, or `NAME:COUNT` of `--user-type`, `NAME:VALUE` of `--tag`.
pub(crate) fn pair(option: &Opt, text: &str) -> Result<(String, String), Failure> {
    let counted = || {
        let (name, value) = text.split_once(':')?;
        match option.key {
            "user-types" => Some((name, format!(":{value}"))),
            "worker.tags" => Some((name, value.to_string())),
            _ => None,
        }
    };
    text.split_once('=')
        .map(|(name, value)| (name, value.to_string()))
        .or_else(counted)
        .map(|(name, value)| (name.trim().to_string(), value))
        .ok_or_else(|| {
            Failure::new(ExitCode::Configuration, format!("`--{} {text}` has no `=`", option.flag))
                .hint(format!("write it as `--{} {}`", option.flag, option.value))
        })
}

#[cfg(test)]
pub(crate) mod tests;
