//! Reading and writing the file: 0600, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::UsersError;
use crate::access::secret;

/// Bytes of a file at most: 1,000 users and 1,000 tokens need half of it.
const LARGEST: u64 = 1 << 20;

/// How one version of a file is told from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::access) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// None if there is no file that could be asked.
    pub(in crate::access) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&fs::Metadata> for Stamp {
    fn from(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether a file of this mode and owner is more than `me`'s own.
///
/// A file of root's, who may read everything anyhow, may be read by a group: so Kubernetes mounts a secret for a
/// process that is not root (`fsGroup`).
pub(super) fn is_open_to_others(mode: u32, owner: u32, me: u32) -> bool {
    let to_others = if owner == 0 && me != 0 { 0o037 } else { 0o077 };
    mode & to_others != 0
}

/// The text of a file that nobody but its owner may read or write.
pub(super) fn read(path: &Path) -> Result<(String, Stamp), UsersError> {
    let io = |reason| UsersError::Io { path: path.into(), what: "read", reason };
    let mut file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => UsersError::Missing(path.into()),
        _ => io(error),
    })?;
    // Of the opened file, so that it cannot be exchanged in between.
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if is_open_to_others(mode, metadata.uid(), rustix::process::geteuid().as_raw()) {
        return Err(UsersError::Open { path: path.into(), mode });
    }
    let mut text = String::new();
    (&mut file).take(LARGEST + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > LARGEST {
        let reason = format!("it is larger than {LARGEST} bytes; remove tokens and users");
        return Err(UsersError::Malformed { path: path.into(), reason });
    }
    Ok((text, Stamp::from(&metadata)))
}

/// Puts `text` into the place of the file, whole or not at all. Nobody else may read it at any time.
pub(super) fn write(path: &Path, text: &str) -> Result<(), UsersError> {
    // Through a link, what it points to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let io = |reason| UsersError::Io { path: path.into(), what: "written", reason };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let random = secret::encode(&secret::random()?[..6]);
    let new = folder.join(format!(".{name}.{random}.new"));
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(&folder)?.sync_all()
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&new);
        io(error)
    })
}
