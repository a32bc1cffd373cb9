//! Which request of a trace is which: the id of its span, and the header that tells the target.

use std::collections::VecDeque;

use fastrand::Rng;

/// Marks the requests of one iteration as parts of its trace.
#[derive(Debug)]
pub(crate) struct Marks {
    trace_id: u128,
    /// Whether the target is told.
    propagate: bool,
    ids: Rng,
    /// Of the requests that were sent last, in their order.
    issued: VecDeque<u64>,
}

impl Marks {
    pub(crate) fn new(trace_id: u128, propagate: bool, ids: Rng) -> Self {
        Self { trace_id, propagate, ids, issued: VecDeque::new() }
    }

    /// Forgets requests whose marks nobody took, since they were cancelled.
    pub(super) fn forget(&mut self) {
        self.issued.clear();
    }

    /// Marks the next request. The header line, with its end, if the target is told.
    #[cold]
    pub(super) fn issue(&mut self) -> Option<Box<str>> {
        let id = self.ids.u64(1..);
        self.issued.push_back(id);
        self.propagate.then(|| traceparent(self.trace_id, id).into())
    }

    /// The id of the next request of which nobody asked it yet.
    pub(super) fn take(&mut self) -> Option<u64> {
        self.issued.pop_front()
    }
}

/// W3C Trace Context, level 1: version, trace, parent (the request's own span), and that it is sampled.
fn traceparent(trace_id: u128, span_id: u64) -> String {
    format!("traceparent: 00-{trace_id:032x}-{span_id:016x}-01\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_the_standard_has_it() {
        assert_eq!(
            traceparent(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7),
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
        );
    }

    #[test]
    fn marks_are_taken_in_the_order_of_the_requests() {
        let mut marks = Marks::new(1, true, Rng::with_seed(1));
        let lines: Vec<_> = (0..3).filter_map(|_| marks.issue()).collect();
        for line in lines {
            let id = marks.take().map(|id| format!("-{id:016x}-"));
            assert!(id.is_some_and(|id| line.contains(&id)), "{line}");
        }
        assert_eq!(marks.take(), None);
        marks.issue();
        marks.forget();
        assert_eq!(marks.take(), None);
    }
}
