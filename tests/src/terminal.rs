//! The program on a terminal: a pseudo terminal of `script`, whose screen is a stream of bytes.

use std::num::NonZeroU16;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::{Process, Program};

const ROWS: NonZeroU16 = NonZeroU16::MIN.saturating_add(39);
const COLUMNS: NonZeroU16 = NonZeroU16::MIN.saturating_add(99);

/// A terminal in which a shell has run the program and then asks for the terminal's mode.
pub struct Terminal {
    process: Process,
    _folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs `program`, then `stty -a`. The terminal tells where its cursor is, as a live view asks.
    pub fn run(program: Program) -> Result<Terminal> {
        let mut terminal = Self::of_lines(program)?;
        let asks = |screen: &str| screen.find("\x1b[6n");
        terminal.process.wait_until(Duration::from_secs(20), asks)?;
        terminal.process.write(b"\x1b[1;1R")?;
        Ok(terminal)
    }

    /// The same for a program that only asks and answers.
    pub fn of_lines(program: Program) -> Result<Terminal> {
        let (command, folder) = program.on_a_terminal();
        // The shell outlives signals that the keyboard makes, to tell how the terminal was left.
        let line = format!(
            "stty rows {ROWS} cols {COLUMNS}; trap : INT QUIT; {command}; echo CODE=$?; stty -a"
        );
        let mut script = Command::new("script");
        script.args(["-qe", "-c", &line, "/dev/null"]).current_dir(folder.path());
        script.env("TERM", "xterm").env("NO_COLOR", "1").env("SHELL", "/bin/sh");
        let process = Process::with_stdin("script", &mut script, Stdio::piped())?;
        Ok(Terminal { process, _folder: folder })
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        self.process.write(keys.as_bytes())
    }

    /// Waits until `text` is to be read on the screen, in however many pieces it was drawn.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let shows = |drawn: &str| {
            let mut screen = vt100::Parser::new(ROWS, COLUMNS, 0);
            screen.process(drawn.as_bytes());
            screen.screen().contents().find(text)
        };
        let told = |drawn: &str| drawn.find(text).or_else(|| shows(drawn));
        self.process.wait_until(Duration::from_secs(20), told).map(drop)
    }

    /// All that was drawn so far.
    pub fn screen(&self) -> String {
        self.process.stdout()
    }

    /// Waits for the end of the program: its exit code, and whether the terminal shows what is typed
    /// and gives it line by line, as it did before.
    pub fn end(mut self) -> Result<(i32, bool)> {
        self.process.wait(Duration::from_secs(30))?;
        let screen = self.process.stdout();
        let code = screen.rsplit("CODE=").next().unwrap_or_default();
        let code: String = code.chars().take_while(char::is_ascii_digit).collect();
        let mode = screen.rsplit("CODE=").next().unwrap_or_default();
        let has = |flag: &str| mode.split([' ', ';', '\r', '\n']).any(|word| word == flag);
        Ok((code.parse()?, has("icanon") && has("echo")))
    }
}
