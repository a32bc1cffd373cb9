//! `loadhost start`: a run on a master's fleet, with the flags of `loadhost run`.

mod request;
mod wait;

use std::path::Path;

use loadhost_web::api::dto::ScenarioInfo;
use serde::Deserialize;
use serde_json::json;

use super::push::name_of;
use super::{Layers, runtime};
use crate::args::StartArgs;
use crate::client::Client;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::scenario_file;

/// What was started.
#[derive(Deserialize)]
struct Started {
    run: String,
}

/// All scenarios of a master.
#[derive(Deserialize)]
struct Scenarios {
    scenarios: Vec<ScenarioInfo>,
}

/// Hands over what is needed, starts the run, and follows it if that is wanted.
pub(crate) fn start(args: StartArgs) -> Outcome {
    let settings = Layers::read(args.settings)?.effective();
    let patience = settings.duration("max-wait")?.unwrap_or_default();
    let outputs = wait::Outputs::new(&settings, args.wait)?;
    runtime(Some(2))?.block_on(async {
        let client = Client::new(&settings)?;
        let scenario = scenario(&client, &args.scenario).await?;
        let wanted = request::settings(&client, &settings).await?;
        let body = json!({ "scenario": scenario, "settings": wanted, "note": args.note.unwrap_or_default() });
        let Started { run } = client.make("runs", &body, patience).await?;
        match args.wait {
            false => {
                print(&format!("run {run}\n"));
                Ok(ExitCode::Ok)
            }
            true => {
                say!("run {run}");
                wait::to_the_end(&client, &run, outputs).await
            }
        }
    })
}

/// The digest of a scenario: of a file that is handed over, or of one that the master has.
async fn scenario(client: &Client, named: &str) -> Result<String, Failure> {
    let path = Path::new(named);
    if path.is_file() || named.ends_with(".wasm") {
        let info = client.push_scenario(&name_of(path), scenario_file::read(path)?).await?;
        return Ok(info.digest);
    }
    if named.len() == 64 && named.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(named.to_ascii_lowercase());
    }
    let (_, all) = client.get::<Scenarios>("scenarios").await?;
    found(&all.scenarios, named)
}

/// The one that was handed over last, of this name and version.
fn found(scenarios: &[ScenarioInfo], named: &str) -> Result<String, Failure> {
    let (name, version) = match named.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (named, None),
    };
    let fits = |info: &&ScenarioInfo| {
        info.name == name && version.is_none_or(|version| info.version.as_deref() == Some(version))
    };
    // RFC 3339 in UTC is in the order of time.
    let newest = scenarios.iter().filter(fits).max_by(|a, b| a.uploaded_at.cmp(&b.uploaded_at));
    newest.map(|info| info.digest.clone()).ok_or_else(|| {
        let mut names: Vec<_> = scenarios
            .iter()
            .map(|info| match &info.version {
                Some(version) => format!("{}@{version}", info.name),
                None => info.name.clone(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        let has = match names.is_empty() {
            true => "it has none yet".to_string(),
            false => format!("it has {}", names.join(", ")),
        };
        Failure::new(ExitCode::Refused, format!("the master has no scenario `{named}`")).hint(
            format!("{has}; `loadhost push FILE` hands one over, and so does the path of a file"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn info(name: &str, version: &str, digest: &str, uploaded_at: &str) -> ScenarioInfo {
        let info = json!({
            "digest": digest, "file_name": "x.wasm", "size_bytes": 1, "uploaded_at": uploaded_at,
            "uploaded_by": null, "name": name, "version": version, "sdk": null, "user_types": [],
            "thresholds": [], "data_sets": [], "hosts": [], "parameters": [], "settings": [],
            "has_load_shape": false, "inspection": null, "faults": [],
        });
        serde_json::from_value(info).unwrap()
    }

    #[test]
    fn a_scenario_is_found_by_name_and_version_and_the_last_one_counts() {
        let all = [
            info("shop", "1.0", "aa", "2026-01-03T00:00:00Z"),
            info("shop", "1.1", "bb", "2026-01-02T00:00:00Z"),
            info("shop", "1.1", "cc", "2026-01-01T00:00:00Z"),
        ];
        assert_eq!(found(&all, "shop").unwrap(), "aa");
        assert_eq!(found(&all, "shop@1.1").unwrap(), "bb");
        let said = found(&all, "shop@2").unwrap_err().to_string();
        assert!(
            said.contains("no scenario `shop@2`") && said.contains("shop@1.0, shop@1.1;"),
            "{said}"
        );
    }
}
