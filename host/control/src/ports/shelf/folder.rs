//! A [`Shelf`] in a folder of one's own: for a process without a broker, and for tests.
//!
//! ```text
//! inputs/<sha256>  results/<sha256>  documents/<key>  unfinished/<number>
//! ```
//!
//! A file is written beside its place and renamed, so that whoever reads finds all of it or nothing,
//! also after a crash. Processes may share a folder; each then counts what the others wrote.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_model::id::Digest;
use sha2::Digest as _;

use super::{
    Drawer, Listed, MAX_DOCUMENT_BYTES, MAX_FILE_BYTES, OLD_DOCUMENTS, Shelf, ShelfBounds,
    ShelfError, check_document, check_key, document_named,
};

const DOCUMENTS: &str = "documents";
const UNFINISHED: &str = "unfinished";

/// Keeps everything below one folder, which others on this machine cannot enter. Clones share it.
#[derive(Debug, Clone)]
pub struct FolderShelf {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    bounds: ShelfBounds,
    /// Room is looked for and taken by one at a time.
    writing: Mutex<()>,
    unfinished: AtomicU64,
}

impl FolderShelf {
    /// Makes the folder if it is not there, and clears away what was not finished in it.
    ///
    /// # Errors
    /// [`ShelfError::Unavailable`], if it cannot be made or written.
    pub fn open(root: impl Into<PathBuf>, bounds: ShelfBounds) -> Result<Self, ShelfError> {
        let root = root.into();
        let folder = Folder {
            root,
            bounds,
            writing: Mutex::new(()),
            unfinished: AtomicU64::new(u64::from(std::process::id()) << 32),
        };
        folder.make().map_err(|error| unavailable(&folder.root.display().to_string(), error))?;
        Ok(Self { folder: Arc::new(folder) })
    }

    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, ShelfError> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, ShelfError>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let worked = tokio::task::spawn_blocking(move || work(&folder)).await;
            worked.unwrap_or_else(|error| Err(unavailable("the folder", error)))
        })
    }
}

impl Shelf for FolderShelf {
    fn put_file(&self, drawer: Drawer, bytes: Bytes) -> BoxFuture<'_, Result<Digest, ShelfError>> {
        self.work(move |folder| folder.put_file(drawer, &bytes))
    }

    fn file(
        &self,
        drawer: Drawer,
        digest: Digest,
    ) -> BoxFuture<'_, Result<Option<Bytes>, ShelfError>> {
        self.work(move |folder| folder.file(drawer, digest).map(|file| file.map(Bytes::from)))
    }

    fn delete_file(&self, drawer: Drawer, digest: Digest) -> BoxFuture<'_, Result<(), ShelfError>> {
        self.work(move |folder| {
            let what = ShelfError::file(drawer, digest);
            delete(&folder.path_of(drawer, digest)).map_err(|error| unavailable(&what, error))
        })
    }

    fn put(&self, key: &str, document: Vec<u8>) -> BoxFuture<'_, Result<(), ShelfError>> {
        let key = key.to_string();
        self.work(move |folder| folder.put(&key, &document))
    }

    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, ShelfError>> {
        let key = key.to_string();
        self.work(move |folder| folder.get(&key))
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Listed, ShelfError>> {
        let prefix = prefix.to_string();
        self.work(move |folder| folder.list(&prefix))
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), ShelfError>> {
        let key = key.to_string();
        self.work(move |folder| {
            check_key(&key)?;
            let path = folder.root.join(DOCUMENTS).join(&key);
            delete(&path).map_err(|error| unavailable(&document_named(&key), error))
        })
    }
}

impl Folder {
    fn make(&self) -> std::io::Result<()> {
        for part in [Drawer::Inputs.to_string(), Drawer::Results.to_string(), DOCUMENTS.into()] {
            make_private(&self.root.join(part))?;
        }
        let unfinished = self.root.join(UNFINISHED);
        make_private(&unfinished)?;
        for left in std::fs::read_dir(&unfinished)?.flatten() {
            // Another process may be at it; it then says that it could not write.
            let _ = std::fs::remove_file(left.path());
        }
        Ok(())
    }

    fn path_of(&self, drawer: Drawer, digest: Digest) -> PathBuf {
        self.root.join(drawer.to_string()).join(digest.to_string())
    }

