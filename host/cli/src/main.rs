//! The loadhost command.
fn main() {}
