//! What is said of workers that are lost, leave, come back, or do not do as they are told.

use loadhost_model::plan::LossPolicy;

use super::fleet::on_loss;
use super::*;

#[test]
fn durations_in_notes_of_losses_have_no_nanoseconds() {
    let mut stage = Stage::running(&["a", "b"], on_loss(LossPolicy::Rebalance));
    stage.seconds(&["a", "b"], 1..=2);
    stage.now += Duration::from_nanos(12_345_678);
    stage.goes_on(&["a"], 31);
    let exact = stage.view().losses[0].unmeasured;
    assert_eq!(exact, Duration::from_nanos(3_012_345_678), "a bound for programs is exact");
    let notes = stage.notes();
    assert!(notes.contains("; up to 3100ms of its measurements are lost"), "{notes}");
}
