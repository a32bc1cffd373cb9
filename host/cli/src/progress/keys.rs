//! Keys pressed during a live view.
//!
//! The terminal gives keys at once and does not show them, but makes signals of Ctrl-C, Ctrl-Z and Ctrl-\
//! as always. Its own mode comes back whenever this program gives the terminal away: at the end, after
//! a panic, when it is suspended or ended by a signal. Only SIGKILL leaves it as it is.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use ratatui::crossterm::{cursor, execute};
use rustix::fs::OFlags;
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, Termios};
use rustix::termios::{tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior};

/// A read of this terminal never waits, so it is made now and then: nobody feels this much.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What somebody at the terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// So many users, or iterations per second, more; or less.
    By(i32),
    /// Stop; the second time at once.
    Stop,
}

/// What they are for, below the view.
pub(super) const HELP: &str = "w/W +1/+10 · s/S -1/-10 · q stop";

impl Key {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'w' | b'+' => Self::By(1),
            b'W' => Self::By(10),
            b's' | b'-' => Self::By(-1),
            b'S' => Self::By(-10),
            b'q' => Self::Stop,
            _ => return None,
        })
    }

    /// All keys in what was read. Arrows and the like begin with an escape, and mean nothing here.
    fn all_in(bytes: &[u8]) -> Vec<Self> {
        let plain = bytes.split(|byte| *byte == 0x1b).next().unwrap_or_default();
        plain.iter().filter_map(|byte| Self::of(*byte)).collect()
    }
}

/// Whether the terminal is this program's to use: it is not when it runs in the background.
pub(super) fn in_foreground(terminal: impl AsFd) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
}

/// The keyboard while keys come at once.
pub(super) struct Keyboard {
    mode: Mode,
    looks: Interval,
    signals: Signals,
}

/// After these the terminal is given away.
struct Signals {
    suspend: tokio::signal::unix::Signal,
    resume: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let of = |signal: Signal| SignalKind::from_raw(signal.as_raw());
        Ok(Self {
            suspend: signal(of(Signal::TSTP))?,
            resume: signal(of(Signal::CONT))?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }
}

impl Keyboard {
    /// Takes signals over too, which nobody can give back: only for a view that stays.
    pub(super) fn listen(mode: Mode) -> io::Result<Self> {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { mode, looks, signals: Signals::new()? })
    }

    /// Waits for keys. Returns none when the screen should be drawn anew.
    pub(super) async fn next(&mut self) -> Vec<Key> {
        loop {
            tokio::select! {
                _ = self.looks.tick() => {
                    // In the background a read would stop the program.
                    let mut bytes = [0; 64];
                    let terminal = &self.mode.terminal;
                    let read = match in_foreground(terminal) {
                        true => rustix::io::read(terminal, &mut bytes).unwrap_or(0),
                        false => 0,
                    };
                    let keys = Key::all_in(&bytes[..read]);
                    if !keys.is_empty() {
                        return keys;
                    }
                }
                _ = self.signals.suspend.recv() => {
                    self.mode.give_back();
                    let _ = kill_process(getpid(), Signal::STOP);
                }
                _ = self.signals.resume.recv() => {
                    if in_foreground(&self.mode.terminal) {
                        let _ = self.mode.take();
                        return Vec::new();
                    }
                }
                _ = self.signals.hang_up.recv() => self.end(Signal::HUP),
                _ = self.signals.quit.recv() => self.end(Signal::QUIT),
            }
        }
    }

    /// As the signal would have done without us.
    fn end(&mut self, signal: Signal) -> ! {
        self.mode.give_back();
        std::process::exit(128 + signal.as_raw())
    }
}

/// How the terminal was, and whether it is so now; as it was once this is dropped.
pub(super) struct Mode {
    terminal: OwnedFd,
    own: Termios,
    keys: bool,
}

impl Mode {
    /// Key by key, and unseen. None: stdin is no terminal, or not ours.
    pub(super) fn open() -> Option<Self> {
        // Opened anew, because not to wait would otherwise hold for all who share it, the shell among them.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open("/dev/tty", flags, rustix::fs::Mode::empty()).ok()?;
        if !io::stdin().is_terminal() || !in_foreground(&terminal) {
            return None;
        }
        let mut mode = Self { own: tcgetattr(&terminal).ok()?, terminal, keys: false };
        mode.take().ok()?;
        Some(mode)
    }

    fn take(&mut self) -> io::Result<()> {
        let mut wanted = self.own.clone();
        wanted.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(&self.terminal, OptionalActions::Now, &wanted)?;
        self.keys = true;
        Ok(())
    }

    fn give_back(&mut self) {
        // Setting it from the background would stop the program; the shell has set its own by then.
        if self.keys && in_foreground(&self.terminal) {
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.own);
            // The view hides it.
            let _ = execute!(io::stderr(), cursor::Show);
        }
        self.keys = false;
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_help_and_arrows_are_none() {
        assert_eq!(Key::all_in(b"wW+"), [Key::By(1), Key::By(10), Key::By(1)]);
        assert_eq!(Key::all_in(b"sxS-"), [Key::By(-1), Key::By(-10), Key::By(-1)]);
        assert_eq!(Key::all_in(b"q"), [Key::Stop]);
        assert_eq!(Key::all_in(b"\x1b[12;1S"), []);
        for key in HELP.split([' ', '/']).filter(|word| word.len() == 1 && word.is_ascii()) {
            assert!(key == "·" || Key::of(key.as_bytes()[0]).is_some(), "{key}");
        }
    }
}
