//! Data sets, and what users share, in a world where the users of the test are all there are.

use std::collections::{BTreeMap, VecDeque};

use super::World;

type Cells = Vec<(String, String)>;

#[derive(Default)]
pub(super) struct Shared {
    rows: BTreeMap<String, VecDeque<Cells>>,
    numbers: BTreeMap<String, u64>,
    counters: BTreeMap<String, i64>,
    visits: BTreeMap<String, u64>,
    /// Rendezvous to which nobody else comes.
    lonely: Vec<String>,
}

impl World {
    /// Gives a data set: each row once, in this order.
    ///
    /// ```
    /// # use loadhost_sdk::test::World;
    /// let world = World::new().rows("users", [[("name", "anna")], [("name", "bob")]]);
    /// ```
    pub fn rows<R, C, V>(self, name: &str, rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = (C, V)>,
        C: ToString,
        V: ToString,
    {
        let row = |row: R| {
            row.into_iter().map(|(column, cell)| (column.to_string(), cell.to_string())).collect()
        };
        let rows = rows.into_iter().map(row).collect();
        self.0.borrow_mut().shared.rows.insert(name.to_string(), rows);
        self
    }

    /// Gives a shared counter another value than 0.
    pub fn with_shared_counter(self, name: &str, value: i64) -> Self {
        self.0.borrow_mut().shared.counters.insert(name.to_string(), value);
        self
    }

    /// Nobody else comes to this rendezvous. Otherwise the others are always there.
    pub fn alone_at(self, rendezvous: &str) -> Self {
        self.0.borrow_mut().shared.lonely.push(rendezvous.to_string());
        self
    }

    /// The value of a shared counter.
    pub fn shared_counter(&self, name: &str) -> i64 {
        self.0.borrow().shared.counters.get(name).copied().unwrap_or_default()
    }

    /// How many rows of a data set are left.
    pub fn rows_left(&self, name: &str) -> usize {
        self.0.borrow().shared.rows.get(name).map_or(0, VecDeque::len)
    }

    /// How often users came to this rendezvous.
    pub fn visits(&self, rendezvous: &str) -> u64 {
        self.0.borrow().shared.visits.get(rendezvous).copied().unwrap_or_default()
    }
}

/// What the native host asks for.
impl World {
    pub(crate) fn open_rows(&self, name: &str, columns: &[&str]) -> Result<(), String> {
        let state = self.0.borrow();
        let Some(rows) = state.shared.rows.get(name) else {
            return Err(format!(
                "the run has no data set `{name}`; give it with `--data {name}=FILE`"
            ));
        };
        let is_known = |column: &str| rows.iter().flatten().any(|(known, _)| known == column);
        match columns.iter().find(|column| !rows.is_empty() && !is_known(column)) {
            Some(column) => Err(format!("data set `{name}` has no column `{column}`")),
            None => Ok(()),
        }
    }

    pub(crate) fn next_row(&self, name: &str, columns: &[String]) -> Result<Option<Cells>, String> {
        let mut state = self.running()?;
        let row = state.shared.rows.get_mut(name).and_then(VecDeque::pop_front);
        Ok(row.map(|row| {
            if columns.is_empty() {
                return row;
            }
            let cell = |column: &String| row.iter().find(|(name, _)| name == column).cloned();
            columns.iter().filter_map(cell).collect()
        }))
    }

    pub(crate) fn next_number(&self, name: &str) -> Result<u64, String> {
        let mut state = self.running()?;
        let next = state.shared.numbers.entry(name.to_string()).or_default();
        *next += 1;
        Ok(*next - 1)
    }

    pub(crate) fn add_to_counter(&self, name: &str, by: i64) -> i64 {
        let mut state = self.0.borrow_mut();
        let sum = state.shared.counters.entry(name.to_string()).or_default();
        *sum = sum.saturating_add(by);
        *sum
    }

    pub(crate) fn meet(&self, name: &str, timeout: std::time::Duration) -> Result<bool, String> {
        let mut state = self.running()?;
        *state.shared.visits.entry(name.to_string()).or_default() += 1;
        let is_alone = state.shared.lonely.iter().any(|lonely| lonely == name);
        if is_alone {
            state.clock += timeout;
        }
        Ok(!is_alone)
    }

    fn running(&self) -> Result<std::cell::RefMut<'_, super::State>, String> {
        let state = self.0.borrow_mut();
        if state.stopping { Err("the run is stopping".to_string()) } else { Ok(state) }
    }
}
