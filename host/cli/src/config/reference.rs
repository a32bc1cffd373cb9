//! All settings as a page: `loadhost help settings`, and `docs/settings.md`.

use std::fmt::Write;

use super::file::PHASE_KEYS;
use super::{OPTIONS, Opt, Shape};

/// As Markdown, in the groups of help texts.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Settings\n\nThe same as `loadhost help settings`. Flags are stronger than the environment, which is stronger than \
         `loadhost.toml`,\nwhich is stronger than what the scenario proposes (only settings with a ¹), which is stronger than the \
         defaults.\n`loadhost config` shows what holds and why. Unknown keys are refused.\n\nDurations: `500ms`, `10s`, `1m30s`. \
         Rates: `100/s`, `6000/m`. Lists: several flags, a TOML list,\nor one environment variable. Maps: `--param NAME=VALUE`, \
         `[params]` in the file, `LOADHOST_PARAMS_NAME`.\n",
    );
    let mut group = "";
    for option in OPTIONS {
        if option.group != group {
            group = option.group;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n## {group}\n| key in the file | flag | environment | default | what |\n|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(text, "{}", row(option));
    }
    let _ = write!(
        text,
        "\n## Runs that are asked for\nThe page, `loadhost start` and `POST /api/v1/runs` ask a master for runs by the keys above; `GET /api/v1/settings` lists \
         those\nthat they may use: none that names a file, an address or the broker of the master. What the master itself was given (flags, environment,\n\
         file) holds for runs that say nothing else, except secrets, parameters and data sets, which are given by who asks for the run.\n\
         \n## Several loads at once\n`[[phases]]` tables in the file, each a load of its own with the keys {}.\n",
        PHASE_KEYS.map(|key| format!("`{key}`")).join(", ")
    );
    text
}

fn row(option: &Opt) -> String {
    let proposable = if option.proposable { "¹" } else { "" };
    let env = match option.shape {
        Shape::Map => format!("{}_NAME", option.env()),
        Shape::Many(separator) => {
            format!("{}` (parted by `{}", option.env(), separator.escape_default())
        }
        Shape::One | Shape::Switch => option.env(),
    };
    let env = if matches!(option.shape, Shape::Many(_)) {
        format!("`{env}`)")
    } else {
        format!("`{env}`")
    };
    let value = if option.value.is_empty() { String::new() } else { format!(" {}", option.value) };
    let default = option.default.map(|default| format!("`{default}`")).unwrap_or_default();
    let cells = [
        format!("`{}`{proposable}", option.key),
        format!("`--{}{value}`", option.flag),
        env,
        default,
        option.help.to_string(),
    ];
    // A bar would end the cell.
    format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::reference;

    /// `LOADHOST_UPDATE_DOCS=1` writes the page anew.
    #[test]
    fn the_page_of_settings_is_this_table() {
        let page = "../../docs/settings.md";
        if std::env::var_os("LOADHOST_UPDATE_DOCS").is_some() {
            std::fs::write(page, reference()).unwrap();
        }
        let found = std::fs::read_to_string(page).unwrap_or_default();
        assert_eq!(found, reference(), "run this test with LOADHOST_UPDATE_DOCS=1");
    }
}
