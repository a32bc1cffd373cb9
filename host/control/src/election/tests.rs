//! One master's part, step by step.

#![allow(clippy::unwrap_used)]

use loadhost_model::id::Incarnation;

use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn new(incarnation: u64) -> Election {
    Election::new(ElectionConfig {
        id: format!("master-{incarnation}"),
        incarnation: Incarnation(incarnation),
        priority: 0,
        lease: ms(3_000),
        heartbeat: ms(1_000),
        step: ms(150),
    })
}

fn nothing() -> Input {
    Input::Answer(Answer::Read(Found { revision: 0, record: None }))
}

fn record(incarnation: u64, epoch: u64, released: bool) -> Option<LeaderRecord> {
    let id = format!("master-{incarnation}");
    let incarnation = Incarnation(incarnation);
    Some(LeaderRecord { id, incarnation, priority: 0, epoch: Term(epoch), heartbeat: 1, released })
}

fn found(revision: u64, record: Option<LeaderRecord>) -> Found {
    Found { revision, record }
}

fn only_swap(effects: &[Effect]) -> (Term, u64, bool) {
    match effects {
        [Effect::Ask(Request::Swap(record, revision))] => {
            (record.epoch, *revision, record.released)
        }
        other => panic!("{other:?}"),
    }
}

/// Leads in term 1 since 0 ms, under revision 5.
fn leading() -> Election {
    let mut one = new(1);
    assert_eq!(one.handle(ms(0), Input::Tick), [Effect::Ask(Request::Read)]);
    assert_eq!(one.handle(ms(0), nothing()), [Effect::Ask(Request::Probe)]);
    let taken = one.handle(ms(0), Input::Answer(Answer::Probed));
    assert_eq!(only_swap(&taken), (Term(1), 0, false));
    assert_eq!(one.handle(ms(0), Input::Answer(Answer::Swapped(5))), [Effect::Lead(Term(1))]);
    one
}

/// Stands by, and has seen a leader of term 7 under revision 20 at 0 ms.
fn standing_by(rank: u32) -> Election {
    let mut one = new(2);
    one.handle(ms(0), Input::Rank(rank));
    one.handle(ms(0), Input::Answer(Answer::Read(found(20, record(1, 7, false)))));
    one
}

/// Lets time go on to `until`, answering reads with what stands there; what was asked besides.
fn idle(one: &mut Election, until: Duration, stands: &Found) -> Vec<(Duration, Request)> {
    let mut asked = Vec::new();
    while let Some(at) = one.wake_at().filter(|at| *at <= until) {
        asked.extend(feed(one, at, Input::Tick, stands));
    }
    asked
}

/// What is asked besides reads, which are answered with what stands there.
fn feed(
    one: &mut Election,
    at: Duration,
    input: Input,
    stands: &Found,
) -> Vec<(Duration, Request)> {
    let mut asked = Vec::new();
    let mut effects = one.handle(at, input);
    while let Some(effect) = effects.pop() {
        match effect {
            Effect::Ask(Request::Read) => {
                effects.extend(one.handle(at, Input::Answer(Answer::Read(stands.clone()))));
            }
            Effect::Ask(request) => asked.push((at, request)),
            other => panic!("{other:?}"),
        }
    }
    asked
}

#[test]
fn a_leader_that_abstains_gives_its_term_up_and_takes_none_until_it_stands_again() {
    let mut one = leading();
    assert_eq!(only_swap(&one.handle(ms(500), Input::Abstain)), (Term(1), 5, true));
    assert!(one.term().is_none() && !one.may_act(ms(500)));
    assert_eq!(one.handle(ms(510), Input::Answer(Answer::Swapped(6))), []);
    let released = found(6, record(1, 1, true));
    assert_eq!(idle(&mut one, ms(60_000), &released), [], "nobody leads, and it does not either");
    let asked = feed(&mut one, ms(60_000), Input::StandAgain, &released);
    assert_eq!(asked, [(ms(60_000), Request::Probe)]);
    let taken = one.handle(ms(60_000), Input::Answer(Answer::Probed));
    assert_eq!(only_swap(&taken), (Term(2), 6, false));
    assert_eq!(one.handle(ms(60_000), Input::Answer(Answer::Swapped(7))), [Effect::Lead(Term(2))]);
}

