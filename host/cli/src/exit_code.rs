//! How the program ends: one table, printed by `loadhost help exit-codes` and held equal to
//! `docs/exit-codes.md` by a test.

use std::fmt::Write;

macro_rules! exit_codes {
    ($($name:ident = $number:literal, $meaning:literal, $remedy:literal;)*) => {
        /// Why the program ended. Numbers never change their meaning; 125 and above belong to shells.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum ExitCode {
            $(#[doc = $meaning] $name = $number),*
        }

        impl ExitCode {
            /// In the order of the table.
            pub(crate) const ALL: &[ExitCode] = &[$(ExitCode::$name),*];

            /// What happened.
            pub(crate) fn meaning(self) -> &'static str {
                match self { $(ExitCode::$name => $meaning),* }
            }

            /// What to do about it.
            pub(crate) fn remedy(self) -> &'static str {
                match self { $(ExitCode::$name => $remedy),* }
            }
        }
    };
}

exit_codes! {
    Ok = 0, "the run is over and all thresholds hold", "";
    Unexpected = 1, "an error that has no code of its own", "the message says what; please report it if it does not";
    Thresholds = 99, "a threshold does not hold, or has no data", "see the thresholds in the summary";
    Regression = 100, "slower or failing more than the baseline (`--fail-on-regression`)", "see the comparison in the summary";
    NobodyAnswers = 102, "no master answers at `--url`", "start one, or a run with `loadhost run --listen 127.0.0.1:8089`; give its address with `--url`";
    Refused = 103, "the master refuses what a command asked of it, wants another login, or does not do it in time", "the message says why";
    Configuration = 104, "invalid flag, key, value or combination", "the message names it, and a similar one if there is one";
    Interrupted = 105, "stopped by Ctrl-C or SIGTERM; the summary was still made", "";
    ScenarioUnreadable = 106, "the scenario's file cannot be read", "check the path given to `--scenario`";
    NotAComponent = 107, "the file is no WebAssembly component", "build it with `loadhost build`";
    ForeignWorld = 108, "a component, but not a loadhost scenario", "export `loadhost:scenario/guest`, as the SDK does";
    OtherContract = 109, "the scenario was built against another version of the contract", "upgrade loadhost, or rebuild the scenario with the SDK of this loadhost";
    FaultyScenario = 110, "the scenario does not compile, or does not describe itself rightly", "`loadhost check FILE` lists its faults";
    Parameters = 111, "an unknown, missing or ill-formed parameter", "`loadhost check FILE` lists the parameters; give `--param NAME=VALUE`";
    TargetUnreachable = 112, "no request reached the target", "check `--host`, and whether the target is up";
    PortInUse = 113, "a port that is to be listened on is in use", "choose another one with `--listen`; port 0 takes any free one";
    Capacity = 114, "more users than this machine can hold", "raise the limit as the message says, or add workers";
    NatsUnreachable = 115, "the NATS server cannot be reached or cannot be used", "check `--nats`, and that the server runs with JetStream (`nats-server -js`)";
    NatsMissing = 116, "nats-server is not installed", "`apt-get install nats-server`, give `--nats URL`, or use `loadhost run`";
    WorkerFailed = 117, "a worker was lost or could not do its part, and nobody took it over", "see the worker's own log";
    ScenarioAborted = 118, "the scenario ended the run", "see the message; the summary was still made";
    OutputUnwritable = 119, "a file asked for cannot be written", "check the path and its permissions";
    WorkersMissing = 120, "too few workers could take part within `--max-wait`", "the message says what kept each of them, and what to do";
    BuildFailed = 121, "the scenario's project does not build", "see the compiler's messages";
    ToolMissing = 122, "cargo or the wasm32-wasip2 target is missing", "the message says how to install it";
    NoLeader = 123, "no master leads this cluster", "start one with `loadhost master`, or look at `/ready` and the logs of those there are";
    TraceFailed = 124, "a task failed or crashed while it was traced", "see what was printed for it";
}

impl ExitCode {
    /// As the operating system sees it.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// The whole table as Markdown.
    pub(crate) fn table() -> String {
        let mut text = String::from("| code | meaning | what to do |\n|---|---|---|\n");
        for code in Self::ALL {
            // Writing to a string cannot fail.
            let _ =
                writeln!(text, "| {} | {} | {} |", code.number(), code.meaning(), code.remedy());
        }
        text
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::ExitCode;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_below_those_of_shells() {
        let numbers: BTreeSet<_> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers.len(), ExitCode::ALL.len());
        assert!(numbers.iter().all(|number| *number < 125));
    }

    /// `LOADHOST_UPDATE_DOCS=1` writes the page anew.
    #[test]
    fn the_page_of_exit_codes_is_this_table() {
        let page = "../../docs/exit-codes.md";
        let wanted = format!(
            "# Exit codes\n\nThe same table as `loadhost help exit-codes`. Numbers never change their meaning.\n\n{}",
            ExitCode::table()
        );
        if std::env::var_os("LOADHOST_UPDATE_DOCS").is_some() {
            std::fs::write(page, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(page).unwrap_or_default();
        assert_eq!(found, wanted, "run this test with LOADHOST_UPDATE_DOCS=1");
    }
}
