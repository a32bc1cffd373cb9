//! Requests that were sent before are sent by handle.
//!
//! A [`Spec`] is all of a request but its values. Two requests with equal specs share one
//! template of the host, wherever they stand in the source, so the second sending is one
//! call to the host.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use super::{Cause, Error, Result, places};
use crate::host;
use crate::log::{Level, log};

/// Templates of one user. More means that values were formatted into URLs.
const MAX_TEMPLATES: usize = 512;

/// A request without its values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Spec<'a> {
    pub(crate) method: Cow<'a, str>,
    pub(crate) url: Cow<'a, str>,
    pub(crate) parts: Vec<Part<'a>>,
}

/// What else there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part<'a> {
    /// A header whose value comes with the sending.
    Header(Cow<'a, str>),
    /// A header that the SDK adds.
    Fixed(&'static str, &'static str),
    /// A text as body comes with the sending.
    Body,
    Name(Cow<'a, str>),
    Tag(Cow<'a, str>, Cow<'a, str>),
    Setting(&'static str, Cow<'a, str>),
}

impl Spec<'_> {
    /// Method and name of the series.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.method, self.name().unwrap_or(&self.url))
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Name(name) => Some(&**name),
            _ => None,
        })
    }

    pub(crate) fn tags(&self) -> Vec<(String, String)> {
        let tags = self.parts.iter().filter_map(|part| match part {
            Part::Tag(key, value) => Some((key.to_string(), value.to_string())),
            _ => None,
        });
        tags.collect()
    }

    pub(crate) fn into_owned(self) -> Spec<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let parts = self.parts.into_iter().map(|part| match part {
            Part::Header(name) => Part::Header(owned(name)),
            Part::Fixed(name, value) => Part::Fixed(name, value),
            Part::Body => Part::Body,
            Part::Name(name) => Part::Name(owned(name)),
            Part::Tag(key, value) => Part::Tag(owned(key), owned(value)),
            Part::Setting(key, value) => Part::Setting(key, owned(value)),
        });
        let parts = parts.collect();
        Spec { method: owned(self.method), url: owned(self.url), parts }
    }
}

/// A template in the host.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) label: Rc<str>,
    pub(crate) places: usize,
    pub(crate) handle: host::Template,
}

impl Template {
    /// The one of an equal spec, or a new one.
    pub(crate) fn of(spec: &Spec<'_>) -> Result<Rc<Template>> {
        if let Some(template) = TEMPLATES.with_borrow(|cache| lookup(cache, spec)) {
            return Ok(template);
        }
        let template = Rc::new(Self::new(spec)?);
        TEMPLATES.with_borrow_mut(|cache| {
            if cache.len() >= MAX_TEMPLATES {
                cache.clear();
                log(
                    Level::Warn,
                    format_args!(
                        "more than {MAX_TEMPLATES} different requests, such as `{}`: write \
                         `get(\"/item/{{id}}\").with(id)` instead of formatting values into URLs",
                        template.label
                    ),
                );
            }
            cache.insert(spec.clone().into_owned(), template.clone());
        });
        Ok(template)
    }

    fn new(spec: &Spec<'_>) -> Result<Self> {
        let label: Rc<str> = spec.label().into();
        let denied = |why: String| Error::new(&*label, Cause::Denied(why));
        let places = places::count(&spec.url).ok_or_else(|| {
            denied("a brace in the URL has no partner; `{{` and `}}` stand for braces".to_string())
        })?;
        let handle = host::Template::new(&spec.method, &spec.url);
        let mut headers = 0;
        for part in &spec.parts {
            match part {
                Part::Header(name) => {
                    handle.header(name, &format!("{{_header_{headers}}}"));
                    headers += 1;
                }
                Part::Fixed(name, value) => handle.header(name, value),
                Part::Body => handle.body("{_body}"),
                Part::Setting(key, value) => handle.set(key, value).map_err(denied)?,
                Part::Name(_) | Part::Tag(..) => {}
            }
        }
        let tags = spec.tags();
        if spec.name().is_some() || !tags.is_empty() {
            handle.name(spec.name().unwrap_or(&spec.url), &tags);
        }
        Ok(Self { label: label.clone(), places, handle })
    }
}

type Cache = HashMap<Spec<'static>, Rc<Template>, BuildHasherDefault<Multiply>>;

/// Shortens the lifetime of the keys, so that a borrowed spec can be looked up.
fn lookup<'a>(
    cache: &HashMap<Spec<'a>, Rc<Template>, BuildHasherDefault<Multiply>>,
    spec: &Spec<'a>,
) -> Option<Rc<Template>> {
    cache.get(spec).cloned()
}

thread_local! {
    static TEMPLATES: RefCell<Cache> = RefCell::default();
}

/// Forgets handles, which belong to a world of a test.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn forget() {
    TEMPLATES.with_borrow_mut(HashMap::clear);
}

/// A quick hash (that of rustc): keys are the author's own, nobody attacks them.
#[derive(Debug, Default)]
struct Multiply(u64);

impl Multiply {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        for &byte in chunks.remainder() {
            self.mix(u64::from(byte));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u32(&mut self, word: u32) {
        self.mix(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::http::{get, post};
    use crate::test::{Reply, World};

    fn world() -> World {
        World::new().on("GET", "/item/{id}", Reply::status(200)).on(
            "POST",
            "/cart",
            Reply::status(200),
        )
    }

    #[test]
    fn a_request_is_made_once_and_then_sent_by_handle() {
        let world = world();
        for id in 0..10 {
            get("/item/{id}").with(id).header("X-Id", id).send().unwrap();
            post("/cart").json(&id).expect_status(200).send().unwrap();
        }
        assert_eq!((world.templates(), world.sent().len()), (2, 20));
    }

    #[test]
    fn requests_that_differ_in_more_than_values_are_apart() {
        let world = world();
        get("/item/{id}").with(1).send().unwrap();
        get("/item/{id}").with(1).name("item").send().unwrap();
        get("/item/{id}").with(1).expect_status(200).send().unwrap();
        get("/item/{id}").with(1).header("A", 1).send().unwrap();
        get("/item/{id}").with(1).header("B", 1).send().unwrap();
        assert_eq!(world.templates(), 5);
    }

    #[test]
    fn urls_with_values_formatted_into_them_stay_bounded_and_are_warned_of() {
        let world = world();
        for id in 0..1100 {
            get(format!("/item/{id}")).send().unwrap();
        }
        let held = super::TEMPLATES.with_borrow(|cache| cache.len());
        assert!(held <= super::MAX_TEMPLATES, "{held} templates are held");
        assert_eq!(world.logs().len(), 2);
        assert!(
            world.logs()[0].1.contains("write `get(\"/item/{id}\").with(id)`"),
            "{:?}",
            world.logs()
        );
    }
}
