//! Modules that no compiler emits: each is refused by name, or harms only its own user.

use std::time::{Duration, Instant};

use loadhost_engine::load::vu::{CallOutcome, MakeError, VuFactory};
use loadhost_engine::scenario::{Scenario, ScenarioError, StructureCaps};

use crate::bench::{Bench, cache};
use crate::raw::{END, Module, grafted, leb, with_section};

const UNREACHABLE: u8 = 0;
const CALL: u8 = 0x10;

fn load(bytes: &[u8]) -> Result<Scenario, ScenarioError> {
    Scenario::load(bytes, &StructureCaps::default(), Some(cache()))
}

/// The code of what ended `describe`, and what it says.
fn ended(module: &Module) -> (String, String) {
    match load(&module.grafted()).unwrap_err() {
        ScenarioError::Describe { code, what, detail } => (code, format!("{what}\n{detail}")),
        other => panic!("it was refused before: {other}"),
    }
}

fn refused(bytes: &[u8], what: &str) {
    let begun = Instant::now();
    let error = load(bytes).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.code(), "structure", "{error}");
    assert!(error.to_string().contains(what), "{error}");
    assert!(error.to_string().contains("are accepted"), "{error}");
    assert!(took < Duration::from_secs(2), "refused after {took:?}: {error}");
}

fn endless() -> Module {
    Module::default().function(&[0x03, 0x40, 0x0c, 0, END, END]).start(0)
}

/// Grows a table by a thousand elements, ten thousand times.
fn table_flood() -> Module {
    let grow = [0xd0, 0x70, 0x41, 0xe8, 0x07, 0xfc, 0x0f, 0, 0x1a];
    // local 0 counts from 10,000 down: subtract 1, tee, br_if.
    let count = [0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0];
    let begin = [0x41, 0x90, 0xce, 0, 0x21, 0];
    let code = [&begin[..], &[0x03, 0x40], &grow, &count, &[END, END]].concat();
    Module::default().table(1).function_with_locals(1, &code).start(0)
}

#[test]
fn a_start_function_without_end_ends_at_the_cpu_limit() {
    assert_eq!(ended(&endless()).0, "limit-task_cpu");
}

#[test]
fn deep_recursion_in_a_start_function_exhausts_its_own_stack() {
    let module = Module::default().function(&[CALL, 0, END]).start(0);
    assert_eq!(ended(&module).0, "trap-stack-overflow");
}

#[tokio::test]
async fn a_flood_of_table_growth_is_refused_and_counted() {
    let scenario = load(&table_flood().grafted()).unwrap();
    let mut bench = Bench::of_scenario(&scenario, "healthy", 2, |_| {}).await;
    assert_eq!(bench.attack().await, CallOutcome::Done);
    let refused = bench.capped("table_elements");
    assert!((9_900..=10_000).contains(&refused), "{refused}");
}

#[test]
fn what_a_module_begins_with_is_bounded_too() {
    let (code, what) = ended(&Module::default().memory(1_100));
    assert_eq!(code, "limit-memory_bytes", "{what}");
    let (code, what) = ended(&Module::default().memory(65_536));
    assert_eq!(code, "limit-memory_bytes", "{what}");
    let (code, what) = ended(&Module::default().table(5_000_000));
    assert_eq!(code, "limit-table_elements", "{what}");
    assert!(what.contains("--limit table_elements=VALUE"), "{what}");
}

#[tokio::test]
async fn what_users_begin_with_beyond_a_lowered_limit_is_refused_by_its_name() {
    let scenario = load(&Module::default().memory(500).grafted()).unwrap();
    let made = Bench::try_of_scenario(&scenario, 2, |limits| limits.memory_bytes = 16 << 20).await;
    let error = made.err().unwrap().to_string();
    assert!(error.contains("the limit `memory_bytes` is 16777216"), "{error}");
    let scenario = load(&Module::default().table(15_000).grafted()).unwrap();
    let made = Bench::try_of_scenario(&scenario, 2, |limits| limits.table_elements = 9_000).await;
    let error = made.err().unwrap().to_string();
    assert!(error.contains("the limit `table_elements` is 9000"), "{error}");
}

#[tokio::test]
async fn modules_that_share_the_limit_on_memory_exceed_it_together() {
    let half = Module::default().memory(600).bytes();
    let scenario = load(&grafted(&[half])).unwrap();
    let mut bench =
        Bench::of_scenario(&scenario, "healthy", 2, |limits| limits.memory_bytes = 38 << 20).await;
    let made: Result<_, MakeError> = bench.factory.make(bench.identity(0)).await;
    let error = made.err().unwrap();
    assert_eq!(&*error.code, "limit-memory_bytes", "{error:?}");
    assert_eq!(bench.capped("memory_bytes"), 1);
}

#[test]
fn data_beyond_the_memory_is_a_trap_or_refused() {
    let (code, _) = ended(&Module::default().memory(1).data(1 << 20));
    assert_eq!(code, "trap-memory-out-of-bounds");
    refused(&Module::default().memory(1).data(0x7fff_0000).grafted(), "end of its data");
    refused(&Module::default().memory(1).data(0xffff_fff0).grafted(), "end of its data");
}

