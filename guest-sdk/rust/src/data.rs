//! Rows of the run's data sets: `--data users=users.csv`.

mod cell;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Index;
use std::rc::Rc;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;

use crate::failure::{Failure, Outcome, abort_run, fail};
use crate::host;
use cell::Cell;

/// A data set of the run, from which rows are taken.
#[derive(Debug, Clone)]
#[must_use = "no row is taken before `.next()`"]
pub struct Rows<'a> {
    name: &'a str,
    columns: Vec<&'a str>,
}

/// The rows of a data set, one at a time.
///
/// Who gets which row is said with the run: each row once, whichever user of whichever worker asks first
/// (`--data users=users.csv`); over and over (`,order=circular`); any (`,order=random`); or one to each
/// user for as long as it lives (`,order=user`).
///
/// ```
/// # use loadhost_sdk::prelude::*;
/// # use loadhost_sdk::test::{Reply, World};
/// # let world = World::new().on("POST", "/login", Reply::status(200))
/// #     .rows("users", [[("name", "anna"), ("age", "41")]]);
/// # fn example() -> Outcome {
/// let user = rows("users").next()?;
/// post("/login").form([("user", &user["name"])]).send()?;
/// let age: u32 = user.read("age")?;
/// # assert_eq!(age, 41);
/// # Ok(())
/// # }
/// # example().unwrap();
/// # assert_eq!(world.sent_to("POST", "/login").len(), 1);
/// ```
pub fn rows(data_set: &str) -> Rows<'_> {
    Rows { name: data_set, columns: Vec::new() }
}

impl<'a> Rows<'a> {
    /// Only these columns: what is not asked for is not copied into the guest.
    pub fn only(mut self, columns: impl IntoIterator<Item = &'a str>) -> Self {
        self.columns = columns.into_iter().collect();
        self
    }

    /// The next row. If there are no more, `?` ends this user, and nothing counts as failed.
    ///
    /// Fails if no row comes in time, or the run is stopping. A data set that the run does not have ends
    /// the run.
    #[track_caller]
    pub fn next(&self) -> Outcome<Row> {
        self.try_next()?.ok_or(Failure::Done)
    }

    /// The next row; None: there are no more. Fails as [`Self::next`] does.
    #[track_caller]
    pub fn try_next(&self) -> Outcome<Option<Row>> {
        let feeder = match self.feeder() {
            Ok(feeder) => feeder,
            Err(why) => return Err(abort_run(why)),
        };
        match feeder.next() {
            Ok(row) => Ok(row.map(Row)),
            Err(why) => Err(fail(why)),
        }
    }

    fn feeder(&self) -> Result<Rc<host::Feeder>, String> {
        FEEDERS.with_borrow_mut(|feeders| {
            let known = feeders.get_mut(self.name).map(|known| &mut *known);
            let is_this = |(columns, _): &&(Vec<String>, _)| *columns == self.columns;
            if let Some((_, feeder)) = known.and_then(|known| known.iter().find(is_this)) {
                return Ok(Rc::clone(feeder));
            }
            let feeder = Rc::new(host::Feeder::open(self.name, &self.columns)?);
            let columns = self.columns.iter().map(ToString::to_string).collect();
            let of_name = feeders.entry(self.name.to_string()).or_default();
            of_name.push((columns, Rc::clone(&feeder)));
            Ok(feeder)
        })
    }
}

/// Those of one data set, by the columns that they copy.
type Feeders = Vec<(Vec<String>, Rc<host::Feeder>)>;

thread_local! {
    static FEEDERS: RefCell<BTreeMap<String, Feeders>> = RefCell::default();
}

/// Forgets handles, which belong to a world of a test.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn forget() {
    FEEDERS.with_borrow_mut(BTreeMap::clear);
}

/// A row of a data set: `row["name"]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row(Vec<(String, String)>);

