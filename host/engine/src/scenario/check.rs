//! What `loadhost check` prints, in a form that a child process can hand to its parent.

use loadhost_model::description::Description;
use serde::{Deserialize, Serialize};

use super::{Fault, Inspection, Scenario, ScenarioError, StructureCaps, inspect};

/// All that is known of a file that may be a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// None: it is no scenario at all.
    pub inspection: Option<Inspection>,
    /// None: it could not be asked.
    pub description: Option<Description>,
    /// [`ScenarioError::code`]; None: it can be run.
    pub code: Option<String>,
    /// What is wrong, with the remedy.
    pub error: Option<String>,
    /// Of the description, each with its place.
    pub faults: Vec<Fault>,
}

/// Compiles and describes these bytes in this process: call it in one that may be killed, with
/// limits on CPU and time, if the bytes come from a stranger.
pub fn check_in_process(bytes: &[u8], caps: &StructureCaps) -> CheckReport {
    let inspection = match inspect(bytes, caps) {
        Ok(inspection) => inspection,
        Err(error) => return report(None, Err(error)),
    };
    report(Some(inspection), Scenario::load(bytes, caps, None))
}

fn report(inspection: Option<Inspection>, outcome: Result<Scenario, ScenarioError>) -> CheckReport {
    match outcome {
        Ok(scenario) => CheckReport {
            inspection,
            description: Some(scenario.description().clone()),
            code: None,
            error: None,
            faults: Vec::new(),
        },
        Err(error) => CheckReport {
            inspection,
            description: None,
            code: Some(error.code().to_string()),
            error: Some(error.to_string()),
            faults: match error {
                ScenarioError::Description { faults } => faults,
                _ => Vec::new(),
            },
        },
    }
}
