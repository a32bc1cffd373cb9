//! `data`: parameters, and what the users of the whole run share.
// The generated bindings re-export the types of handles.
#![allow(unreachable_pub)]

use std::borrow::Cow;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use loadhost_model::data::{Row, RowOrder};
use loadhost_model::text::suggestion;
use tokio::time::Instant;
use wasmtime::component::Resource;

use super::output::{escaped, is_unsafe};
use super::state::VuState;
use crate::bindings::data;
use crate::shared::{NameError, OpenSet, Stock, Taken};

/// What a guest is told that waits while the run ends.
const STOPPING: &str = "the run is stopping";

/// Numbers of users are unique over phases: those of phase `i` begin at `i << 40`.
const PHASE_BITS: u32 = 40;

/// A data set that the guest reads.
pub struct HostFeeder {
    open: Arc<OpenSet>,
    /// Of a data set that is handed out row by row.
    stock: Option<Arc<Stock>>,
    /// Only these columns, by position. None: all.
    columns: Option<Box<[usize]>>,
    /// Held against the user's `kept_bytes`.
    held: u64,
}

/// The next row of a feeder.
enum Next {
    Row(u64),
    None,
    /// When there is one.
    Later(Arc<Stock>),
}

impl HostFeeder {
    fn open(state: &VuState, name: &str, columns: &[String]) -> Result<Self, String> {
        let Some(open) = state.data.get(name) else {
            let like = suggestion(name, state.data.names());
            return Err(format!(
                "the run has no data set `{name}`{like}; give it with `--data {name}=FILE`"
            ));
        };
        let known = open.table.columns();
        if columns.len() > known.len() {
            return Err(format!(
                "{} columns of data set `{name}` are asked for, and it has {}",
                columns.len(),
                known.len()
            ));
        }
        let position = |column: &String| {
            known.iter().position(|known| **known == **column).ok_or_else(|| {
                let like = suggestion(column, known.iter().map(|known| &**known));
                format!("data set `{name}` has no column `{column}`{like}")
            })
        };
        let positions = columns.iter().map(position).collect::<Result<Box<[_]>, _>>()?;
        let held = (size_of::<Self>() + size_of_val(&*positions)) as u64;
        let columns = (!positions.is_empty()).then_some(positions);
        let stock = state.shard.shared.rows(name).cloned();
        Ok(Self { open: Arc::clone(open), stock, columns, held })
    }

    fn next(&self, user: u64, phases: u64, random: &mut fastrand::Rng) -> Next {
        let rows = self.open.set.rows;
        match (&self.stock, self.open.set.order) {
            (Some(stock), _) => match stock.take() {
                Taken::Number(number) => Next::Row(self.open.set.row_of(number)),
                Taken::UsedUp => Next::None,
                Taken::NotYet => Next::Later(Arc::clone(stock)),
            },
            (None, RowOrder::User) => row_of_user(user, phases, rows).map_or(Next::None, Next::Row),
            (None, _) if rows > 0 => Next::Row(random.u64(0..rows)),
            (None, _) => Next::None,
        }
    }

    fn copy(&self, row: u64) -> Option<data::Row> {
        let row: Row<'_> = self.open.table.row(row)?;
        Some(match &self.columns {
            None => row.cells().map(|(name, value)| cell(name, value)).collect(),
            Some(columns) => {
                let names = self.open.table.columns();
                let cells = columns
                    .iter()
                    .filter_map(|column| Some(cell(names.get(*column)?, row.at(*column)?)));
                cells.collect()
            }
        })
    }
}

fn cell(column: &str, value: &str) -> data::Cell {
    data::Cell { column: column.to_string(), value: value.to_string() }
}

/// The row of a user for good. The phases of a run take turns, so that no two users have the same.
fn row_of_user(user: u64, phases: u64, rows: u64) -> Option<u64> {
    let (phase, number) = (user >> PHASE_BITS, user & ((1 << PHASE_BITS) - 1));
    let row = number.checked_mul(phases.max(1))?.checked_add(phase)?;
    (row < rows).then_some(row)
}

/// A name as it may be shown.
fn shown(name: &str) -> Cow<'_, str> {
    if name.chars().any(is_unsafe) { escaped(name).into() } else { name.into() }
}

