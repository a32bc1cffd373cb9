//! Whether one function can be compiled in reasonable time.
//!
//! What a compiler does grows faster than the function: with its blocks, and with the values that
//! live across them. The caps are far above what compilers of languages emit.

use wasmparser::{FunctionBody, Operator};

use super::error::ScenarioError;
use super::inspect::{StructureCaps, cap, malformed};

pub(super) fn check(body: &FunctionBody<'_>, caps: &StructureCaps) -> Result<(), ScenarioError> {
    cap("bytes in one function", body.range().len() as u64, caps.body_bytes)?;
    let mut locals = 0u64;
    for group in body.get_locals_reader().map_err(malformed)? {
        locals += u64::from(group.map_err(malformed)?.0);
        cap("locals of one function", locals, caps.locals)?;
    }
    let (mut blocks, mut targets) = (0u64, 0u64);
    for operator in body.get_operators_reader().map_err(malformed)? {
        match operator.map_err(malformed)? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => blocks += 1,
            Operator::BrTable { targets: table } => targets += u64::from(table.len()),
            _ => {}
        }
    }
    cap("blocks in one function", blocks, caps.blocks)?;
    cap("targets of jumps in one function", targets, caps.targets)?;
    cap("locals times blocks in one function", locals * blocks, caps.values)
}
