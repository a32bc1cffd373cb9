//! Workers that live and do not confirm what they were told of their share.
//!
//! Whatever is on its way waits for its giver and its taker. One that never answers must hold up nobody else.

use std::time::Duration;

use loadhost_model::text::format_duration;

use super::super::run::{Part, Run, Standing};
use super::super::slots::SeatNumber;
use super::super::{Machine, Now};
use crate::view::NoteKind;

/// Slots that are ready wait for so long at most until their taker works by its former share and can be told of
/// them, and givers have as long to let go. Counted as [`Run::unconfirmed`].
const CONFIRM: Duration = Duration::from_secs(10);

impl Machine {
    /// What is on its way to somebody that does not answer goes to others; its share is stated again.
    pub(super) fn notice_overdue(&mut self, now: Now, run: &mut Run) {
        for at in 0..run.parts.len() {
            let Some(part) = run.parts.get_mut(at) else { continue };
            let is_there = part.standing != Standing::Out;
            let is_done = part.is_settled(now.wall) && part.is_running();
            let is_awaited = part.overdue || run.slots.wait_for(part.seat, now.wall);
            if !is_there || is_done || !is_awaited {
                (part.overdue, part.awaited_since) = (false, None);
                continue;
            }
            // Who is silent is heard of again or lost within seconds.
            if !part.lost && !self.is_alive(part) {
                part.awaited_since = None;
                continue;
            }
            let since = *part.awaited_since.get_or_insert(now.mono);
            if now.mono.saturating_sub(since) >= CONFIRM {
                self.give_up_waiting(now, run, at);
            }
        }
    }

    fn give_up_waiting(&mut self, now: Now, run: &mut Run, at: usize) {
        let Some(part) = run.parts.get_mut(at) else { return };
        (part.overdue, part.awaited_since) = (true, Some(now.mono));
        let (seat, worker, from) = (part.seat, part.worker.clone(), part.share_from);
        run.unconfirmed = run.unconfirmed.saturating_add(1);
        let slots = run.slots.orphan(seat);
        self.state_share(run, at, from);
        self.news = true;
        let time = format_duration(CONFIRM);
        let mut message = format!(
            "worker `{worker}` has not confirmed its share of the load for {time}; it is told again"
        );
        if slots > 0 {
            let percent = 100.0 * f64::from(slots) / f64::from(run.slots.of());
            message += &format!(
                ", and {percent:.1} % of the load that was on the way to it goes to others"
            );
        }
        run.note(now.mono, NoteKind::Warning, message);
    }
}

impl Run {
    /// Who does not answer, in the order of seats.
    pub(super) fn overdue(&self) -> Vec<SeatNumber> {
        let is_overdue = |part: &&Part| part.overdue && part.standing != Standing::Out;
        let mut seats: Vec<SeatNumber> =
            self.parts.iter().filter(is_overdue).map(|part| part.seat).collect();
        seats.sort_unstable();
        seats
    }
}
