//! What is set of logs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tracing_subscriber::filter::LevelFilter;

use super::file::{LogFile, Rotation};
use crate::commands::worker::part;
use crate::config::{Commands, Effective, by_key, refuse};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::plan::limits::parse_size;

/// Of a file that is rotated, at least, in bytes; and of its backups, at most.
const LEAST_SIZE: u64 = 1_000;
const MOST_BACKUPS: u32 = 1_000;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

impl Format {
    /// None: there is no such setting, as in some tests.
    pub(super) fn of(settings: &Effective) -> Result<Option<Self>, Failure> {
        let Some(item) = settings.item("log-format") else { return Ok(None) };
        match item.text.as_str() {
            "json" => Ok(Some(Self::Json)),
            "text" => Ok(Some(Self::Text)),
            _ => Err(refuse("log-format", item, "it is `text` or `json`")),
        }
    }
}

/// A level, or a filter such as `info,guest=off`.
pub(super) fn level(settings: &Effective) -> Result<String, Failure> {
    let Some(text) = settings.text("log-level") else { return Ok("warn".to_string()) };
    // A word alone would be the name of a part of the program: with a slip of the pen, nothing would be logged.
    let is_name = |word: &&str| !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err();
    match text.split(',').map(str::trim).find(is_name) {
        Some(word) => Err(refuse_level(settings, &format!("`{word}` is no level"))),
        None => Ok(text),
    }
}

/// The level is no filter.
pub(super) fn refuse_level(settings: &Effective, error: &dyn std::fmt::Display) -> Failure {
    let words = format!(
        "{error}; give error, warn, info, debug, trace or off, or a filter such as `info,loadhost_engine=debug`"
    );
    match settings.item("log-level") {
        Some(item) => refuse("log-level", item, &words),
        None => Failure::new(ExitCode::Configuration, words),
    }
}

/// A file that lines are written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    key: &'static str,
    rotation: Rotation,
}

impl Place {
    /// The file of the option `key`. None: there is none, or this command has none: what only asks a master must
    /// not write to the file of one.
    pub(super) fn of(
        settings: &Effective,
        key: &'static str,
        command: u8,
    ) -> Result<Option<Self>, Failure> {
        let is_one = [Commands::RUN, Commands::MASTER, Commands::WORKER].contains(&command);
        if !is_one || !by_key(key).is_some_and(|option| option.commands.has(command)) {
            return Ok(None);
        }
        let Some(path) = settings.path(key) else { return Ok(None) };
        let path = part().map_or(path.clone(), |part| of_part(&path, part));
        Ok(Some(Self { path, key, rotation: rotation(settings)? }))
    }

    /// Opens it.
    pub(super) fn open(&self) -> Result<LogFile, Failure> {
        LogFile::open(&self.path, self.rotation).map_err(|error| {
            let path = self.path.display();
            let message = format!("the file of `{}`, `{path}`, cannot be written", self.key);
            Failure::new(ExitCode::Configuration, message)
                .because(&error)
                .hint("give a file in a folder that is there and that this user may write to")
                .of(self.key)
        })
    }
}

/// How many of the iterations are traced, from 0 to 1.
pub(super) fn trace_sample(settings: &Effective) -> Result<f64, Failure> {
    let key = "trace-sample";
    let Some(item) = settings.item(key) else { return Ok(0.0) };
    let share = item.text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| refuse(key, item, "it is a share from 0 to 1, such as `0.01`"))
}

fn rotation(settings: &Effective) -> Result<Rotation, Failure> {
    let size = settings.item("log-max-size");
    let bytes = size.map(|item| {
        let bytes = parse_size(&item.text).filter(|bytes| *bytes >= LEAST_SIZE);
        let words = format!("it is a size of {LEAST_SIZE} bytes at least, such as `100MB`");
        bytes.ok_or_else(|| refuse("log-max-size", item, &words))
    });
    let backups = settings.number::<u32>("log-backups")?.unwrap_or_default();
    if let Some(item) = settings.item("log-backups").filter(|_| backups > MOST_BACKUPS) {
        return Err(refuse("log-backups", item, &format!("it is {MOST_BACKUPS} at most")));
    }
    Ok(Rotation { max_bytes: bytes.transpose()?.unwrap_or(u64::MAX), backups })
}

/// Each of several worker processes has a file of its own: `worker.log` becomes `worker-1.log`.
fn of_part(path: &Path, part: u32) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(format!("-{part}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::tests::flags;

    fn settings(items: &[(&str, &str)]) -> Effective {
        Effective::of([flags(items)])
    }

    #[test]
    fn a_file_is_rotated_as_the_settings_say() {
        let place = |items: &[(&str, &str)], command| {
            Place::of(&settings(items), "log-file", command).map_err(|error| error.to_string())
        };
        let found = place(&[("log-file", "a.log")], Commands::WORKER).unwrap().unwrap();
        assert_eq!(found.rotation, Rotation { max_bytes: 100_000_000, backups: 5 });
        let items = [("log-file", "a.log"), ("log-max-size", "1MiB"), ("log-backups", "0")];
        let found = place(&items, Commands::RUN).unwrap().unwrap();
        assert_eq!(found.rotation, Rotation { max_bytes: 1 << 20, backups: 0 });
        assert_eq!(place(&[], Commands::RUN), Ok(None));
        assert_eq!(place(&items, Commands::CLIENT), Ok(None));
        assert_eq!(place(&items, Commands::RUN | Commands::MASTER), Ok(None));
        let wrong = [("log-file", "a.log"), ("log-max-size", "many")];
        assert!(place(&wrong, Commands::RUN).unwrap_err().contains("such as `100MB`"));
        let wrong = [("log-file", "a.log"), ("log-backups", "1001")];
        assert!(place(&wrong, Commands::RUN).unwrap_err().contains("1000 at most"));
    }

    #[test]
    fn a_level_that_is_none_is_told_instead_of_silencing_everything() {
        for good in
            ["info", "WARN", "off", "3", "info,loadhost_engine=debug,guest=off", "[run]=debug"]
        {
            let level = level(&settings(&[("log-level", good)]));
            assert_eq!(level.as_deref(), Ok(good));
        }
        assert_eq!(level(&settings(&[])).as_deref(), Ok("warn"));
        for bad in ["loud", "warning", "info,loadhost_engine"] {
            let told = level(&settings(&[("log-level", bad)])).unwrap_err().to_string();
            assert!(told.contains("is no level; give error, warn, info"), "{bad}: {told}");
        }
    }

    #[test]
    fn each_of_several_processes_has_a_file_of_its_own() {
        let check = |given: &str, expected: &str| {
            assert_eq!(of_part(Path::new(given), 2), Path::new(expected));
        };
        check("/var/log/worker.log", "/var/log/worker-2.log");
        check("worker", "worker-2");
        check("/var/log.d/.hidden", "/var/log.d/.hidden-2");
    }
}