    fn put_file(&self, drawer: Drawer, bytes: &[u8]) -> Result<Digest, ShelfError> {
        let digest = digest_of(bytes);
        let what = ShelfError::file(drawer, digest);
        if bytes.len() > MAX_FILE_BYTES {
            return Err(ShelfError::TooLarge { what, bytes: bytes.len(), most: MAX_FILE_BYTES });
        }
        let path = self.path_of(drawer, digest);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.file(drawer, digest), Ok(Some(_))) {
            return Ok(digest);
        }
        let most = match drawer {
            Drawer::Inputs => self.bounds.inputs,
            Drawer::Results => self.bounds.results,
        };
        let (_, used) = used(&path).map_err(|error| unavailable(&what, error))?;
        if used + bytes.len() as u64 > most {
            let full = format!("`{drawer}` of {}", self.root.display());
            let (bound, remedy) = (ShelfBounds::shown(most), ShelfError::remedy(drawer));
            return Err(ShelfError::Full { what, bytes: bytes.len(), full, bound, remedy });
        }
        self.write(&path, bytes).map_err(|error| unavailable(&what, error))?;
        Ok(digest)
    }

    fn file(&self, drawer: Drawer, digest: Digest) -> Result<Option<Vec<u8>>, ShelfError> {
        let what = ShelfError::file(drawer, digest);
        match read(&self.path_of(drawer, digest), MAX_FILE_BYTES) {
            Ok(Some(bytes)) if digest_of(&bytes) != digest => Err(ShelfError::Altered { what }),
            found => found.map_err(|error| unavailable(&what, error)),
        }
    }

    fn put(&self, key: &str, document: &[u8]) -> Result<(), ShelfError> {
        check_document(key, document)?;
        let what = document_named(key);
        let path = self.root.join(DOCUMENTS).join(key);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, used) = used(&path).map_err(|error| unavailable(&what, error))?;
        let bound = if used + document.len() as u64 > self.bounds.documents {
            Some(ShelfBounds::shown(self.bounds.documents))
        } else if count >= self.bounds.count {
            Some(format!("{} documents", self.bounds.count))
        } else {
            None
        };
        if let Some(bound) = bound {
            let full = format!("`{DOCUMENTS}` of {}", self.root.display());
            let (bytes, remedy) = (document.len(), OLD_DOCUMENTS);
            return Err(ShelfError::Full { what, bytes, full, bound, remedy });
        }
        self.write(&path, document).map_err(|error| unavailable(&what, error))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ShelfError> {
        check_key(key)?;
        let found = read(&self.root.join(DOCUMENTS).join(key), MAX_DOCUMENT_BYTES);
        found.map_err(|error| unavailable(&document_named(key), error))
    }

    fn list(&self, prefix: &str) -> Result<Listed, ShelfError> {
        let listed = std::fs::read_dir(self.root.join(DOCUMENTS));
        let listed = listed.map_err(|error| unavailable("the list of documents", error))?;
        let names = listed.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut keys: Vec<String> =
            names.filter(|name| name.starts_with(prefix) && check_key(name).is_ok()).collect();
        keys.sort();
        let mut documents = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(document) = self.get(&key)? {
                documents.push((key, document));
            }
        }
        Ok(documents)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(number.to_string());
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, path)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Files beside `path` without that one, which is to be replaced: their number and bytes.
fn used(path: &Path) -> std::io::Result<(u64, u64)> {
    let Some(folder) = path.parent() else { return Ok((0, 0)) };
    let (mut count, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if Some(entry.file_name().as_os_str()) != path.file_name() {
            // One that was deleted meanwhile takes no room.
            bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            count += 1;
        }
    }
    Ok((count, bytes))
}

/// The whole file; None: there is none.
fn read(path: &Path, most: usize) -> std::io::Result<Option<Vec<u8>>> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(std::io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(Some(bytes))
}

fn delete(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(sha2::Sha256::digest(bytes).into())
}

