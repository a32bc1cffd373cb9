//! Mistakes are reported at the author's own line, with the remedy.
//!
//! After a wanted change: `TRYBUILD=overwrite cargo test -p loadhost-sdk --test compile_fail`.

#[test]
fn mistakes_point_at_the_authors_line() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
