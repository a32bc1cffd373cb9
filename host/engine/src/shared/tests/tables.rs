//! Files of data sets.

use std::sync::Mutex;

use futures_util::future::{BoxFuture, ready};

use super::*;
use crate::scenario::digest_of;

const USERS: &[u8] = b"name\nanna\nbob\neve\n";

/// Gives the same bytes for each digest, and counts how often.
struct Source(Vec<u8>, Arc<Mutex<u32>>);

impl DataSource for Source {
    fn fetch(&self, _: Digest) -> BoxFuture<'_, Result<Arc<[u8]>, String>> {
        *self.1.lock().unwrap() += 1;
        Box::pin(ready(Ok(self.0.as_slice().into())))
    }
}

fn tables(bytes: &[u8]) -> (Tables, Arc<Mutex<u32>>) {
    let fetched = Arc::default();
    (Tables::new(Arc::new(Source(bytes.to_vec(), Arc::clone(&fetched)))), fetched)
}

/// A run with a data set of these bytes.
fn plan_of(bytes: &[u8], rows: u64) -> RunPlan {
    let mut plan = plan(RowOrder::Queue);
    let set = plan.data.get_mut("users").unwrap();
    (set.digest, set.rows) = (digest_of(bytes), rows);
    plan
}

async fn refusal(tables: &Tables, plan: &RunPlan) -> String {
    tables.of_run(plan).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_data_set_is_read_once_for_all_runs_and_forgotten_after_the_last() {
    let (tables, fetched) = self::tables(USERS);
    let plan = plan_of(USERS, 3);
    let (one, other) = (tables.of_run(&plan).await.unwrap(), tables.of_run(&plan).await.unwrap());
    let table = |sets: &DataSets| Arc::clone(&sets.get("users").unwrap().table);
    assert!(Arc::ptr_eq(&table(&one), &table(&other)));
    assert_eq!(table(&one).row(1).and_then(|row| row.get("name")), Some("bob"));
    assert_eq!(*fetched.lock().unwrap(), 1);
    drop((one, other));
    tables.of_run(&plan).await.unwrap();
    assert_eq!(*fetched.lock().unwrap(), 2, "its memory was given back");
}

#[tokio::test]
async fn bytes_that_are_not_those_of_the_plan_are_refused() {
    let (tables, _) = self::tables(b"name\nmallory\n");
    let said = refusal(&tables, &plan_of(USERS, 3)).await;
    assert!(said.starts_with("data set `users` was to be "), "{said}");
    assert!(said.ends_with("give it again with `--data users=FILE`"), "{said}");
}

#[tokio::test]
async fn a_data_set_that_cannot_be_had_or_read_says_why() {
    let (tables, _) = self::tables(USERS);
    let said = refusal(&tables, &plan_of(USERS, 4)).await;
    assert!(said.contains("has 3 rows here and 4 in the plan"), "{said}");
    let broken = b"name\nanna,1\n";
    let (tables, _) = self::tables(broken);
    let said = refusal(&tables, &plan_of(broken, 1)).await;
    assert!(said.contains("data set `users` cannot be read: line 2"), "{said}");
    let none = Tables::new(Arc::new(BTreeMap::new()));
    let said = refusal(&none, &plan_of(USERS, 3)).await;
    assert!(said.starts_with("cannot fetch data set `users`"), "{said}");
    assert!(said.ends_with("it was not given to this process"), "{said}");
}
