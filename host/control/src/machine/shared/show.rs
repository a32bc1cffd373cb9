//! What is shared, for people.

use std::collections::BTreeMap;

use super::lease::{Held, Source};
use super::{Holder, Name, Place, Shared, waiting_at};
use crate::view::{LeasedView, MeetingView, SharedView};

impl Shared {
    pub(in crate::machine) fn show(&self) -> SharedView {
        let meeting = |(name, meeting): (&Name, &super::Meeting)| MeetingView {
            name: name.clone(),
            size: meeting.size,
            waiting: waiting_at(&self.holders, name),
            releases: meeting.releases,
            released: meeting.released,
        };
        SharedView {
            rows: self.leased(&self.rows, |holder| &holder.rows),
            numbers: self.leased(&self.numbers, |holder| &holder.numbers),
            counters: self.counters.clone(),
            meetings: self.meetings.iter().map(meeting).collect(),
        }
    }

    fn leased(
        &self,
        sources: &BTreeMap<Name, Source>,
        held: impl Fn(&Holder) -> &BTreeMap<Name, Held>,
    ) -> Vec<LeasedView> {
        let show = |(name, source): (&Name, &Source)| {
            let (mut in_stock, mut withheld) = (0, source.withheld());
            for holder in self.holders.values() {
                match held(holder).get(name) {
                    Some(held) if holder.place == Place::In => in_stock += held.stock(),
                    Some(held) => withheld += held.in_doubt(),
                    None => {}
                }
            }
            LeasedView {
                name: name.clone(),
                total: source.end(),
                leased: source.leased(),
                taken: source.taken,
                in_stock,
                withheld,
                repeated: source.repeated,
            }
        };
        sources.iter().map(show).collect()
    }
}
