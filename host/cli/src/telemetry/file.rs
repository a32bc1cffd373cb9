//! A file of lines that is rotated by size: `FILE`, and before it `FILE.1`, `FILE.2`, …
//!
//! [`LogFile`] never cuts a line, and loses none while the file can be written. If it cannot be rotated, it goes on to
//! twice its size. [`Steady`] makes that a sink that never fails: it counts what is lost, and says so.
//! Deliberately absent: being rotated by others (a file that is moved away is written to the end).

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Lines are written together up to so many bytes.
const TOGETHER: usize = 64 << 10;
/// Between two attempts to rotate a file that cannot be rotated.
const RETRY: Duration = Duration::from_secs(1);
/// Between two words about a file that cannot be written.
const SILENCE: Duration = Duration::from_secs(60);

/// When a file is rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// Of a file, in bytes; a line that is longer has a file of its own.
    pub(crate) max_bytes: u64,
    /// Files that are kept besides; the oldest goes.
    pub(crate) backups: u32,
}

/// A file of lines.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    bytes: u64,
    /// The file was moved away, but there is no new one yet.
    moved: bool,
    retry: Option<Instant>,
}

/// Lines that are not in the file.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) lines: u64,
    pub(crate) error: io::Error,
}

impl LogFile {
    /// Opens the file, to go on behind what is in it.
    ///
    /// # Errors
    /// If it cannot be written, is no file, or another process writes it.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other(
                    "another process writes it; give each a file of its own",
                ));
            }
            // A file system without locks.
            Err(TryLockError::Error(_)) => {}
        }
        end_last_line(&mut file)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_path_buf(), rotation, file, bytes, moved: false, retry: None })
    }

    /// Appends lines, each with its end.
    ///
    /// # Errors
    /// With the number of lines of these that are lost, none of which is in the file in part.
    pub(crate) fn write(&mut self, lines: &[Vec<u8>]) -> Result<(), Lost> {
        let mut lost: Option<Lost> = None;
        let mut rest = lines;
        while !rest.is_empty() {
            let error = self.make_room(rest[0].len());
            let count = match error {
                None => self.fitting(rest),
                Some(_) => 1,
            };
            let (now, later) = rest.split_at(count);
            rest = later;
            let written = match error {
                None => self.append(now),
                Some(error) => Err(error),
            };
            if let Err(error) = written {
                let before = lost.map_or(0, |lost| lost.lines);
                lost = Some(Lost { lines: before + count as u64, error });
            }
        }
        lost.map_or(Ok(()), Err)
    }

    /// How many of these lines are written together; at least one.
    fn fitting(&self, lines: &[Vec<u8>]) -> usize {
        let room = self.rotation.max_bytes.saturating_sub(self.bytes);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(TOGETHER);
        let mut bytes = 0;
        let fits = |line: &&Vec<u8>| {
            bytes += line.len();
            bytes <= room
        };
        lines.iter().take_while(fits).count().max(1)
    }

    fn append(&mut self, lines: &[Vec<u8>]) -> io::Result<()> {
        let bytes = lines.concat();
        match self.file.write_all(&bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Nothing of a line stays. The file may be shorter by now, if others cut it.
                let found = self.file.metadata().map_or(self.bytes, |found| found.len());
                self.bytes = self.bytes.min(found);
                self.file.set_len(self.bytes).ok();
                Err(error)
            }
        }
    }

    /// Rotates if the next line would not fit. Why there is no room, if there is none.
    fn make_room(&mut self, line: usize) -> Option<io::Error> {
        let after = self.bytes.saturating_add(line as u64);
        let max = self.rotation.max_bytes;
        if self.bytes == 0 || after <= max {
            return None;
        }
        let now = Instant::now();
        let refused = match self.retry {
            Some(retry) if now < retry => io::Error::other("it cannot be rotated"),
            _ => match self.rotate() {
                Ok(()) => {
                    self.retry = None;
                    return None;
                }
                Err(error) => {
                    self.retry = Some(now + RETRY);
                    error
                }
            },
        };
        (after > max.saturating_mul(2)).then_some(refused)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.rotation.backups == 0 {
            self.file.set_len(0)?;
            self.bytes = 0;
            return Ok(());
        }
        if !self.moved {
            for number in (1..self.rotation.backups).rev() {
                moved(&self.backup(number), &self.backup(number + 1))?;
            }
            moved(&self.path, &self.backup(1))?;
            self.moved = true;
        }
        let file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
        file.try_lock().ok();
        self.bytes = file.metadata()?.len();
        (self.file, self.moved) = (file, false);
        Ok(())
    }

    fn backup(&self, number: u32) -> PathBuf {
        let mut path = OsString::from(&self.path);
        path.push(format!(".{number}"));
        path.into()
    }
}

fn moved(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A process that was ended while it wrote may have left a part of a line.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// A file that may fail without anybody's having to care.
#[derive(Debug)]
pub(crate) struct Steady {
    file: LogFile,
    /// For people, such as `log file`.
    what: &'static str,
    failing: bool,
    said: Option<Instant>,
}

impl Steady {
    /// `what` it is, for people.
    pub(crate) fn new(file: LogFile, what: &'static str) -> Self {
        Self { file, what, failing: false, said: None }
    }

    /// Writes lines, each with its end. How many of them could not be written.
    pub(crate) fn write(&mut self, lines: &[Vec<u8>]) -> u64 {
        match self.file.write(lines) {
            Ok(()) if self.failing => {
                self.failing = false;
                say!("the {} `{}` is written again", self.what, self.file.path.display());
                0
            }
            Ok(()) => 0,
            Err(Lost { lines, error }) => {
                if !self.failing && self.said.is_none_or(|said| said.elapsed() > SILENCE) {
                    (self.failing, self.said) = (true, Some(Instant::now()));
                    let path = self.file.path.display();
                    let what = self.what;
                    say!(
                        "warning: the {what} `{path}` cannot be written: {error}; its lines are lost until it can"
                    );
                }
                lines
            }
        }
    }
}

#[cfg(test)]
mod tests;
