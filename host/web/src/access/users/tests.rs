#![allow(clippy::unwrap_used)]
//! Users files: written, read, changed, broken.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use super::live::{Users, Version};
use super::*;

const PASSWORD: &str = "correct horse";

/// A users file in a folder of its own.
pub(in crate::access) struct Written {
    _folder: tempfile::TempDir,
    pub(in crate::access) path: PathBuf,
}

impl Written {
    pub(in crate::access) fn version(&self) -> Arc<Version> {
        Users::open(&self.path).unwrap().now()
    }

    /// As it is after a change.
    pub(in crate::access) fn changed(&self, change: fn(&mut UserFile)) -> Arc<Version> {
        let mut file = UserFile::open(&self.path).unwrap();
        change(&mut file);
        file.save().unwrap();
        self.version()
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    fn mode(&self, mode: u32) {
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// A new file with these users.
pub(in crate::access) fn written(users: &[(&str, Role, &str)]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.toml");
    let mut file = UserFile::open_or_new(&path).unwrap();
    for (name, role, password) in users {
        file.add(name, *role, password).unwrap();
    }
    file.save().unwrap();
    Written { _folder: folder, path }
}

#[test]
fn what_was_written_is_read_again() {
    let written =
        written(&[("bob", Role::View, PASSWORD), ("alice@example", Role::Admin, PASSWORD)]);
    let mut file = UserFile::open(&written.path).unwrap();
    let expires = "2027-01-01T00:00:00Z".parse().ok();
    let token = file.add_token("ci", Role::Operate, expires).unwrap();
    let forever = file.add_token("for-ever", Role::View, None).unwrap();
    file.save().unwrap();
    let file = UserFile::open(&written.path).unwrap();
    let users: Vec<_> = file.users().collect();
    assert_eq!(users, [("alice@example", Role::Admin), ("bob", Role::View)]);
    let ci = UserToken { name: "ci".into(), role: Role::Operate, expires };
    assert_eq!(file.tokens()[0], ci);
    for secret in [PASSWORD, &token, &forever] {
        assert!(!written.text().contains(secret), "{}", written.text());
    }
    let mode = std::fs::metadata(&written.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(written.path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1, "no other file is left: {left:?}");
}

#[test]
fn a_token_is_long_random_and_good_until_it_expires() {
    let written = written(&[]);
    let mut file = UserFile::open(&written.path).unwrap();
    let expires: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let token = file.add_token("ci", Role::Operate, Some(expires)).unwrap();
    let other = file.add_token("for-ever", Role::View, None).unwrap();
    file.save().unwrap();
    assert!(token.starts_with("lh_") && token.len() == 46 && token != other, "{token}");
    let version = written.version();
    let at = |seconds: i64| Timestamp::from_second(expires.as_second() + seconds).unwrap();
    let known = version.bearer(&token, at(-1)).unwrap();
    assert_eq!((&*known.name, known.role), ("ci", Role::Operate));
    assert_eq!(version.bearer(&token, at(0)), None);
    assert_eq!(version.bearer(&other, at(1_000_000_000)).unwrap().role, Role::View);
    for wrong in ["", "lh_", &token[3..], &format!("{token} "), &token.to_uppercase()] {
        assert_eq!(version.bearer(wrong, at(-1)), None, "{wrong}");
    }
    // What is in the file is no token itself.
    let digest = hex(&digest_of(&token));
    assert!(written.text().contains(&digest) && version.bearer(&digest, at(-1)).is_none());
    let mut file = UserFile::open(&written.path).unwrap();
    file.remove_token("ci").unwrap();
    file.save().unwrap();
    assert_eq!(written.version().bearer(&token, at(-1)), None);
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let written = written(&[("alice", Role::Admin, PASSWORD)]);
    for mode in [0o640, 0o604, 0o620, 0o601, 0o644] {
        written.mode(mode);
        let error = UserFile::open(&written.path).err().unwrap().to_string();
        assert!(error.contains(&format!("{mode:03o}")) && error.contains("chmod 600"), "{error}");
    }
    for mode in [0o600, 0o400] {
        written.mode(mode);
        assert!(UserFile::open(&written.path).is_ok());
    }
}

#[test]
fn a_file_of_roots_may_be_read_by_a_group() {
    let check = |mode, owner, me| super::disk::is_open_to_others(mode, owner, me);
    assert!(!check(0o440, 0, 65532) && !check(0o640, 0, 65532) && !check(0o400, 0, 65532));
    for mode in [0o444, 0o460, 0o450, 0o644] {
        assert!(check(mode, 0, 65532), "{mode:03o}");
    }
    assert!(check(0o440, 0, 0) && check(0o440, 65532, 65532) && check(0o440, 1000, 65532));
}

#[test]
fn what_is_wrong_in_a_file_is_named_without_its_secrets() {
    let good = written(&[("alice", Role::Admin, PASSWORD)]);
    let text = good.text();
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_string();
    let (secret, hash) = (line("secret"), line("password"));
    for (wrong, why) in [
        (text.replace(&secret, "secret = \"c2hvcnQ\""), "`secret`"),
        (text.replace(&secret, ""), "secret"),
        (text.replace(&hash, "password = \"correct horse\""), "loadhost user passwd alice"),
        (text.replace("role = \"admin\"", "role = \"root\""), "line 5"),
        (text.replace("[users.alice]", "[users.\"../alice\"]"), "no name"),
        (format!("{text}\n[tokens.ci]\nrole = \"view\"\nsha256 = \"abc\"\n"), "sha256"),
        (
            format!(
                "{text}\n[tokens.ci]\nrole = \"view\"\nsha256 = \"{}\"\nexpires = \"soon\"\n",
                "0".repeat(64)
            ),
            "2027",
        ),
        (format!("{text}\n[tokns.ci]\n"), "tokns"),
        (secret.replace("= \"", "= "), "line 1"),
    ] {
        std::fs::write(&good.path, &wrong).unwrap();
        let error = UserFile::open(&good.path).err().unwrap().to_string();
        assert!(error.contains(why), "{why}: {error}");
        for secret in [&secret[11..40], &hash[40..60], PASSWORD] {
            assert!(!error.contains(secret), "{error}");
        }
    }
    std::fs::write(&good.path, "x".repeat(2 << 20)).unwrap();
    let error = UserFile::open(&good.path).err().unwrap().to_string();
    assert!(error.contains("larger"), "{error}");
}

#[test]
fn what_cannot_be_changed_says_why() {
    let written = written(&[("alice", Role::Admin, PASSWORD)]);
    let mut file = UserFile::open(&written.path).unwrap();
    let said = |result: Result<(), UsersError>| result.unwrap_err().to_string();
    assert!(said(file.add("alice", Role::View, PASSWORD)).contains("already"));
    assert!(said(file.add("bob", Role::View, "short")).contains("at least"));
    assert!(said(file.remove("bob")).contains("there are: alice"));
    assert!(said(file.set_password("bob", PASSWORD)).contains("`bob`"));
    assert!(said(file.set_role("bob", Role::View)).contains("`bob`"));
    assert!(said(file.remove_token("ci")).contains("there are: none"));
    for name in ["", "-x", ".x", "a b", "a\nb", "a\"b", "é", &"x".repeat(65)] {
        assert!(said(file.add(name, Role::View, PASSWORD)).contains("no name"), "{name:?}");
        assert!(
            said(file.add_token(name, Role::View, None).map(drop)).contains("no name"),
            "{name:?}"
        );
    }
    for n in 0..MOST {
        file.add_token(&format!("t{n}"), Role::View, None).unwrap();
    }
    assert!(said(file.add_token("more", Role::View, None).map(drop)).contains("1000"));
    file.save().unwrap();
    assert_eq!(UserFile::open(&written.path).unwrap().tokens().len(), MOST);
}

#[test]
fn two_who_change_the_file_at_once_do_not_undo_each_other() {
    let written = written(&[("alice", Role::Admin, PASSWORD)]);
    let mut one = UserFile::open(&written.path).unwrap();
    let mut two = UserFile::open(&written.path).unwrap();
    one.set_role("alice", Role::View).unwrap();
    one.save().unwrap();
    two.add_token("ci", Role::View, None).unwrap();
    assert!(matches!(two.save(), Err(UsersError::ChangedMeanwhile(_))));
    one.set_role("alice", Role::Operate).unwrap();
    one.save().unwrap();
    let users: Vec<_> = UserFile::open(&written.path).unwrap().users().map(|user| user.1).collect();
    assert_eq!(users, [Role::Operate]);
}

#[test]
fn a_linked_file_stays_a_link() {
    let written = written(&[("alice", Role::Admin, PASSWORD)]);
    let link = written.path.with_file_name("link.toml");
    std::os::unix::fs::symlink(&written.path, &link).unwrap();
    let mut file = UserFile::open(&link).unwrap();
    file.set_role("alice", Role::View).unwrap();
    file.save().unwrap();
    assert!(link.is_symlink());
    assert_eq!(UserFile::open(&written.path).unwrap().users().next(), Some(("alice", Role::View)));
}

#[tokio::test(start_paused = true)]
async fn a_server_follows_the_file_and_keeps_the_last_that_was_in_order() {
    let written = written(&[("alice", Role::Admin, PASSWORD)]);
    let users = Users::open(&written.path).unwrap();
    let later = || tokio::time::advance(Duration::from_secs(1));
    let role = |users: &Users| users.now().user("alice").map(|user| user.role);
    written.changed(|file| file.set_role("alice", Role::View).unwrap());
    assert_eq!(
        role(&users),
        Some(Role::Admin),
        "it is not looked at more often than once a second"
    );
    later().await;
    assert_eq!(role(&users), Some(Role::View));

    let good = written.text();
    std::fs::write(&written.path, "secret = ").unwrap();
    later().await;
    assert_eq!(role(&users), Some(Role::View));
    std::fs::write(&written.path, good.replace("view", "operate")).unwrap();
    written.mode(0o644);
    later().await;
    assert_eq!(role(&users), Some(Role::View), "others may have written it");
    written.mode(0o600);
    later().await;
    assert_eq!(role(&users), Some(Role::Operate));
    std::fs::remove_file(&written.path).unwrap();
    later().await;
    assert_eq!(role(&users), Some(Role::Operate));
}