#[test]
fn a_term_that_comes_to_who_abstains_is_given_back() {
    let mut one = new(1);
    one.handle(ms(0), Input::Tick);
    one.handle(ms(0), nothing());
    one.handle(ms(0), Input::Answer(Answer::Probed));
    assert_eq!(one.handle(ms(1), Input::Abstain), [], "the taking is under way");
    let given_back = one.handle(ms(10), Input::Answer(Answer::Swapped(5)));
    assert_eq!(only_swap(&given_back), (Term(1), 5, true));
    // The answer is lost, and so long that it is not waited for.
    one.handle(ms(1_600), Input::Tick);
    let looked = one.handle(ms(1_700), Input::Answer(Answer::Failed));
    assert_eq!(looked, []);
    let stands = found(5, record(1, 1, false));
    let asked = idle(&mut one, ms(3_000), &stands);
    let [(_, Request::Swap(record, 5))] = &asked[..] else { panic!("{asked:?}") };
    assert!(record.released, "{record:?}");
    assert!(one.term().is_none());
}

#[test]
fn a_term_that_was_given_up_is_not_taken_up_again_when_its_release_was_lost() {
    let mut one = leading();
    one.handle(ms(500), Input::Abstain);
    one.handle(ms(2_000), Input::Tick);
    one.handle(ms(2_000), Input::StandAgain);
    one.handle(ms(2_010), Input::Answer(Answer::Failed));
    let asked = idle(&mut one, ms(4_000), &found(5, record(1, 1, false)));
    let [(_, Request::Swap(record, 5))] = &asked[..] else { panic!("{asked:?}") };
    assert!(record.released, "{record:?}");
}

#[test]
fn who_abstains_can_still_go_away() {
    let mut one = leading();
    one.handle(ms(500), Input::Abstain);
    assert!(one.may_leave());
    assert_eq!(one.handle(ms(501), Input::Leave), [], "the release is under way");
    assert!(!one.may_leave());
    assert_eq!(one.handle(ms(510), Input::Answer(Answer::Swapped(6))), [Effect::Gone]);
    let mut idle = standing_by(0);
    idle.handle(ms(1), Input::Abstain);
    assert_eq!(idle.handle(ms(2), Input::Leave), [Effect::Gone]);
}

#[test]
fn a_leader_renews_against_its_own_revision_each_heartbeat() {
    let mut one = leading();
    assert_eq!(one.wake_at(), Some(ms(1_000)));
    assert_eq!(only_swap(&one.handle(ms(1_000), Input::Tick)), (Term(1), 5, false));
    assert_eq!(one.handle(ms(1_010), Input::Answer(Answer::Swapped(9))), []);
    // From the sending, not from the answer.
    assert!(one.may_act(ms(3_399)) && !one.may_act(ms(3_400)));
}

#[test]
fn a_leader_whose_renewals_fail_suspends_at_eight_tenths_and_resumes_in_its_term() {
    let mut one = leading();
    one.handle(ms(1_000), Input::Tick);
    one.handle(ms(2_000), Input::Answer(Answer::Failed));
    assert_eq!(one.handle(ms(2_400), Input::Tick)[0], Effect::Suspend);
    assert!(!one.may_act(ms(2_400)));
    // It had been written after all: what is read renews nothing, the next write does.
    let written = Input::Answer(Answer::Read(found(6, record(1, 1, false))));
    assert_eq!(only_swap(&one.handle(ms(2_500), written)), (Term(1), 6, false));
    assert!(!one.may_act(ms(2_500)));
    assert_eq!(one.handle(ms(2_510), Input::Answer(Answer::Swapped(7))), [Effect::Resume]);
    assert!(one.may_act(ms(4_899)) && !one.may_act(ms(4_900)));
}

#[test]
fn whoever_slept_past_its_lease_does_not_act_before_a_renewal() {
    let mut one = leading();
    assert_eq!(one.handle(ms(60_000), Input::Tick)[0], Effect::Suspend);
    assert_eq!(
        one.handle(ms(60_010), Input::Heard(found(30, record(2, 2, false)))),
        [Effect::Deposed(record(2, 2, false))]
    );
    assert_eq!(one.term(), None);
}

#[test]
fn an_answer_that_comes_too_late_renews_nothing() {
    let mut one = leading();
    one.handle(ms(1_000), Input::Tick);
    let effects = one.handle(ms(3_500), Input::Answer(Answer::Swapped(9)));
    assert_eq!(effects[0], Effect::Suspend);
    assert!(!one.may_act(ms(3_500)));
}

