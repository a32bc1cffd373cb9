//! Distributions as HdrHistogram V2, base64: the form that other tools read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use loadhost_model::histogram::Histogram;

/// A distribution in microseconds as text.
pub fn encode(histogram: &Histogram) -> String {
    let mut bytes = Vec::new();
    // Writing to memory fails only beyond what a histogram can hold.
    match V2Serializer::new().serialize(&histogram.to_hdr(), &mut bytes) {
        Ok(_) => STANDARD.encode(&bytes),
        Err(_) => String::new(),
    }
}

/// What [`encode`] made. None: no such text.
pub fn decode(text: &str) -> Option<Histogram> {
    let bytes = STANDARD.decode(text).ok()?;
    let hdr = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).ok()?;
    Some(Histogram::from_hdr(&hdr))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_distribution_survives_the_way_through_json() {
        let mut histogram = Histogram::new();
        (1..10_000_u64).for_each(|n| histogram.record(n * 37 % 90_001));
        let back = decode(&encode(&histogram)).unwrap();
        assert_eq!(back.count(), histogram.count());
        for q in [0.01, 0.5, 0.95, 0.999] {
            assert_eq!(back.quantile(q), histogram.quantile(q));
        }
        assert!(decode("no base64!").is_none());
        assert!(decode("AAAA").is_none());
    }
}
