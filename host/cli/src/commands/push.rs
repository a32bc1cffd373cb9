//! `loadhost push`: scenarios and files of rows go to a master, for runs that are started later.

use std::fmt::Write as _;
use std::path::Path;

use loadhost_model::data::MAX_DATA_BYTES;
use loadhost_web::api::dto::{DataSetInfo, ScenarioInfo};

use super::{Layers, runtime};
use crate::args::PushArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::format::grouped;
use crate::output::print;
use crate::plan::format_of;
use crate::scenario_file;

/// One after the other; what was handed over before one that is refused stays there.
pub(crate) fn push(args: PushArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let files: Vec<_> = args.files.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    runtime(Some(1))?.block_on(async {
        let client = Client::new(&settings)?;
        for file in files {
            print(&match file {
                File::Scenario(name, bytes) => {
                    scenario_words(&client.push_scenario(&name, bytes).await?)
                }
                File::Rows(name, bytes) => rows_words(&client.push_data(&name, None, bytes).await?),
            });
        }
        Ok(ExitCode::Ok)
    })
}

/// By its name, a scenario or rows.
enum File {
    Scenario(String, Vec<u8>),
    Rows(String, Vec<u8>),
}

fn read(path: &Path) -> Result<File, Failure> {
    let name = name_of(path);
    match format_of(path) {
        Ok(_) => Ok(File::Rows(name, read_rows(path)?)),
        Err(_) => Ok(File::Scenario(name, scenario_file::read(path)?)),
    }
}

/// Without its folder.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// All bytes of a file of rows.
pub(super) fn read_rows(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::new(ExitCode::Configuration, format!("`{}` cannot be read", path.display()))
            .because(error)
            .hint("check the path and its permissions")
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_DATA_BYTES as u64 {
        let most = MAX_DATA_BYTES >> 20;
        let why = format!("it has {size} bytes, and {most} MiB are possible");
        return Err(unreadable(&std::io::Error::other(why)).hint("split it"));
    }
    std::fs::read(path).map_err(|error| unreadable(&error))
}

fn scenario_words(info: &ScenarioInfo) -> String {
    let version = info.version.as_ref().map(|text| format!("@{text}")).unwrap_or_default();
    let types: Vec<_> = info.user_types.iter().map(|of| of.name.as_str()).collect();
    let mut text = format!("scenario {}{version} · {}\n", info.name, info.digest);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  users: {}", types.join(", "));
    let required = info.parameters.iter().filter(|parameter| parameter.default.is_none());
    let required: Vec<_> =
        required.map(|parameter| format!("--param {}=…", parameter.name)).collect();
    let data = info.data_sets.iter().map(|name| format!("--data {name}=FILE"));
    let hosts = info.hosts.iter().map(|host| format!("--allow-host {host}"));
    let wants: Vec<_> = required.into_iter().chain(data).chain(hosts).collect();
    if !wants.is_empty() {
        let _ = writeln!(text, "  wants: {}", wants.join(" "));
    }
    text
}

fn rows_words(info: &DataSetInfo) -> String {
    let columns = info.columns.join(", ");
    format!("data {} · {}\n  {} rows: {columns}\n", info.name, info.digest, grouped(info.rows))
}
