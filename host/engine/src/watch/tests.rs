//! What is never told.
#![allow(clippy::unwrap_used)]

use super::Secrets;

fn secrets() -> Secrets {
    Secrets::new(["hunter22", "p w/d&x", "abc"].into_iter())
}

#[test]
fn secret_values_are_hidden_wherever_they_stand() {
    let check = |given: &str, expected: &str| assert_eq!(secrets().text(given), expected);
    check("login as hunter22 refused", "login as *** refused");
    check("p w/d&x and p%20w%2Fd%26x", "*** and ***");
    // So short a value is a part of many words.
    check("abc", "abc");
}

#[test]
fn a_url_loses_credentials_and_the_values_of_its_query() {
    let check = |given: &str, expected: &str| assert_eq!(secrets().url(given), expected);
    check(
        "http://shop/items/3?page=2&token=x&&flag",
        "http://shop/items/3?page=***&token=***&&***",
    );
    check("https://ann:pw@shop:8443/a", "https://shop:8443/a");
    check("https://ann:p@w@shop?q=1", "https://shop?q=***");
    check("http://shop/u/hunter22/x", "http://shop/u/***/x");
    check("/relative/@home", "/relative/@home");
    check("", "");
}

#[test]
fn a_name_keeps_its_query_which_is_the_same_for_each_request() {
    assert_eq!(secrets().name("http://a:b@shop/search?q={q}"), "http://shop/search?q={q}");
}
