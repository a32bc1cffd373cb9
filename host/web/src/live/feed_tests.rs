#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn whole(n: u32) -> Whole {
    Whole { doc: Arc::new(json!({"run": {"n": n}})), rows: vec![row(0, 1.0)], logs: Vec::new() }
}

fn row(at: u32, value: f64) -> Vec<Cell> {
    vec![Some(at.into()), Some(value)]
}

/// Event and data of each message.
fn read(parts: &[Bytes]) -> Vec<(String, Value)> {
    let one = |bytes: &Bytes| {
        let text = std::str::from_utf8(bytes).unwrap();
        let line = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            line.to_string()
        };
        assert!(text.ends_with("\n\n"), "{text}");
        (line("event: "), serde_json::from_str(&line("data: ")).unwrap())
    };
    parts.iter().map(one).collect()
}

fn advanced(feed: &Feed, counters: &Counters, to: u32) {
    feed.advance(Arc::new(json!({"run": {"n": to}})), &[row(to, 2.0)], &[], counters);
}

#[test]
fn the_first_message_is_everything_and_then_only_changes() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    let (seen, parts) = feed.behind(None, false, &counters).unwrap();
    let [(event, data)] = &read(&parts)[..] else { panic!() };
    assert_eq!((event.as_str(), &data["doc"]), ("snapshot", &json!({"run": {"n": 0}})));
    assert_eq!(data["points"]["rows"], json!([[0.0, 1.0]]));
    assert!(feed.behind(Some(seen), false, &counters).is_none());
    advanced(&feed, &counters, 1);
    let (_, parts) = feed.behind(Some(seen), false, &counters).unwrap();
    let wanted = json!({"patch": {"run": {"n": 1}}, "points": [[1.0, 2.0]]});
    assert_eq!(read(&parts), [("delta".to_string(), wanted)]);
}

#[test]
fn who_was_away_for_less_than_is_held_gets_what_was_missed() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    for n in 1..=HELD as u32 {
        advanced(&feed, &counters, n);
    }
    let (_, parts) = feed.behind(Some(1), true, &counters).unwrap();
    assert_eq!(parts.len(), HELD);
    advanced(&feed, &counters, 999);
    let (_, parts) = feed.behind(Some(1), true, &counters).unwrap();
    let [(event, data)] = &read(&parts)[..] else { panic!() };
    assert_eq!((event.as_str(), &data["doc"]["run"]["n"]), ("snapshot", &json!(999)));
    assert_eq!(data["points"]["rows"].as_array().unwrap().len(), HELD + 2);
}

#[test]
fn a_slow_page_gets_the_whole_anew_and_is_counted() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    for n in 1..=MAX_BEHIND as u32 {
        advanced(&feed, &counters, n);
    }
    assert_eq!(feed.behind(Some(1), false, &counters).unwrap().1.len(), MAX_BEHIND as usize);
    advanced(&feed, &counters, 99);
    let (_, parts) = feed.behind(Some(1), false, &counters).unwrap();
    assert_eq!(read(&parts)[0].0, "snapshot");
    assert_eq!(counters.slow.load(Ordering::Relaxed), 1);
}

#[test]
fn a_snapshot_is_made_once_for_all() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    let (_, first) = feed.behind(None, false, &counters).unwrap();
    let (_, second) = feed.behind(None, false, &counters).unwrap();
    assert_eq!(first[0].as_ptr(), second[0].as_ptr());
    assert_eq!(counters.snapshots.load(Ordering::Relaxed), 1);
}

#[test]
fn after_another_run_took_its_place_no_change_is_resumed() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    advanced(&feed, &counters, 1);
    feed.replace(whole(50));
    let (seen, parts) = feed.behind(Some(2), true, &counters).unwrap();
    assert_eq!(read(&parts)[0].0, "snapshot");
    advanced(&feed, &counters, 51);
    assert_eq!(read(&feed.behind(Some(seen), true, &counters).unwrap().1)[0].0, "delta");
    assert_eq!(read(&feed.behind(Some(2), true, &counters).unwrap().1)[0].0, "snapshot");
}

#[test]
fn that_time_goes_by_is_no_message() {
    let (feed, counters) = (Feed::new(Whole::default()), Counters::default());
    feed.advance(Arc::new(json!({"fleet": {"at": 1, "term": 1}})), &[], &[], &counters);
    let seen = feed.behind(None, false, &counters).unwrap().0;
    feed.advance(Arc::new(json!({"fleet": {"at": 2, "term": 1}})), &[], &[], &counters);
    assert!(feed.behind(Some(seen), false, &counters).is_none());
    feed.advance(Arc::new(json!({"fleet": {"at": 3, "term": 2}})), &[], &[], &counters);
    assert!(feed.behind(Some(seen), false, &counters).is_some());
}

#[test]
fn ids_of_another_feed_mean_nothing() {
    let (feed, counters) = (Feed::new(whole(0)), Counters::default());
    advanced(&feed, &counters, 1);
    let own = format!("{}-1", feed.epoch);
    assert_eq!(feed.seen_by(&own), Some(1));
    for foreign in ["x-1", "1", "", &format!("{}-9", feed.epoch), &format!("{}-x", feed.epoch)] {
        assert_eq!(feed.seen_by(foreign), None, "{foreign}");
    }
}

#[test]
fn an_amended_second_takes_its_place() {
    let rows = merged(vec![row(0, 1.0), row(1, 1.0)], &[row(1, 5.0), row(2, 1.0)]);
    assert_eq!(rows, [row(0, 1.0), row(1, 5.0), row(2, 1.0)]);
}
