//! Behind a proxy that does TLS.

use super::*;

/// Only connections from `proxy` are a proxy's. Tests connect from 127.0.0.1.
async fn behind(proxy: &str) -> (Fleet, Served) {
    let fleet = fleet();
    let access = fleet.access().behind(proxy.parse().unwrap());
    (fleet, served(access).await)
}

const BY_TLS: &str = "host: load.example\r\nx-forwarded-proto: https\r\n";

#[tokio::test]
async fn behind_tls_of_a_named_proxy_the_cookie_goes_by_tls_only() {
    let (_fleet, served) = behind("127.0.0.0/8").await;
    let answer = served.try_log_in("olga", PASSWORD, BY_TLS).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-loadhost=") && cookie.contains("; Secure"), "{cookie}");
    assert_eq!(answer.header("strict-transport-security"), None, "that is the proxy's to say");
    let cookie = format!("cookie: {}\r\n", cookie.split(';').next().unwrap());
    let lines = format!("{BY_TLS}{cookie}sec-fetch-site: same-origin\r\n");
    assert_eq!(served.ask("POST", "/api/v1/runs", &lines, "").await.status, 200);
    let answer = served.ask("DELETE", "/api/v1/session", &lines, "").await;
    assert!(answer.header("set-cookie").unwrap().starts_with("__Host-loadhost=;"));
    // Whoever got hold of it cannot use it where anybody may listen.
    let plain = format!("host: load.example\r\n{cookie}");
    assert_eq!(served.ask("GET", "/api/v1/runs", &plain, "").await.status, 401);
}

#[tokio::test]
async fn behind_tls_a_page_without_tls_is_a_foreign_one() {
    let (_fleet, served) = behind("127.0.0.1").await;
    let answer = served.try_log_in("olga", PASSWORD, BY_TLS).await;
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_string();
    for (page, status) in [("https://load.example", 200), ("http://load.example", 403)] {
        let lines = format!("{BY_TLS}cookie: {cookie}\r\norigin: {page}\r\n");
        assert_eq!(served.ask("POST", "/api/v1/runs", &lines, "").await.status, status, "{page}");
    }
}

/// Guesses until the address has none left: those for one name alone are soon refused without being looked at, and
/// count all the same.
async fn guess_away(served: &Served, from: impl Fn(u8) -> String) {
    for n in 0..70 {
        let guess = served.try_log_in("nobody", "guess", &from(n)).await;
        assert!([401, 429].contains(&guess.status), "{}", guess.body);
    }
}

fn forwarded(address: &str) -> String {
    format!("x-forwarded-for: {address}\r\n")
}

#[tokio::test]
async fn guesses_through_a_proxy_are_slowed_down_by_who_makes_them() {
    let (_fleet, served) = behind("127.0.0.1").await;
    // What stands before the proxy's own word is the guesser's invention.
    guess_away(&served, |n| forwarded(&format!("198.51.100.{n}, 192.0.2.66"))).await;
    let same = served.try_log_in("olga", PASSWORD, &forwarded("10.9.9.9, 192.0.2.66")).await;
    assert_eq!(same.status, 429, "{}", same.body);
    let other = served.try_log_in("olga", PASSWORD, &forwarded("192.0.2.7")).await;
    assert_eq!(other.status, 200, "{}", other.body);
}

#[tokio::test]
async fn headers_of_whoever_is_no_named_proxy_mean_nothing() {
    for proxies in ["10.0.0.0/8", ""] {
        let (_fleet, served) = behind(proxies).await;
        let cookie = served.try_log_in("olga", PASSWORD, BY_TLS).await;
        let cookie = cookie.header("set-cookie").unwrap().to_string();
        assert!(cookie.starts_with("loadhost-session=") && !cookie.contains("Secure"), "{cookie}");
        guess_away(&served, |n| forwarded(&format!("192.0.2.{n}"))).await;
        let another = served.try_log_in("olga", PASSWORD, &forwarded("192.0.2.200")).await;
        assert_eq!(another.status, 429, "another address each time gives no more guesses");
    }
}
