//! No line is lost or cut.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;

fn line(number: usize, length: usize) -> Vec<u8> {
    let mut line = format!("{number}:").into_bytes();
    line.resize(line.len() + length, b'x');
    line.push(b'\n');
    line
}

/// All files, the oldest first.
fn files(path: &Path, backups: u32) -> Vec<Vec<u8>> {
    let name = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    let paths = (1..=backups).rev().map(name).chain([path.to_path_buf()]);
    paths.filter_map(|path| std::fs::read(path).ok()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lines_come_out_as_they_went_in(
        lengths in prop::collection::vec(0usize..200, 0..120),
        batch in 1usize..20,
        max_bytes in 1u64..1_000,
        backups in 0u32..5,
        restarts in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let rotation = Rotation { max_bytes, backups };
        let lines: Vec<_> = lengths.iter().enumerate().map(|(n, length)| line(n, *length)).collect();
        let mut file = LogFile::open(&path, rotation).unwrap();
        for lines in lines.chunks(batch) {
            file.write(lines).unwrap();
            if restarts {
                drop(file);
                file = LogFile::open(&path, rotation).unwrap();
            }
        }
        let found = files(&path, backups);
        let one_more = path.with_extension(format!("log.{}", backups + 1));
        prop_assert!(!one_more.exists());
        for one in &found {
            let is_one_line = one.iter().filter(|byte| **byte == b'\n').count() == 1;
            prop_assert!(one.len() as u64 <= max_bytes || is_one_line, "{} bytes", one.len());
        }
        // Whole lines from the end, and all of them unless the oldest had to go.
        let (all, kept) = (lines.concat(), found.concat());
        prop_assert!(all.ends_with(&kept));
        let begins = kept.is_empty() || kept.len() == all.len() || all[all.len() - kept.len() - 1] == b'\n';
        prop_assert!(begins, "a line is cut");
        if (found.len() as u32) <= backups {
            prop_assert_eq!(kept.len(), all.len());
        }
    }
}

#[test]
fn a_full_disk_costs_lines_and_cuts_none() {
    // A device that takes nothing, in the place of the file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let rotation = Rotation { max_bytes: 1_000, backups: 2 };
    let mut file = LogFile::open(&path, rotation).unwrap();
    file.write(&[line(0, 10)]).unwrap();
    let real = std::mem::replace(
        &mut file.file,
        OpenOptions::new().write(true).open("/dev/full").unwrap(),
    );
    let lost = file.write(&[line(1, 10), line(2, 10)]).unwrap_err();
    assert_eq!((lost.lines, lost.error.kind()), (2, io::ErrorKind::StorageFull));
    file.file = real;
    file.bytes = file.file.metadata().unwrap().len();
    file.write(&[line(3, 10)]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), [line(0, 10), line(3, 10)].concat());
}

#[test]
fn a_file_that_cannot_be_rotated_goes_on_to_twice_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut file = LogFile::open(&path, Rotation { max_bytes: 100, backups: 1 }).unwrap();
    // Nothing can be renamed onto a folder with something in it.
    std::fs::create_dir_all(folder.path().join("a.log.1/x")).unwrap();
    let lines: Vec<_> = (0..30).map(|n| line(n, 7)).collect();
    let lost = file.write(&lines).unwrap_err();
    let kept = std::fs::read(&path).unwrap();
    assert!((180..=200).contains(&kept.len()), "{} bytes", kept.len());
    let count = kept.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lost.lines as usize, lines.len() - count);
    assert_eq!(kept, lines[..count].concat());
    // Once it can be rotated, it is.
    std::fs::remove_dir_all(folder.path().join("a.log.1")).unwrap();
    file.retry = None;
    file.write(&[line(99, 7)]).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), line(99, 7));
    assert_eq!(std::fs::read(folder.path().join("a.log.1")).unwrap(), kept);
}

#[test]
fn a_file_that_was_moved_but_not_made_anew_is_made_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut file = LogFile::open(&path, Rotation { max_bytes: 20, backups: 1 }).unwrap();
    file.write(&[line(0, 10)]).unwrap();
    std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    file.moved = true;
    std::fs::create_dir(&path).unwrap();
    file.write(&[line(1, 10)]).unwrap();
    std::fs::remove_dir(&path).unwrap();
    file.retry = None;
    file.write(&[line(2, 10)]).unwrap();
    assert_eq!(files(&path, 1).concat(), [line(0, 10), line(1, 10), line(2, 10)].concat());
}

#[test]
fn what_cannot_be_a_log_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let rotation = Rotation { max_bytes: 100, backups: 1 };
    let _first = LogFile::open(&path, rotation).unwrap();
    let error = LogFile::open(&path, rotation).unwrap_err().to_string();
    assert!(error.contains("give each a file of its own"), "{error}");
    let error = LogFile::open(Path::new("/dev/null"), rotation).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
    assert!(LogFile::open(folder.path(), rotation).is_err());
}

#[test]
fn a_line_that_an_earlier_process_left_unfinished_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    std::fs::write(&path, "a part").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut file = LogFile::open(&path, Rotation { max_bytes: 100, backups: 1 }).unwrap();
    file.write(&[line(0, 1)]).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a part\n0:x\n");
}