impl Row {
    /// The cell of a column; None: the row has none.
    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, cell)| cell.as_str())
    }

    /// The cell of a column as a number or whatever can be read from a text. Fails by the names of column
    /// and value.
    #[track_caller]
    pub fn read<T: FromStr<Err: Display>>(&self, column: &str) -> Outcome<T> {
        let Some(cell) = self.get(column) else {
            return Err(fail(self.lacks(column)));
        };
        match cell.trim().parse() {
            Ok(value) => Ok(value),
            Err(error) => Err(fail(format_args!("column `{column}`: `{cell}`: {error}"))),
        }
    }

    /// The whole row as a struct with `#[derive(Deserialize)]`. An empty cell is `None` of an
    /// `Option`; lists and structs are read as JSON.
    ///
    /// ```
    /// # use loadhost_sdk::prelude::*;
    /// # use loadhost_sdk::test::World;
    /// #[derive(serde::Deserialize)]
    /// struct Customer {
    ///     name: String,
    ///     age: Option<u32>,
    /// }
    /// # let world = World::new().rows("users", [[("name", "anna"), ("age", "")]]);
    /// # fn example() -> Outcome {
    /// let customer: Customer = rows("users").next()?.parse()?;
    /// # assert_eq!((customer.name.as_str(), customer.age), ("anna", None));
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    #[track_caller]
    pub fn parse<T: DeserializeOwned>(&self) -> Outcome<T> {
        let cells = self.0.iter().map(|(column, text)| (column.as_str(), Cell { column, text }));
        match T::deserialize(MapDeserializer::new(cells)) {
            Ok(value) => Ok(value),
            Err(error) => Err(fail(format_args!("the row is no {}: {error}", short_name::<T>()))),
        }
    }

    /// Columns and cells, in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(column, cell)| (column.as_str(), cell.as_str()))
    }

    fn lacks(&self, column: &str) -> String {
        let known: Vec<_> = self.0.iter().map(|(name, _)| format!("`{name}`")).collect();
        format!("the row has no column `{column}`, but {}", known.join(", "))
    }
}

/// The cell of a column.
///
/// # Panics
/// If the row has none: [`Row::get`] asks.
impl Index<&str> for Row {
    type Output = str;

    #[allow(clippy::panic)] // As indexing does.
    #[track_caller]
    fn index(&self, column: &str) -> &str {
        match self.get(column) {
            Some(cell) => cell,
            None => panic!("{}", self.lacks(column)),
        }
    }
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test::World;

    fn row(cells: &[(&str, &str)]) -> Row {
        Row(cells.iter().map(|(name, cell)| (name.to_string(), cell.to_string())).collect())
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Plan {
        Basic,
        FullPrice,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Customer {
        name: String,
        age: u8,
        balance: f64,
        vip: bool,
        plan: Plan,
        note: Option<String>,
        email: Option<String>,
        tags: Vec<String>,
    }

    #[test]
    fn a_row_becomes_a_struct() {
        let cells = [
            ("name", "anna"),
            ("age", " 41"),
            ("balance", "-2.5"),
            ("vip", "true"),
            ("plan", "full-price"),
            ("note", ""),
            ("tags", "[\"a\", \"b\"]"),
            ("ignored", "x"),
        ];
        let customer = Customer {
            name: "anna".into(),
            age: 41,
            balance: -2.5,
            vip: true,
            plan: Plan::FullPrice,
            note: None,
            email: None,
            tags: vec!["a".into(), "b".into()],
        };
        assert_eq!(row(&cells).parse(), Ok(customer));
    }

    #[test]
    fn a_cell_that_does_not_fit_is_named() {
        let row = row(&[("name", "anna"), ("age", "old")]);
        let failure = row.parse::<Customer>().unwrap_err();
        let said = "the row is no Customer: column `age`: `old` is no u8";
        assert!(failure.message().starts_with(said), "{failure}");
        let failure = row.read::<u8>("age").unwrap_err();
        assert!(failure.message().starts_with("column `age`: `old`: invalid digit"), "{failure}");
        let failure = row.read::<u8>("agee").unwrap_err();
        let said = "the row has no column `agee`, but `name`, `age` (";
        assert!(failure.message().starts_with(said), "{failure}");
    }

    #[test]
    fn a_user_without_a_row_is_done() {
        let _world = World::new().rows("users", [[("name", "anna"), ("age", "1")]]);
        let row = rows("users").only(["age"]).next().unwrap();
        assert_eq!((&row["age"], row.get("name")), ("1", None));
        assert_eq!(rows("users").try_next(), Ok(None));
        assert_eq!(rows("users").next(), Err(Failure::Done));
        let unknown = rows("user").next();
        assert!(
            matches!(unknown, Err(Failure::AbortRun(why)) if why.contains("no data set `user`"))
        );
    }
}
