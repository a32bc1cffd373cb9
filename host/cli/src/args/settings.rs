//! The flags of a command, generated from the table of options.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Item, Layer, OPTIONS, Opt, Origin, Shape, pair};

/// The flags of a command, generated from the table of options.
#[derive(Debug)]
pub(crate) struct Settings<const COMMAND: u8> {
    /// What was typed.
    pub(crate) layer: Layer,
    /// Instead of `loadhost.toml`.
    pub(crate) file: Option<PathBuf>,
}

impl<const COMMAND: u8> Args for Settings<COMMAND> {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Settings [default: loadhost.toml, if it is there] [env: LOADHOST_CONFIG]")
            .help_heading("Program");
        let options = OPTIONS.iter().filter(|option| option.commands.has(COMMAND)).map(flag);
        command.args(options).arg(config)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(option: &'static Opt) -> Arg {
    let default = option.default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
    // `--params` for `--param`: the key of the file does as well.
    let plural = option.key.rsplit('.').next().filter(|key| *key != option.flag);
    let arg = Arg::new(option.key)
        .aliases(plural)
        .long(option.flag)
        .help_heading(option.group)
        .help(format!("{}{default}", option.help))
        .long_help(format!("{}{default} [env: {}]", option.help, environment_name(option)));
    match option.shape {
        Shape::Switch => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_name("true|false")
            .hide_possible_values(true),
        Shape::One => arg.action(ArgAction::Set).value_name(option.value).allow_hyphen_values(true),
        Shape::Many(_) | Shape::Map => {
            arg.action(ArgAction::Append).value_name(option.value).allow_hyphen_values(true)
        }
    }
}

fn environment_name(option: &Opt) -> String {
    match option.shape {
        Shape::Map => format!("{}_NAME", option.env()),
        _ => option.env(),
    }
}

impl<const COMMAND: u8> FromArgMatches for Settings<COMMAND> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut layer = Layer::default();
        for option in OPTIONS.iter().filter(|option| option.commands.has(COMMAND)) {
            for text in matches.get_many::<String>(option.key).into_iter().flatten() {
                layer.push(option, item(option, text)?);
            }
        }
        Ok(Self { layer, file: matches.get_one::<PathBuf>("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn item(option: &'static Opt, text: &str) -> Result<Item, clap::Error> {
    let origin = Origin::Flag(format!("--{}", option.flag));
    if option.shape != Shape::Map {
        return Ok(Item { name: None, text: text.to_string(), origin });
    }
    let (name, text) = pair(option, text)
        .map_err(|failure| clap::Error::raw(ErrorKind::ValueValidation, format!("{failure}\n")))?;
    Ok(Item { name: Some(name), text, origin })
}
