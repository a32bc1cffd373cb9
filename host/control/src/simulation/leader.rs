//! Who leads in the simulation, and what outlives it: decisions, numbers, and the stream of intervals.

use std::collections::{BTreeMap, VecDeque};

use loadhost_model::id::{RunId, Term};
use loadhost_model::interval::Interval;

use super::world::Time;
use crate::aggregate::Aggregate;
use crate::config::CoordinatorConfig;
use crate::machine::snapshot::Snapshot;
use crate::machine::{Effect, Machine, Now};

/// A coordinator; what it decides is seen once it is saved.
pub(super) struct Leader {
    pub(super) machine: Machine,
    /// Decisions up to this version are saved.
    saved: u64,
    /// A save: when it is done, its version and bytes.
    under_way: Option<(Time, u64, Vec<u8>)>,
    waiting: VecDeque<(u64, Effect)>,
}

/// What the next leader finds.
#[derive(Default)]
pub(super) struct Store {
    decisions: Vec<u8>,
    /// All that the broker took, some of it twice.
    stream: Vec<Interval>,
    /// How much of the stream the numbers contain.
    position: usize,
    numbers: BTreeMap<RunId, Vec<Vec<u8>>>,
}

impl Leader {
    pub(super) fn first() -> Self {
        Self::of(Machine::new(config(Term(1))))
    }

    fn of(mut machine: Machine) -> Self {
        machine.begin_saving();
        Self { machine, saved: 0, under_way: None, waiting: VecDeque::new() }
    }

    /// Goes on from what was saved, and says what each worker is to do.
    pub(super) fn next(term: u64, now: Now, store: &Store) -> Self {
        let snapshot = Snapshot::read(&store.decisions).unwrap();
        assert_eq!(snapshot.clock(now.wall, None), (now.mono, 0), "time goes on");
        let read = |sections: &Vec<Vec<u8>>| Aggregate::from_sections(sections).unwrap();
        let numbers = store.numbers.iter().map(|(run, saved)| (run.clone(), read(saved)));
        let mut machine = snapshot.into_machine(config(Term(term)), numbers.collect(), Vec::new());
        let effects = machine.take_over(now, 0);
        let mut leader = Self::of(machine);
        leader.hold(effects);
        leader
    }

    /// Effects wait for the decisions that they follow from.
    pub(super) fn hold(&mut self, effects: Vec<Effect>) {
        let version = self.machine.version();
        self.waiting.extend(effects.into_iter().map(|effect| (version, effect)));
    }

    /// Saves, which takes so long, and says what may be seen now.
    pub(super) fn keep(&mut self, now: Now, takes: Time, store: &mut Store) -> Vec<Effect> {
        let time = now.mono.as_micros() as Time;
        if let Some((_, version, bytes)) = self.under_way.take_if(|(done, ..)| *done <= time) {
            (self.saved, store.decisions) = (version, bytes);
        }
        if self.under_way.is_none() && self.machine.version() > self.saved {
            let (version, bytes) = (self.machine.version(), self.machine.snapshot(now));
            self.under_way = Some((time + takes, version, bytes));
        }
        let ripe = self.waiting.partition_point(|(version, _)| *version <= self.saved);
        self.waiting.drain(..ripe).map(|(_, effect)| effect).collect()
    }

    /// Its last save may be done; but what follows from it is never said.
    pub(super) fn die(self, is_saved: bool, store: &mut Store) {
        if let Some((_, _, bytes)) = self.under_way.filter(|_| is_saved) {
            store.decisions = bytes;
        }
    }
}

impl Store {
    pub(super) fn take(&mut self, interval: Interval) {
        self.stream.push(interval);
    }

    pub(super) fn checkpoint(&mut self, leader: &Leader) {
        self.position = self.stream.len();
        let numbers = leader.machine.numbers();
        self.numbers = numbers.map(|(run, numbers)| (run.clone(), numbers.to_sections())).collect();
    }

    /// What the numbers do not contain yet.
    pub(super) fn rest(&self) -> Vec<Interval> {
        self.stream[self.position..].to_vec()
    }
}

fn config(term: Term) -> CoordinatorConfig {
    CoordinatorConfig { term, ..CoordinatorConfig::default() }
}
