//! The layer of the environment: `LOADHOST_USERS=5`, `LOADHOST_PARAMS_PASSWORD=…`.

use super::{Item, Layer, OPTIONS, Origin, Shape, parts, similar};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

const PREFIX: &str = "LOADHOST_";
/// Read elsewhere, or set by the project's own scripts.
const OTHERS: [&str; 5] = [
    "LOADHOST_CONFIG",
    "LOADHOST_BIN",
    "LOADHOST_GUESTS",
    "LOADHOST_UPDATE_DOCS",
    "LOADHOST_DATA_DIR",
];

/// A variable that is no option, but looks like one, is refused. Others are left alone, since Kubernetes
/// sets `LOADHOST_SERVICE_HOST` and more for a service of that name.
pub(crate) fn from_environment(
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Layer, Failure> {
    let mut layer = Layer::default();
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else { continue };
        let origin = Origin::Environment(variable.clone());
        if let Some(option) =
            OPTIONS.iter().find(|option| option.shape != Shape::Map && option.env() == variable)
        {
            for (name, text) in parts(option, &text) {
                layer.push(option, Item { name, text, origin: origin.clone() });
            }
        } else if let Some((option, name)) = map_entry(&variable) {
            layer.push(option, Item { name: Some(name), text, origin });
        } else if !OTHERS.contains(&variable.as_str()) && !is_of_kubernetes(rest) {
            refuse_if_like_an_option(&variable)?;
        }
    }
    Ok(layer)
}

fn map_entry(variable: &str) -> Option<(&'static super::Opt, String)> {
    OPTIONS.iter().filter(|option| option.shape == Shape::Map).find_map(|option| {
        let name = variable.strip_prefix(&option.env())?.strip_prefix('_')?;
        (!name.is_empty()).then(|| (option, name.to_ascii_lowercase()))
    })
}

fn is_of_kubernetes(rest: &str) -> bool {
    rest.contains("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest.ends_with("PORT")
        || rest.contains("PORT_")
}

fn refuse_if_like_an_option(variable: &str) -> Result<(), Failure> {
    let names: Vec<_> = OPTIONS.iter().map(super::Opt::env).collect();
    // The common prefix would make everything look alike.
    let of = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_string();
    let bare: Vec<_> = names.iter().map(|name| of(name)).collect();
    match similar(&of(variable), bare.iter().map(String::as_str)) {
        Some(like) => Err(Failure::new(
            ExitCode::Configuration,
            format!("unknown environment variable `{variable}`, did you mean `{PREFIX}{like}`?"),
        )),
        None => Ok(()),
    }
}
