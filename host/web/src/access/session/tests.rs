#![allow(clippy::unwrap_used)]
//! Cookies that we wrote are ours, and nothing else is.

use proptest::prelude::*;

use super::*;
use crate::access::role::Role;
use crate::access::users::tests::{Written, written};

const PASSWORD: &str = "correct horse";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn of_alice(file: &Written) -> (std::sync::Arc<Version>, String) {
    let version = file.version();
    let value = seal(&version, "alice", version.user("alice").unwrap(), now());
    (version, value)
}

#[test]
fn a_session_says_who_it_is_until_it_ends() {
    let file = written(&[("alice", Role::Operate, PASSWORD), ("a.b@c", Role::View, PASSWORD)]);
    let (version, value) = of_alice(&file);
    let alice = open(&version, &value, now()).unwrap();
    assert_eq!((&*alice.name, alice.role, alice.means), ("alice", Role::Operate, Means::Session));
    let last = LASTS.as_secs() as i64;
    assert!(open(&version, &value, after(last - 1)).is_some());
    assert!(open(&version, &value, after(last)).is_none());
    // A name with the separator.
    let value = seal(&version, "a.b@c", version.user("a.b@c").unwrap(), now());
    assert_eq!(&*open(&version, &value, now()).unwrap().name, "a.b@c");
}

#[test]
fn any_master_with_the_same_file_accepts_it() {
    let file = written(&[("alice", Role::View, PASSWORD)]);
    let (_, value) = of_alice(&file);
    assert!(open(&file.version(), &value, now()).is_some());
}

#[test]
fn a_role_is_the_one_of_now() {
    let file = written(&[("alice", Role::Admin, PASSWORD)]);
    let (_, value) = of_alice(&file);
    let version = file.changed(|users| users.set_role("alice", Role::View).unwrap());
    assert_eq!(open(&version, &value, now()).unwrap().role, Role::View);
}

#[test]
fn another_password_or_secret_or_no_user_ends_it() {
    for change in [
        (|users| users.set_password("alice", "another horse").unwrap())
            as fn(&mut crate::access::UserFile),
        // Even the same password, hashed anew.
        |users| users.set_password("alice", PASSWORD).unwrap(),
        |users| users.end_sessions().unwrap(),
        |users| users.remove("alice").unwrap(),
        |users| {
            users.remove("alice").unwrap();
            users.add("alice", Role::View, PASSWORD).unwrap();
        },
    ] {
        let file = written(&[("alice", Role::View, PASSWORD)]);
        let (before, value) = of_alice(&file);
        assert!(open(&before, &value, now()).is_some());
        assert!(open(&file.changed(change), &value, now()).is_none());
    }
}

#[test]
fn another_fleets_cookie_is_nothing() {
    let (_, value) = of_alice(&written(&[("alice", Role::Admin, PASSWORD)]));
    let other = written(&[("alice", Role::Admin, PASSWORD)]);
    assert!(open(&other.version(), &value, now()).is_none());
}

#[test]
fn a_signature_for_one_purpose_is_none_for_another() {
    let file = written(&[("alice", Role::Admin, PASSWORD)]);
    let (version, value) = of_alice(&file);
    let said = value.split_once('.').unwrap().1;
    let other = secret::encode(&version.signer.sign(FINGERPRINT, said));
    assert!(open(&version, &format!("{other}.{said}"), now()).is_none());
}

#[test]
fn cookies_are_bound_as_far_as_the_address_allows() {
    let base = |text: &str| text.parse::<BasePath>().unwrap();
    for (wire, path, name, ending) in [
        (Wire::Encrypted, "/", "__Host-loadhost", "; Path=/; HttpOnly; SameSite=Strict; Secure"),
        (
            Wire::Encrypted,
            "/x",
            "__Secure-loadhost",
            "; Path=/x; HttpOnly; SameSite=Strict; Secure",
        ),
        (Wire::Plain, "", "loadhost-session", "; Path=/; HttpOnly; SameSite=Strict"),
        (Wire::Plain, "/x", "loadhost-session", "; Path=/x; HttpOnly; SameSite=Strict"),
    ] {
        let cookie = Cookie::new(wire, &base(path));
        let set = cookie.set("v").unwrap();
        assert_eq!(set, format!("{name}=v{ending}; Max-Age=43200"));
        assert_eq!(cookie.forget().unwrap(), format!("{name}={ending}; Max-Age=0"));
    }
}

#[test]
fn our_cookie_is_found_among_others() {
    let cookie = Cookie::new(Wire::Plain, &BasePath::default());
    let mut headers = HeaderMap::new();
    headers.append("cookie", "a=b; loadhost-session=one;loadhost-session=two; x".parse().unwrap());
    headers.append("cookie", "xloadhost-session=no; loadhost-session=three".parse().unwrap());
    headers.append("cookie", HeaderValue::from_bytes(b"loadhost-session=\xff").unwrap());
    assert_eq!(cookie.values(&headers).collect::<Vec<_>>(), ["one", "two", "three"]);
    let many = "loadhost-session=x; ".repeat(1_000);
    headers.append("cookie", many.parse().unwrap());
    assert_eq!(cookie.values(&headers).count(), 4);
}

proptest! {
    #[test]
    fn a_changed_cookie_is_nothing(at in 0usize..200, letter in "[ -~]") {
        let (version, value) = fixed();
        let at = at % value.len();
        let mut changed = value.clone();
        changed.replace_range(at..at + 1, &letter);
        prop_assume!(changed != *value);
        // The last letter of 32 bytes in base64 has two bits to spare, which must be zero.
        prop_assert!(open(version, &changed, now()).is_none(), "{changed}");
        prop_assert!(open(version, &value[..at], now()).is_none());
    }

    #[test]
    fn arbitrary_cookies_are_nothing(value in any::<String>(), parts in prop::collection::vec("[a-zA-Z0-9_-]{0,50}", 0..6)) {
        let (version, _) = fixed();
        prop_assert!(open(version, &value, now()).is_none());
        prop_assert!(open(version, &parts.join("."), now()).is_none());
    }
}

/// One file for all cases: hashing takes its time.
fn fixed() -> &'static (std::sync::Arc<Version>, String) {
    static FIXED: std::sync::OnceLock<(std::sync::Arc<Version>, String)> =
        std::sync::OnceLock::new();
    FIXED.get_or_init(|| of_alice(&written(&[("alice", Role::Admin, PASSWORD)])))
}
