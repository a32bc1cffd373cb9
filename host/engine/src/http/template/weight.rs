//! How much memory a template takes: what a guest keeps counts against its limit.

use super::{Body, BodyTemplate, HeaderTemplate, Source, Template};

/// What an allocation takes beside its bytes, roughly.
const ALLOCATION: usize = 16;

impl Template {
    /// Bytes of memory that it takes beside itself, roughly: as given and as compiled.
    pub fn kept_bytes(&self) -> u64 {
        let Source { method, url, headers, body, .. } = &self.source;
        let pair = |(name, value): &(String, String)| {
            size_of::<(String, String)>() + 2 * ALLOCATION + name.len() + value.len()
        };
        let pairs: usize = headers.iter().chain(&self.tags).map(pair).sum();
        let place = |name: &String| size_of::<String>() + ALLOCATION + name.len();
        let places: usize = self.places.iter().map(place).sum();
        let given = method.len() + url.len() + pairs + body.len() + self.series_name.len();
        let lines: u64 = self.headers.iter().map(HeaderTemplate::kept_bytes).sum();
        let body = match &self.body {
            BodyTemplate::None => 0,
            BodyTemplate::Fixed(bytes) => bytes.len() as u64,
            BodyTemplate::Text(text) => text.kept_bytes(),
        };
        let lines = lines + self.header_block.kept_bytes();
        let compiled = self.url.kept_bytes() + lines + body + self.settings.expect.kept_bytes();
        (given + places) as u64 + compiled
    }
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl HeaderTemplate {
    fn kept_bytes(&self) -> u64 {
        (size_of::<Self>() + 3 * ALLOCATION + self.name.len()) as u64 + self.line.kept_bytes()
    }
}
