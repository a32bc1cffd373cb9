//! `--data NAME=FILE`: files of rows, read and checked before anybody is asked for anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loadhost_engine::scenario::digest_of;
use loadhost_model::data::{DataFormat, DataSet, LostRows, MAX_DATA_BYTES, RowOrder, Table};
use loadhost_model::description::Description;
use loadhost_model::id::Digest;
use loadhost_model::text::suggestion;

use crate::config::{Effective, Item, fold, refuse};
use crate::failure::Failure;

const KEY: &str = "data";
/// What may follow the file, as `,order=circular`.
const WORDS: [&str; 3] = ["order", "format", "lost"];

/// Data sets of a run, and their files by digest.
#[derive(Debug, Default)]
pub(crate) struct DataFiles {
    pub(crate) sets: BTreeMap<String, DataSet>,
    pub(crate) bytes: BTreeMap<Digest, Arc<[u8]>>,
}

/// Reads all files that the settings name. Names may have lost case and dashes on their way through
/// the environment.
pub(crate) fn data_files(
    settings: &Effective,
    description: &Description,
) -> Result<DataFiles, Failure> {
    let mut files = DataFiles::default();
    for item in settings.items(KEY) {
        let given = item.name.as_deref().unwrap_or_default();
        let known = description.data_sets.iter().find(|known| fold(known) == fold(given));
        let (set, bytes) = read(item)?;
        files.bytes.insert(set.digest, bytes);
        files.sets.insert(known.map_or(given, String::as_str).to_string(), set);
    }
    Ok(files)
}

fn read(item: &Item) -> Result<(DataSet, Arc<[u8]>), Failure> {
    let (path, words) = split(item)?;
    let fault = |error: &dyn std::fmt::Display| refuse(KEY, item, &error.to_string());
    let word = |key: &str| words.get(key).copied();
    let format = match word("format") {
        Some(word) => word.parse().map_err(|error| fault(&error))?,
        None => format_of(&path).map_err(|why| fault(&why))?,
    };
    let order = word("order").map(str::parse::<RowOrder>).transpose().map_err(|e| fault(&e))?;
    let lost = word("lost").map(str::parse::<LostRows>).transpose().map_err(|e| fault(&e))?;
    let bytes = bytes_of(&path).map_err(|error| fault(&error))?;
    let table = Table::parse(&bytes, format)
        .map_err(|error| fault(&format!("{}: {error}", path.display())))?;
    let set = DataSet {
        digest: digest_of(&bytes),
        format,
        rows: table.rows(),
        order: order.unwrap_or_default(),
        lost: lost.unwrap_or_default(),
    };
    Ok((set, bytes.into()))
}

/// The file, and the words after it.
pub(crate) fn split(item: &Item) -> Result<(PathBuf, BTreeMap<&str, &str>), Failure> {
    let mut words = BTreeMap::new();
    let mut file = item.text.as_str();
    while let Some((before, last)) = file.rsplit_once(',') {
        let Some((key, word)) = last.split_once('=') else { break };
        if !WORDS.contains(&key) {
            let like = suggestion(key, WORDS);
            let reason = format!(
                "it says `{key}` after the file, where `order`, `format` or `lost` may stand{like}"
            );
            return Err(refuse(KEY, item, &reason));
        }
        words.insert(key, word);
        file = before;
    }
    Ok((file.into(), words))
}

/// By its ending.
pub(crate) fn format_of(path: &Path) -> Result<DataFormat, String> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Ok(DataFormat::Csv),
        "jsonl" | "ndjson" => Ok(DataFormat::JsonLines),
        _ => Err("its name ends neither in `.csv` nor in `.jsonl`; say what it is with \
                  `,format=csv` or `,format=json-lines`"
            .to_string()),
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_DATA_BYTES as u64 {
        let most = crate::output::format::bytes(MAX_DATA_BYTES as u64);
        let size = crate::output::format::bytes(size);
        return Err(format!("{} has {size}; {most} is the most: split it", path.display()));
    }
    std::fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::from_file;

    fn read_from(folder: &Path, text: &str) -> Result<DataSet, String> {
        let text = text.replace("DIR", folder.to_str().unwrap());
        let file = format!("[data]\nusers = '{text}'\n");
        let settings = Effective::of([from_file(Path::new("loadhost.toml"), &file).unwrap()]);
        let item = settings.items(KEY).first().unwrap().clone();
        read(&item).map(|(set, _)| set).map_err(|failure| failure.to_string())
    }

    #[test]
    fn words_after_the_file_say_how_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("users.csv"), "name\nanna\nbob\n").unwrap();
        std::fs::write(folder.path().join("a,b.txt"), "{\"name\": 1}\n").unwrap();
        let set = read_from(folder.path(), "DIR/users.csv").unwrap();
        assert_eq!((set.rows, set.order, set.format), (2, RowOrder::Queue, DataFormat::Csv));
        assert_eq!(set.lost, LostRows::Withhold);
        let set = read_from(folder.path(), "DIR/users.csv,order=circular,lost=repeat").unwrap();
        assert_eq!((set.order, set.lost), (RowOrder::Circular, LostRows::Repeat));
        let set = read_from(folder.path(), "DIR/a,b.txt,format=json-lines").unwrap();
        assert_eq!((set.rows, set.format), (1, DataFormat::JsonLines));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bad.csv"), "name\nanna,b\n").unwrap();
        std::fs::write(folder.path().join("x.txt"), "name\n").unwrap();
        for (text, said) in [
            ("DIR/none.csv", "none.csv cannot be read: No such file"),
            ("DIR/bad.csv", "bad.csv: line 2: it has 2 cells, and the first line names 1 columns"),
            ("DIR/x.txt", "ends neither in `.csv` nor in `.jsonl`"),
            ("DIR/bad.csv,ordr=queue", "did you mean `order`?"),
            ("DIR/bad.csv,order=queued", "`queued` is no order of rows: it is one of"),
        ] {
            let error = read_from(folder.path(), text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