#[test]
fn a_standby_waits_a_lease_and_its_turn() {
    for (rank, at) in [(0, 3_000), (1, 3_150), (4, 3_600)] {
        let mut one = standing_by(rank);
        let stands = found(20, record(1, 7, false));
        let asked = idle(&mut one, ms(10_000), &stands);
        assert_eq!(asked, [(ms(at), Request::Probe)], "rank {rank}");
        let taken = one.handle(ms(at), Input::Answer(Answer::Probed));
        assert_eq!(only_swap(&taken), (Term(8), 20, false));
    }
}

#[test]
fn each_renewal_that_is_heard_of_starts_the_wait_anew() {
    let mut one = standing_by(0);
    let stands = found(21, record(1, 7, false));
    assert_eq!(feed(&mut one, ms(2_900), Input::Heard(stands.clone()), &stands), []);
    let asked = idle(&mut one, ms(10_000), &stands);
    assert_eq!(asked, [(ms(5_900), Request::Probe)]);
}

#[test]
fn a_released_term_is_followed_at_once_and_in_turn() {
    for (rank, at) in [(0, 500), (2, 800)] {
        let mut one = standing_by(rank);
        let released = found(21, record(1, 7, true));
        let mut asked = feed(&mut one, ms(500), Input::Heard(released.clone()), &released);
        asked.extend(idle(&mut one, ms(2_000), &released));
        assert_eq!(asked, [(ms(at), Request::Probe)], "rank {rank}");
    }
}

#[test]
fn after_an_outage_of_the_store_the_leader_gets_two_heartbeats() {
    let mut one = standing_by(0);
    let stands = found(20, record(1, 7, false));
    assert_eq!(idle(&mut one, ms(3_000), &stands), [(ms(3_000), Request::Probe)]);
    assert_eq!(feed(&mut one, ms(3_500), Input::Answer(Answer::Failed), &stands), []);
    assert_eq!(idle(&mut one, ms(3_999), &stands), [(ms(3_750), Request::Probe)]);
    assert_eq!(feed(&mut one, ms(4_000), Input::Answer(Answer::Probed), &stands), []);
    // The leader's own renewal, if it lives, comes in this time.
    assert_eq!(idle(&mut one, ms(9_000), &stands), [(ms(6_000), Request::Probe)]);
    let taken = one.handle(ms(6_000), Input::Answer(Answer::Probed));
    assert_eq!(only_swap(&taken), (Term(8), 20, false));
}

#[test]
fn a_take_over_whose_answer_was_lost_is_proved_by_a_renewal() {
    let mut one = standing_by(0);
    let stands = found(20, record(1, 7, false));
    idle(&mut one, ms(3_000), &stands);
    one.handle(ms(3_000), Input::Answer(Answer::Probed));
    one.handle(ms(4_000), Input::Answer(Answer::Failed));
    assert_eq!(one.handle(ms(4_250), Input::Tick), [Effect::Ask(Request::Read)]);
    let written = Input::Answer(Answer::Read(found(21, record(2, 8, false))));
    assert_eq!(only_swap(&one.handle(ms(4_300), written)), (Term(8), 21, false));
    assert_eq!(one.handle(ms(4_310), Input::Answer(Answer::Swapped(22))), [Effect::Lead(Term(8))]);
    assert!(one.may_act(ms(6_699)) && !one.may_act(ms(6_700)));
}

#[test]
fn who_leaves_releases_its_term_and_nobody_elses() {
    let mut one = leading();
    assert_eq!(only_swap(&one.handle(ms(100), Input::Leave)), (Term(1), 5, true));
    assert!(!one.may_act(ms(100)));
    assert_eq!(one.handle(ms(110), Input::Answer(Answer::Swapped(6))), [Effect::Gone]);

    let mut other = leading();
    other.handle(ms(100), Input::Leave);
    assert_eq!(
        other.handle(ms(110), Input::Answer(Answer::Conflict)),
        [Effect::Ask(Request::Read)]
    );
    let taken = Input::Answer(Answer::Read(found(9, record(2, 2, false))));
    assert_eq!(other.handle(ms(120), taken), [Effect::Gone]);

    let mut standby = standing_by(0);
    assert_eq!(standby.handle(ms(100), Input::Leave), [Effect::Gone]);
}

#[test]
fn what_an_old_replica_says_deposes_nobody() {
    let mut one = leading();
    one.handle(ms(1_000), Input::Tick);
    assert_eq!(
        one.handle(ms(1_010), Input::Answer(Answer::Conflict)),
        [Effect::Ask(Request::Read)]
    );
    let old = Input::Answer(Answer::Read(found(3, record(9, 0, true))));
    assert_eq!(one.handle(ms(1_020), old), []);
    assert!(one.may_act(ms(1_020)));
}
