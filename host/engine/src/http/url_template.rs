//! The URL of a template: what it hangs on, and the path with its places.

use std::sync::Arc;

use super::origin::{Origin, split_absolute};
use super::template::TemplateError;
use super::text::{Part, Text, encode_url_literal};

/// The URL, taken apart.
#[derive(Debug, Clone)]
pub(super) struct UrlTemplate {
    pub(super) base: Base,
    /// Path and query, without the fragment.
    pub(super) path: Text,
}

/// What the path hangs on.
#[derive(Debug, Clone)]
pub(super) enum Base {
    /// The run's target.
    Target,
    /// An origin known beforehand.
    Fixed { origin: Arc<Origin>, authorization: Option<String> },
    /// Scheme and authority have places, or the URL begins with one.
    Dynamic(Text),
}

impl UrlTemplate {
    /// Of a URL as its author wrote it, whose places are found.
    pub(super) fn new(text: Text) -> Result<Self, TemplateError> {
        let (base, path) = match text.parts().first() {
            None => (Base::Target, text),
            Some(Part::Place(_)) => Self::split_dynamic(&text),
            Some(Part::Literal(literal)) => match split_absolute(literal) {
                Ok(None) => (Base::Target, text),
                // With a place behind it, the authority may go on.
                Ok(Some((_, ""))) | Err(TemplateError::Url { .. }) if text.has_places() => {
                    Self::split_dynamic(&text)
                }
                Ok(Some((site, rest))) => {
                    let (_, path) = text.split_at(0, literal.len() - rest.len());
                    let origin = Arc::new(site.origin);
                    (Base::Fixed { origin, authorization: site.authorization }, path)
                }
                Err(error) => return Err(error),
            },
        };
        let mut path = without_fragment(path);
        path.map_literals(encode_url_literal);
        Ok(Self { base, path })
    }

    /// Bytes of memory that it takes beside itself.
    pub(super) fn kept_bytes(&self) -> u64 {
        let base = match &self.base {
            Base::Target => 0,
            Base::Fixed { authorization, .. } => {
                authorization.as_ref().map_or(0, |text| text.len() as u64)
            }
            Base::Dynamic(text) => text.kept_bytes(),
        };
        base + self.path.kept_bytes()
    }

    /// The path begins at the first slash that is not the scheme's.
    fn split_dynamic(text: &Text) -> (Base, Text) {
        for (index, part) in text.parts().iter().enumerate() {
            let Part::Literal(literal) = part else { continue };
            let from = literal.find("://").map_or(0, |at| at + 3);
            if let Some(at) = literal[from..].find(['/', '?', '#']) {
                let (base, path) = text.split_at(index, from + at);
                return (Base::Dynamic(base), path);
            }
        }
        (Base::Dynamic(text.clone()), Text::default())
    }
}

/// The text before the first `#` of a literal. Places behind it still take their values.
fn without_fragment(text: Text) -> Text {
    let hash = text.parts().iter().enumerate().find_map(|(index, part)| match part {
        Part::Literal(literal) => literal.find('#').map(|at| (index, at)),
        Part::Place(_) => None,
    });
    match hash {
        Some((index, at)) => text.split_at(index, at).0,
        None => text,
    }
}
