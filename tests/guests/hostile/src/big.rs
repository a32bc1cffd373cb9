//! Much at once: bodies, names, lines, answers.

use std::hint::black_box;

use raw::{Failure, http, log, metrics, types};

const MIB: usize = 1 << 20;

/// None: it is another attack.
pub(crate) fn harm(attack: &str) -> Option<Result<(), Failure>> {
    if let Some(path) = attack.strip_prefix("get ") {
        return Some(get(path));
    }
    if let Some(bytes) = attack.strip_prefix("post ") {
        return Some(post(bytes.parse().unwrap()));
    }
    match attack {
        "bodies" => {
            let mut kept = Vec::new();
            let body = http::Body::Bytes(vec![7; MIB]);
            loop {
                let template = http::Template::new("POST", "/");
                template.body(&body);
                kept.push(template);
            }
        }
        "body-again" => {
            // The same template with ever another body is no more than the last one.
            let template = http::Template::new("POST", "/");
            let body = http::Body::Bytes(vec![7; MIB]);
            (0..200).for_each(|_| template.body(&body));
            (0..200).for_each(|_| {
                http::Template::new("POST", "/").body(&body);
            });
        }
        "answers" => {
            let mut kept = Vec::new();
            let template = http::Template::new("GET", "/bomb");
            loop {
                let answer = template.fetch(&[]).unwrap();
                // Only looking makes it large.
                answer.contains("no such text");
                kept.push(answer);
            }
        }
        "big-names" => {
            let long = "\x1b[2Jn".repeat(MIB / 5);
            let template = http::Template::new("GET", "/");
            let tags: Vec<types::Tag> = (0..40).map(|n| (n.to_string(), long.clone())).collect();
            template.name(&long, &tags[..2]);
            let _ = template.send(&[]);
            let metric = metrics::Metric::new(&long, metrics::Kind::Counter, &long);
            metric.add(1.0, &tags[..2]);
            let short: Vec<types::Tag> = (0..40).map(|n| (n.to_string(), "v".into())).collect();
            metric.add(1.0, &short);
            metrics::check(&long, true);
        }
        "many-lines" => log::log(log::Level::Info, &"\n".repeat(2 * MIB)),
        "expectations" => {
            let template = http::Template::new("GET", "/");
            let refused =
                (0..100).map(|_| template.set("expect-contains", "k")).find_map(Result::err);
            return Some(Err(Failure::Failed(refused.unwrap_or_default())));
        }
        "escaped-failure" => {
            return Some(Err(Failure::Failed("\x1b[2J".repeat(MIB))));
        }
        _ => return None,
    }
    Some(Ok(()))
}

/// Fails with the number of bytes that the guest sees of the answer.
fn get(path: &str) -> Result<(), Failure> {
    let template = http::Template::new("GET", path);
    let answer = template.fetch(&[]).map_err(|error| Failure::Failed(format!("{error:?}")))?;
    let (first, again) = (answer.bytes().len(), black_box(answer.bytes()).len());
    assert_eq!(first, again);
    Err(Failure::Failed(format!("{first} bytes")))
}

fn post(bytes: usize) -> Result<(), Failure> {
    let template = http::Template::new("POST", "/");
    template.body(&http::Body::Bytes(vec![7; bytes]));
    template.send(&[]).map(|_| ()).map_err(|error| Failure::Failed(format!("{error:?}")))
}