impl data::HostFeeder for VuState {
    fn open(
        &mut self,
        name: String,
        columns: Vec<String>,
    ) -> wasmtime::Result<Result<Resource<HostFeeder>, String>> {
        self.call()?;
        let feeder = match HostFeeder::open(self, &name, &columns) {
            Ok(feeder) => feeder,
            Err(why) => return Ok(Err(shown(&why).into_owned())),
        };
        self.hold(feeder.held)?;
        let handle = self.table.push(feeder);
        handle.map(Ok).map_err(|_| self.exceeded("handles", self.plan.limits.handles))
    }

    async fn next(
        &mut self,
        this: Resource<HostFeeder>,
    ) -> wasmtime::Result<Result<Option<data::Row>, String>> {
        self.call()?;
        let phases = self.plan.profile.phases.len() as u64;
        let feeder = self.table.get(&this)?;
        match feeder.next(self.user, phases, &mut self.random) {
            Next::Row(row) => Ok(Ok(feeder.copy(row))),
            Next::None => Ok(Ok(None)),
            Next::Later(stock) => {
                let number = self.number_of(&stock, "row").await;
                let feeder = self.table.get(&this)?;
                Ok(number.map(|number| feeder.copy(feeder.open.set.row_of(number?))))
            }
        }
    }

    fn drop(&mut self, this: Resource<HostFeeder>) -> wasmtime::Result<()> {
        let feeder = self.table.delete(this)?;
        self.let_go(feeder.held);
        Ok(())
    }
}

impl data::Host for VuState {
    fn param(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        self.call()?;
        Ok(self.plan.params.get(&name).cloned())
    }

    async fn unique_number(&mut self, name: String) -> wasmtime::Result<Result<u64, String>> {
        self.call()?;
        let stock = match self.shard.shared.numbers(&shown(&name)) {
            Ok(stock) => stock,
            Err(error) => return Ok(Err(self.refuse_name(&error))),
        };
        let number = match stock.take() {
            Taken::Number(number) => Ok(Some(number)),
            Taken::UsedUp => Ok(None),
            Taken::NotYet => self.number_of(&stock, "number").await,
        };
        Ok(number.and_then(|number| number.ok_or_else(|| "there are no more numbers".to_string())))
    }

    fn counter_add(&mut self, name: String, by: i64) -> wasmtime::Result<Result<i64, String>> {
        self.call()?;
        let sum = self.shard.shared.count(&shown(&name), by);
        Ok(sum.map_err(|error| self.refuse_name(&error)))
    }

    async fn rendezvous(
        &mut self,
        name: String,
        users: u32,
        timeout: u64,
    ) -> wasmtime::Result<Result<bool, String>> {
        self.call()?;
        let name = shown(&name);
        let meeting = match self.shard.shared.meeting(&name, users) {
            Ok(Some(meeting)) => meeting,
            Ok(None) => return Ok(Ok(true)),
            Err(error) => return Ok(Err(self.refuse_name(&error))),
        };
        if meeting.size() != users {
            return Ok(Err(format!(
                "the rendezvous `{name}` is one of {} users, not of {users}; give another one another name",
                meeting.size()
            )));
        }
        let met = self.waiting(meeting.wait(Duration::from_nanos(timeout))).await;
        Ok(met.ok_or_else(|| STOPPING.to_string()))
    }
}

impl VuState {
    /// Waits for a number of this stock.
    async fn number_of(&mut self, stock: &Stock, what: &str) -> Result<Option<u64>, String> {
        match self.waiting(stock.wait()).await {
            Some(number) => number.map_err(|error| format!("no {what}: {error}")),
            None => Err(STOPPING.to_string()),
        }
    }

    /// What is waited for, or None once the run is ending.
    async fn waiting<F: Future>(&mut self, work: F) -> Option<F::Output> {
        let began = Instant::now();
        let outcome = self.interrupt.or(pin!(work)).await;
        self.cpu.waited(began, Instant::now());
        outcome
    }

    #[cold]
    fn refuse_name(&self, error: &NameError) -> String {
        self.capped("shared_names");
        error.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_users_have_the_same_row_for_good() {
        let user = |phase: u64, number: u64| phase << PHASE_BITS | number;
        assert_eq!(row_of_user(user(0, 6), 1, 7), Some(6));
        assert_eq!(row_of_user(user(0, 7), 1, 7), None);
        let of_phases = [user(0, 0), user(1, 0), user(0, 1), user(1, 1)];
        let rows = of_phases.map(|user| row_of_user(user, 2, 9));
        assert_eq!(rows, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!(row_of_user(u64::MAX, u64::MAX, 9), None);
    }
}