fn unavailable(what: &str, reason: impl std::fmt::Display) -> ShelfError {
    ShelfError::Unavailable { what: what.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SMALL: ShelfBounds = ShelfBounds { inputs: 100, results: 50, documents: 100, count: 3 };

    fn shelf() -> (tempfile::TempDir, FolderShelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = FolderShelf::open(folder.path().join("shelf"), SMALL).unwrap();
        (folder, shelf)
    }

    fn bytes(count: usize, fill: u8) -> Bytes {
        vec![fill; count].into()
    }

    #[tokio::test]
    async fn files_and_documents_are_there_again_after_a_restart() {
        let (folder, shelf) = shelf();
        let digest = shelf.put_file(Drawer::Inputs, bytes(40, 1)).await.unwrap();
        shelf.put("run.01JD", b"{}".to_vec()).await.unwrap();
        shelf.put("run.01JE", b"old".to_vec()).await.unwrap();
        shelf.put("run.01JE", b"new".to_vec()).await.unwrap();
        shelf.put("note.01JD", b"a note".to_vec()).await.unwrap();
        std::fs::write(folder.path().join("shelf/unfinished/7"), b"half").unwrap();

        let again = FolderShelf::open(folder.path().join("shelf"), SMALL).unwrap();
        assert_eq!(again.file(Drawer::Inputs, digest).await.unwrap().unwrap(), bytes(40, 1));
        assert_eq!(again.file(Drawer::Results, digest).await.unwrap(), None, "another drawer");
        let runs = again.list("run.").await.unwrap();
        let wanted = [("run.01JD", &b"{}"[..]), ("run.01JE", b"new")];
        assert_eq!(runs, wanted.map(|(key, text)| (key.to_string(), text.to_vec())));
        assert_eq!(again.list("").await.unwrap().len(), 3);
        assert_eq!(std::fs::read_dir(folder.path().join("shelf/unfinished")).unwrap().count(), 0);

        again.delete_file(Drawer::Inputs, digest).await.unwrap();
        again.delete("run.01JE").await.unwrap();
        assert_eq!(again.file(Drawer::Inputs, digest).await.unwrap(), None);
        assert_eq!(again.get("run.01JE").await.unwrap(), None);
        again.delete("run.01JE").await.unwrap();
    }

    #[tokio::test]
    async fn a_full_folder_refuses_and_takes_again_once_something_is_deleted() {
        let (_folder, shelf) = shelf();
        let first = shelf.put_file(Drawer::Inputs, bytes(60, 1)).await.unwrap();
        assert_eq!(shelf.put_file(Drawer::Inputs, bytes(60, 1)).await, Ok(first), "it is there");
        let text = shelf.put_file(Drawer::Inputs, bytes(60, 2)).await.unwrap_err().to_string();
        assert!(text.contains("(60 bytes)") && text.contains("`inputs`"), "{text}");
        assert!(text.contains("delete scenarios or data sets"), "{text}");
        shelf.delete_file(Drawer::Inputs, first).await.unwrap();
        shelf.put_file(Drawer::Inputs, bytes(60, 2)).await.unwrap();

        shelf.put("a", vec![0; 90]).await.unwrap();
        shelf.put("a", vec![0; 100]).await.unwrap();
        assert!(matches!(shelf.put("b", vec![0; 1]).await, Err(ShelfError::Full { .. })));
        shelf.put("a", vec![0; 10]).await.unwrap();
        for key in ["b", "c"] {
            shelf.put(key, vec![0; 1]).await.unwrap();
        }
        let text = shelf.put("d", Vec::new()).await.unwrap_err().to_string();
        assert!(text.contains("`d`") && text.contains("3 documents"), "{text}");
    }

    #[tokio::test]
    async fn what_was_altered_is_not_believed_and_stored_anew_when_given_again() {
        let (folder, shelf) = shelf();
        let digest = shelf.put_file(Drawer::Results, bytes(9, 1)).await.unwrap();
        let path = folder.path().join("shelf/results").join(digest.to_string());
        std::fs::write(&path, b"something else").unwrap();
        let altered = shelf.file(Drawer::Results, digest).await;
        assert!(matches!(altered, Err(ShelfError::Altered { .. })), "{altered:?}");
        shelf.put_file(Drawer::Results, bytes(9, 1)).await.unwrap();
        assert_eq!(shelf.file(Drawer::Results, digest).await.unwrap().unwrap(), bytes(9, 1));
    }

    #[tokio::test]
    async fn hostile_keys_touch_nothing() {
        let (folder, shelf) = shelf();
        let outside = folder.path().join("outside");
        std::fs::write(&outside, b"mine").unwrap();
        for key in ["../outside", "..", "a/b", "", "../../outside"] {
            assert!(matches!(shelf.put(key, vec![1]).await, Err(ShelfError::BadKey(_))));
            assert!(matches!(shelf.get(key).await, Err(ShelfError::BadKey(_))));
            assert!(matches!(shelf.delete(key).await, Err(ShelfError::BadKey(_))));
        }
        assert_eq!(shelf.list("../").await.unwrap(), []);
        assert_eq!(std::fs::read(outside).unwrap(), b"mine");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn others_on_this_machine_can_read_nothing() {
        use std::os::unix::fs::PermissionsExt;

        let (folder, shelf) = shelf();
        shelf.put("a", vec![1]).await.unwrap();
        let mode =
            |path: &str| folder.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("shelf"), mode("shelf/documents")), (0o700, 0o700));
        assert_eq!(mode("shelf/documents/a"), 0o600);
    }
}
