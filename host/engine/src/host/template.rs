//! A template as the guest holds it: the request, or what is wrong with it.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::sync::Arc;

use super::sample::Series;
use crate::bindings::http as wit;
use crate::http::{Body, Template, TemplateError};
use crate::load::vu::ShardContext;

/// A request that the guest made once to send it often.
pub struct HostTemplate {
    /// A request, or what is wrong with it: the guest is told when it sends.
    request: Result<Template, Faulty>,
    /// Under which it was counted last, and the path of groups that were open then.
    series: Option<(Arc<str>, Series)>,
    /// Held against the user's `kept_bytes`.
    pub(super) held: u64,
}

struct Faulty {
    method: String,
    name: String,
    why: String,
}

impl Default for HostTemplate {
    /// Stands in the table while a template is being sent.
    fn default() -> Self {
        let why = "the template is being sent".to_string();
        Self {
            request: Err(Faulty { method: String::new(), name: String::new(), why }),
            series: None,
            held: 0,
        }
    }
}

impl HostTemplate {
    pub(super) fn new(method: String, url: String) -> Self {
        let request = Template::new(&method, &url).map_err(|error| Faulty {
            method,
            name: url,
            why: error.to_string(),
        });
        Self { request, ..Self::default() }
    }

    /// A request made on the spot.
    pub(super) fn once(from: wit::Request) -> Self {
        let wit::Request { method, url, headers, body, name, tags, options } = from;
        let build = || -> Result<Template, TemplateError> {
            let mut template = Template::once(&method, &url)?;
            template.headers(headers)?;
            template.body(converted(body))?;
            options.iter().try_for_each(|(key, value)| template.set(key, value))?;
            if name.is_some() || !tags.is_empty() {
                let series = name.unwrap_or_else(|| template.series_name().to_string());
                template.name(&series, tags);
            }
            Ok(template)
        };
        let request = build().map_err(|error| {
            let name = url.split(['?', '#']).next().unwrap_or_default().to_string();
            Faulty { method, name, why: error.to_string() }
        });
        Self { request, ..Self::default() }
    }

    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Template) -> Result<(), TemplateError>,
    ) -> Result<(), String> {
        // Whatever is changed may be the name of the series.
        self.series = None;
        match &mut self.request {
            Ok(template) => change(template).map_err(|error| error.to_string()),
            Err(faulty) => Err(faulty.why.clone()),
        }
    }

    /// As above, where the contract has no way to tell the guest before it sends.
    pub(super) fn change_or_spoil(
        &mut self,
        change: impl FnOnce(&mut Template) -> Result<(), TemplateError>,
    ) {
        if let Err(why) = self.change(change)
            && let Ok(template) = &self.request
        {
            let (method, name) =
                (template.method().to_string(), template.series_name().to_string());
            self.request = Err(Faulty { method, name, why });
        }
    }

    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        self.change(|template| template.set(key, value))
    }

    /// If it can be sent.
    pub(super) fn request(&self) -> Option<&Template> {
        self.request.as_ref().ok()
    }

    /// Bytes of memory that it takes, roughly.
    pub(super) fn kept_bytes(&self) -> u64 {
        match &self.request {
            Ok(template) => template.kept_bytes(),
            Err(Faulty { method, name, why }) => (method.len() + name.len() + why.len()) as u64,
        }
    }

    /// The request, or what is wrong with it, and under what it is counted while these
    /// groups are open.
    #[inline]
    pub(super) fn resolve(
        &mut self,
        shard: &ShardContext,
        group: &Arc<str>,
    ) -> (Result<&Template, &str>, &Series) {
        let Self { request, series, .. } = self;
        let request = request.as_ref();
        if series.as_ref().is_some_and(|(known, _)| !Arc::ptr_eq(known, group)) {
            *series = None;
        }
        let (_, series) = series.get_or_insert_with(|| {
            let (method, name, tags) = match request {
                Ok(template) => (template.method(), template.series_name(), template.tags()),
                Err(faulty) => (&*faulty.method, &*faulty.name, &[][..]),
            };
            (Arc::clone(group), Series::new(&shard.recorder, method, name, tags, group))
        });
        (request.map_err(|faulty| &*faulty.why), series)
    }
}

pub(super) fn converted(body: wit::Body) -> Body {
    match body {
        wit::Body::None => Body::None,
        wit::Body::Text(text) => Body::Text(text),
        wit::Body::Bytes(bytes) => Body::Bytes(bytes),
    }
}
