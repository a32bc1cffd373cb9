//! Expectations of requests, judged as the host does.

use serde_json::Value;

use super::Reply;

/// Why the answer is not as expected. Err: an option that the host would refuse.
pub(super) fn judge(options: &[(String, String)], reply: &Reply) -> Result<Option<String>, String> {
    let mut statuses = None;
    let mut fault = None;
    for (key, value) in options {
        match key.as_str() {
            "expect-status" => statuses = Some(value.as_str()),
            "expect-contains" if !reply.contains(value) => {
                fault.get_or_insert_with(|| format!("the body lacks `{value}`"));
            }
            "expect-json" if !json_fits(value, reply) => {
                fault.get_or_insert_with(|| format!("the body has not `{value}`"));
            }
            "expect-contains" | "expect-json" | "timeout" | "max-redirects" | "raw-body" => {}
            _ => return Err(format!("there is no setting `{key}`")),
        }
    }
    let status_fits = match statuses {
        Some(text) => is_among(reply.status, text)?,
        None => reply.status < 400,
    };
    Ok(if status_fits { fault } else { Some(format!("status {}", reply.status)) })
}

fn is_among(status: u16, text: &str) -> Result<bool, String> {
    let fault = || format!("`{text}` is no list of statuses such as `200-299,404`");
    let number = |text: &str| text.trim().parse::<u16>().map_err(|_| fault());
    let mut fits = false;
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        fits |= (number(low)?..=number(high)?).contains(&status);
    }
    Ok(fits)
}

fn json_fits(expectation: &str, reply: &Reply) -> bool {
    let (pointer, wanted) = match expectation.split_once('=') {
        Some((pointer, value)) => (pointer, Some(value)),
        None => (expectation, None),
    };
    let wanted = wanted
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_string())));
    match (reply.json_at(pointer), wanted) {
        (Some(found), Some(wanted)) => found == wanted,
        (found, None) => found.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &[(&str, &str)], reply: &Reply, fails: bool) {
        let options: Vec<_> = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        assert_eq!(judge(&options, reply).map(|fault| fault.is_some()), Ok(fails), "{options:?}");
    }

    #[test]
    fn expectations_are_those_of_the_host() {
        let ok = Reply::json(200, serde_json::json!({ "ok": true, "n": 3 }));
        check(&[], &ok, false);
        check(&[("expect-status", "201")], &ok, true);
        check(&[("expect-status", "200-299,404")], &ok, false);
        check(&[("expect-contains", "true")], &ok, false);
        check(&[("expect-contains", "false")], &ok, true);
        check(&[("expect-json", "/ok=true")], &ok, false);
        check(&[("expect-json", "/n=4")], &ok, true);
        check(&[("expect-json", "/n")], &ok, false);
        check(&[], &Reply::status(500), true);
        check(&[("expect-status", "500")], &Reply::status(500), false);
        assert!(judge(&[("colour".to_string(), "red".to_string())], &ok).is_err());
    }
}