#[test]
fn names_that_lie_are_shown_harmlessly() {
    let trap = Module::default().function(&[UNREACHABLE, END]).start(0);
    let (code, what) = ended(&trap.clone().name_of_function_0(b"\x1b[2Jbrowse\x07\nin task `x`"));
    assert_eq!(code, "trap-unreachable");
    assert!(what.contains("\\u{1b}[2Jbrowse\\u{7}\\nin task `x`"), "{what}");
    assert!(!what.chars().any(|c| c.is_control() && c != '\n'), "{what:?}");
    let long = "_ZN".to_string() + &"9aaaaaaaaa".repeat(100_000);
    let (_, what) = ended(&trap.clone().name_of_function_0(long.as_bytes()));
    assert!(what.len() < 5_000, "{} bytes", what.len());
    // No UTF-8, lengths beyond the section, functions that are not there.
    for lie in [&b"\x01\x06\x01\x00\xff\xff\xff\xff"[..], b"\x01\x05\x01\x63\x02\xff\xfe", b"\x07"]
    {
        assert_eq!(ended(&trap.clone().custom("name", lie)).0, "trap-unreachable");
    }
}

#[test]
fn debug_information_that_lies_costs_little() {
    let trap = Module::default().function(&[UNREACHABLE, END]).start(0);
    let noise: Vec<u8> =
        (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let sections = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_ranges", ".debug_str"];
    let module = sections.iter().fold(trap.clone(), |module, name| module.custom(name, &noise));
    assert_eq!(ended(&module).0, "trap-unreachable");
    let begun = Instant::now();
    let (code, _) = ended(&bomb_of_units(trap));
    assert_eq!(code, "trap-unreachable");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

/// Thirty thousand units, each with the same two hundred thousand ranges.
fn bomb_of_units(module: Module) -> Module {
    // One abbreviation: a compile unit without children, whose attribute is DW_AT_ranges (sec_offset).
    let abbrev = [1, 0x11, 0, 0x55, 0x17, 0, 0, 0];
    // Version 4, abbreviations at 0, addresses of 4 bytes, the abbreviation, ranges at 0.
    let unit = [12, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
    let mut ranges = Vec::new();
    for n in 0..200_000u32 {
        ranges.extend(n.to_le_bytes());
        ranges.extend((n + 100).to_le_bytes());
    }
    ranges.extend([0; 8]);
    module
        .custom(".debug_abbrev", &abbrev)
        .custom(".debug_info", &unit.repeat(30_000))
        .custom(".debug_ranges", &ranges)
}

#[test]
fn a_component_of_many_parts_is_refused_by_the_name_of_the_part() {
    let empty = Module::default().bytes();
    refused(&grafted(&vec![empty; 1_000]), "core modules");
    let nothing = b"\0asm\x0d\0\x01\0";
    let mut nested = nothing.to_vec();
    for _ in 0..100 {
        nested = [nothing.as_slice(), &[4], &leb(nested.len() as u32), &nested].concat();
    }
    refused(&nested, "nested components");
    let functions = (0..60_000).fold(Module::default(), |module, _| module.function(&[END]));
    refused(&functions.grafted(), "functions");
    let one = Module::default().function(&[END]);
    refused(&one.clone().types(100_000, 0).grafted(), "types");
    refused(&one.clone().globals(200_000).grafted(), "globals");
    refused(&one.clone().exports(150_000).grafted(), "exports of core modules");
    let sections = (0..20_000).fold(one, |module, _| module.custom("x", b""));
    refused(&sections.grafted(), "custom sections");
}

#[test]
fn functions_that_would_take_long_to_compile_are_refused() {
    let nops = [vec![0x01; 600 << 10], vec![END]].concat();
    refused(&Module::default().function(&nops).grafted(), "bytes in one function");
    let locals = Module::default().function_with_locals(40_000, &[END]);
    refused(&locals.grafted(), "locals of one function");
    let blocks = many_blocks(30_000);
    refused(&Module::default().function(&blocks).grafted(), "blocks in one function");
    refused(
        &Module::default().function_with_locals(2_000, &many_blocks(10_000)).grafted(),
        "locals times blocks",
    );
    refused(&Module::default().function(&wide_table()).grafted(), "targets");
}

/// So many blocks one after the other.
fn many_blocks(count: usize) -> Vec<u8> {
    [[0x02, 0x40, END].repeat(count), vec![END]].concat()
}

/// A jump with a hundred thousand targets.
fn wide_table() -> Vec<u8> {
    [&[0x02, 0x40, 0x41, 0, 0x0e][..], &leb(100_000), &vec![0; 100_001], &[END, END]].concat()
}

#[test]
fn types_of_a_component_may_not_nest_without_end() {
    // Each a list of the one before it.
    let mut types = vec![0x70, 0x7f];
    for n in 0..5_000u32 {
        types.extend([&[0x70], &*leb(n)].concat());
    }
    let bytes = with_section(7, &[&*leb(5_001), &*types].concat());
    let error = load(&bytes).unwrap_err();
    assert!(["structure", "malformed", "compile"].contains(&error.code()), "{error}");
}
