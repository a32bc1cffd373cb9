//! The page's files, embedded in the program: no build step, no folder to install.
//!
//! Each file is made ready once: comments of our own modules and casts for the type checker are left out, and it is packed. Names are looked up
//! in a table and never in a file system.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, File, include_dir};
use sha2::{Digest as _, Sha256};

use crate::refusal::Refusal;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets");
static READY: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let mut ready = BTreeMap::new();
    collect(&FILES, &mut ready);
    ready
});

/// Looked at anew each time, which costs nothing if it has not changed: names do not change with contents.
const CACHE: &str = "no-cache";

/// A file that is ready.
struct Asset {
    kind: &'static str,
    plain: Bytes,
    /// None: packing saves nothing.
    packed: Option<Bytes>,
    /// Of the plain form, without quotes.
    tag: String,
}

fn collect(folder: &'static Dir<'static>, ready: &mut BTreeMap<String, Asset>) {
    for file in folder.files() {
        let Some(path) = file.path().to_str() else { continue };
        if let Some(asset) = Asset::of(path, file) {
            ready.insert(path.to_string(), asset);
        }
    }
    for folder in folder.dirs() {
        collect(folder, ready);
    }
}

fn kind_of(path: &str) -> Option<&'static str> {
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

impl Asset {
    /// None: it is no part of the page, such as its types.
    fn of(path: &str, file: &'static File<'static>) -> Option<Self> {
        let kind = kind_of(path)?;
        let is_own =
            !path.starts_with("vendor/") && matches!(path.rsplit('.').next(), Some("js" | "css"));
        let plain = match file.contents_utf8().filter(|_| is_own) {
            Some(text) => Bytes::from(without_comments(text)),
            None => Bytes::from_static(file.contents()),
        };
        let packed = packed(&plain).filter(|packed| packed.len() < plain.len());
        let mut tag = String::new();
        for byte in &Sha256::digest(&plain)[..12] {
            let _ = write!(tag, "{byte:02x}");
        }
        Some(Self { kind, plain, packed, tag })
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let says = |name, what: &str| {
            let text =
                headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
            text.is_some_and(|text| text.contains(what))
        };
        let packed = self.packed.as_ref().filter(|_| says(header::ACCEPT_ENCODING, "gzip"));
        let form = if packed.is_some() { "-gz" } else { "" };
        let tag = format!("\"{}{form}\"", self.tag);
        let fresh = says(header::IF_NONE_MATCH, &tag);
        let common = [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, CACHE.to_string()),
            (header::VARY, "accept-encoding".to_string()),
        ];
        if fresh {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.kind)];
        match packed {
            Some(packed) => {
                let packing = [(header::CONTENT_ENCODING, "gzip")];
                (common, kind, packing, packed.clone()).into_response()
            }
            None => (common, kind, self.plain.clone()).into_response(),
        }
    }
}

fn packed(bytes: &[u8]) -> Option<Bytes> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).ok()?;
    packer.finish().ok().map(Bytes::from)
}

/// Without comments that have lines of their own, and without the blanks that lines begin with.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        let bare = line.trim_start();
        if inside {
            inside = !bare.trim_end().ends_with("*/");
        } else if bare.starts_with("/*") && !bare.contains("*/") {
            inside = true;
        } else if !(bare.is_empty()
            || bare.starts_with("//")
            || bare.starts_with("/*") && bare.trim_end().ends_with("*/"))
        {
            push_without_casts(&mut kept, bare);
            kept.push('\n');
        }
    }
    kept
}

/// A line without what only the type checker reads: `/** @type … */` before a value or a parameter.
fn push_without_casts(kept: &mut String, mut line: &str) {
    while let Some((before, rest)) = line.split_once("/** @") {
        let Some((_, after)) = rest.split_once("*/") else { break };
        kept.push_str(before);
        line = after.strip_prefix(' ').unwrap_or(after);
    }
    kept.push_str(line);
}

fn answer(path: &str, headers: &HeaderMap) -> Response {
    match READY.get(path) {
        Some(asset) => asset.answer(headers),
        None => {
            let message = format!("the page has no file {path:?}");
            Refusal::not_found("not-found", message, "GET / is the page").into_response()
        }
    }
}

/// The page at `/`, and its files below `/assets`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async |headers: HeaderMap| answer("index.html", &headers)))
        .route("/index.html", get(async |headers: HeaderMap| answer("index.html", &headers)))
        .route("/favicon.ico", get(async |headers: HeaderMap| answer("icon.svg", &headers)))
        .route(
            "/assets/{*path}",
            get(async |Path(path): Path<String>, headers: HeaderMap| answer(&path, &headers)),
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
        answer(path, &headers.collect())
    }

    #[tokio::test]
    async fn a_file_comes_packed_once_and_then_not_at_all() {
        let first = ask("app.js", &[(header::ACCEPT_ENCODING, "br, gzip")]);
        assert_eq!(first.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_string();
        let body = axum::body::to_bytes(first.into_body(), usize::MAX).await.unwrap();
        let mut text = String::new();
        GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        let plain = ask("app.js", &[]);
        assert_ne!(plain.headers()[header::ETAG], tag, "two forms have two tags");
        let plain = axum::body::to_bytes(plain.into_body(), usize::MAX).await.unwrap();
        assert_eq!(text.as_bytes(), plain);
        let known = [(header::ACCEPT_ENCODING, "gzip"), (header::IF_NONE_MATCH, tag.as_str())];
        assert_eq!(ask("app.js", &known).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn only_files_of_the_page_are_served() {
        for path in ["../Cargo.toml", "/etc/passwd", "types.d.ts", "vendor/VERSIONS", "", "vendor"]
        {
            assert_eq!(ask(path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(ask("index.html", &[]).status(), StatusCode::OK);
    }

    #[test]
    fn comments_on_lines_of_their_own_are_left_out() {
        let text = "// head\n/**\n * Doc.\n */\nexport const a = 'http://x'; // stays\n  /* one */\n\n  go();\n";
        assert_eq!(without_comments(text), "export const a = 'http://x'; // stays\ngo();\n");
    }

    #[test]
    fn casts_for_the_type_checker_are_left_out() {
        let cases = [
            ("const a = /** @type {any} */ (b);\n", "const a = (b);\n"),
            ("(/** @type {A} */ a, /** @type {B<C>} */ b) => a;\n", "(a, b) => a;\n"),
            ("const a = 1; /* stays */ b('/**');\n", "const a = 1; /* stays */ b('/**');\n"),
            ("call(/** @type {any} */\n", "call(\n"),
            ("const a = '/** @';\n", "const a = '/** @';\n"),
        ];
        for (text, kept) in cases {
            assert_eq!(without_comments(text), kept);
        }
    }
}
