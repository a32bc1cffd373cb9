//! Which assignments count.

use loadhost_model::id::Term;
use loadhost_model::wire::{self, Assignment};

/// The newest assignment that was applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    newest: Option<(Term, u64)>,
}

/// Why an assignment is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "assignment of message version {given}, this worker speaks {}: upgrade the older side",
        wire::VERSION
    )]
    Version { given: u16 },
    #[error("assignment of term {given} after one of term {seen}: its leader was deposed")]
    Deposed { given: u64, seen: u64 },
    #[error("assignment of generation {given} after generation {seen}: repeated or late")]
    Stale { given: u64, seen: u64 },
}

impl Ledger {
    /// Applies the assignment if it is newer than all before.
    pub(super) fn admit(&mut self, assignment: &Assignment) -> Result<(), Refusal> {
        if assignment.version != wire::VERSION {
            return Err(Refusal::Version { given: assignment.version });
        }
        let given = (assignment.term, assignment.generation);
        match self.newest {
            Some((term, _)) if given.0 < term => {
                Err(Refusal::Deposed { given: given.0.0, seen: term.0 })
            }
            Some(newest) if given <= newest => {
                Err(Refusal::Stale { given: given.1, seen: newest.1 })
            }
            _ => {
                self.newest = Some(given);
                Ok(())
            }
        }
    }

    /// Whether [`Self::admit`] would apply it.
    pub(super) fn is_newer(mut self, assignment: &Assignment) -> bool {
        self.admit(assignment).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: &[(u64, u64)], applied: &[(u64, u64)]) {
        let mut ledger = Ledger::default();
        let admitted = given.iter().copied().filter(|(term, generation)| {
            let (term, generation) = (Term(*term), *generation);
            let assignment =
                Assignment { version: wire::VERSION, term, generation, to: None, work: None };
            ledger.admit(&assignment).is_ok()
        });
        assert_eq!(admitted.collect::<Vec<_>>(), applied);
    }

    #[test]
    fn only_newer_assignments_count() {
        check(&[(1, 1), (1, 1), (1, 3), (1, 2), (1, 4)], &[(1, 1), (1, 3), (1, 4)]);
    }

    #[test]
    fn a_new_term_begins_its_own_generations_and_ends_the_old_term() {
        check(&[(1, 9), (2, 1), (1, 10), (2, 2)], &[(1, 9), (2, 1), (2, 2)]);
    }

    #[test]
    fn another_message_version_is_refused_by_name() {
        let assignment =
            Assignment { version: 99, term: Term(1), generation: 1, to: None, work: None };
        let refusal = Ledger::default().admit(&assignment).err();
        assert_eq!(refusal, Some(Refusal::Version { given: 99 }));
    }
}
