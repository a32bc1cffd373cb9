//! What the users of a run shared, as lines of summary and report.

use loadhost_control::view::{LeasedView, MeetingView, SharedView};

use super::format::grouped;

/// Name and figures of each data set, number, counter and rendezvous.
pub fn lines(shared: &SharedView) -> Vec<(String, String)> {
    let rows = shared.rows.iter().map(|set| (format!("rows of {}", set.name), rows_of(set)));
    let numbers = shared
        .numbers
        .iter()
        .map(|source| (format!("numbers {}", source.name), handed_out(source).join(" · ")));
    let counters =
        shared.counters.iter().map(|(name, sum)| (format!("counter {name}"), signed(*sum)));
    let meetings =
        shared.meetings.iter().map(|place| (format!("rendezvous {}", place.name), meetings(place)));
    rows.chain(numbers).chain(counters).chain(meetings).collect()
}

fn rows_of(set: &LeasedView) -> String {
    let mut parts = handed_out(set);
    if let (Some(total), Some(first)) = (set.total, parts.first_mut()) {
        *first = format!("{} of {} used", grouped(set.taken), grouped(total));
    }
    parts.join(" · ")
}

fn handed_out(source: &LeasedView) -> Vec<String> {
    let mut parts = vec![format!("{} used", grouped(source.taken))];
    if source.withheld > 0 {
        parts.push(format!("{} withheld: who had them is gone", grouped(source.withheld)));
    }
    if source.repeated > 0 {
        parts
            .push(format!("{} at most used twice: who had them is gone", grouped(source.repeated)));
    }
    parts
}

fn meetings(place: &MeetingView) -> String {
    let (times, users) = (grouped(place.releases), grouped(place.released));
    format!(
        "of {} users · {times} times · {users} users went on together",
        grouped(place.size.into())
    )
}

fn signed(sum: i64) -> String {
    format!("{}{}", if sum < 0 { "-" } else { "" }, grouped(sum.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_shared_has_a_line() {
        let users = LeasedView {
            name: "users".into(),
            total: Some(5_000),
            taken: 1_200,
            withheld: 40,
            ..LeasedView::default()
        };
        let order = LeasedView { name: "order".into(), taken: 7, repeated: 3, ..users.clone() };
        let order = LeasedView { total: None, withheld: 0, ..order };
        let sale = MeetingView {
            name: "sale".into(),
            size: 4,
            releases: 12,
            released: 48,
            ..MeetingView::default()
        };
        let shared = SharedView {
            rows: vec![users],
            numbers: vec![order],
            counters: [("stock".into(), -1_234)].into(),
            meetings: vec![sale],
        };
        let lines: Vec<String> = lines(&shared)
            .into_iter()
            .map(|(name, figures)| format!("{name}: {figures}"))
            .collect();
        assert_eq!(
            lines,
            [
                "rows of users: 1,200 of 5,000 used · 40 withheld: who had them is gone",
                "numbers order: 7 used · 3 at most used twice: who had them is gone",
                "counter stock: -1,234",
                "rendezvous sale: of 4 users · 12 times · 48 users went on together",
            ]
        );
        assert!(super::lines(&SharedView::default()).is_empty());
    }
}
