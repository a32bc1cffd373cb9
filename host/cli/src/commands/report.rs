//! `loadhost report`: what came of a run, fetched from a master.

use std::path::Path;

use super::{Layers, runtime};
use crate::args::ReportArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::{print, probe, write_file};

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Json,
    Junit,
    /// Which of Locust's files.
    Csv(&'static str),
}

impl Form {
    fn path(self) -> String {
        match self {
            Self::Html => "report.html".to_string(),
            Self::Json => "results.json".to_string(),
            Self::Junit => "junit.xml".to_string(),
            Self::Csv(name) => format!("{name}.csv"),
        }
    }
}

/// Fetches each of the forms that are asked for.
pub(crate) fn report(args: ReportArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let single = [(Form::Html, args.html), (Form::Json, args.json), (Form::Junit, args.junit)];
    let mut files: Vec<_> =
        single.into_iter().filter_map(|(form, path)| Some((form, path?))).collect();
    if let Some(prefix) = &args.csv {
        for name in ["stats", "stats_history", "failures", "exceptions"] {
            let path = format!("{}_{name}.csv", prefix.display());
            files.push((Form::Csv(name), path.into()));
        }
    }
    for (_, path) in files.iter().filter(|(_, path)| path.as_os_str() != "-") {
        probe(path)?;
    }
    runtime(Some(1))?.block_on(async {
        let client = Client::new(&settings)?;
        for (form, path) in &files {
            fetch(&client, &args.run, *form, path).await?;
        }
        Ok(ExitCode::Ok)
    })
}

/// Writes one form to `path`; `-` is stdout.
pub(crate) async fn fetch(
    client: &Client,
    run: &str,
    form: Form,
    path: &Path,
) -> Result<(), Failure> {
    let text = client.download(&format!("runs/{run}/{}", form.path())).await?;
    if path.as_os_str() == "-" {
        print(&text);
        return Ok(());
    }
    write_file(path, text.as_bytes())
}
