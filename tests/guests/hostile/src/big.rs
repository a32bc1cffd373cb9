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
        // Little text that takes much room once it is kept.
        "kept-tags" => keep(400, |template| template.name("n", &vec![Default::default(); 20_000])),
        "kept-places" => {
            let body = http::Body::Text("{a}".repeat(MIB));
            keep(10, |template| template.body(&body));
        }
        "kept-json" => {
            let text = format!("=[{}[]]", "[],".repeat(20_000));
            keep(60, |template| {
                (0..16).for_each(|_| template.set("expect-json", &text).unwrap());
            });
        }
        "long-json" => {
            let text = format!("=[{}[]]", "[],".repeat(MIB));
            let refused = http::Template::new("GET", "/").set("expect-json", &text);
            return Some(Err(Failure::Failed(refused.err().unwrap_or_default())));
        }
        "many-places" => {
            let body: String = (0..50_000).map(|n| format!("{{{n}}}")).collect();
            http::Template::new("POST", "/").body(&http::Body::Text(body));
        }
        "many-headers" => {
            let request = http::Request {
                method: "GET".into(),
                url: "/".into(),
                headers: vec![("a".into(), String::new()); 20_000],
                body: http::Body::None,
                name: None,
                tags: vec![],
                options: vec![],
            };
            let _ = http::send(&request);
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

/// Makes so many templates, and lets go of none.
fn keep(count: usize, change: impl Fn(&http::Template)) {
    let make = |_| {
        let template = http::Template::new("POST", "/");
        change(&template);
        template
    };
    black_box((0..count).map(make).collect::<Vec<_>>());
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
