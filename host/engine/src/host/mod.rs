//! Answers the guest's calls: the contract in `wit/` over one user's state.
//!
//! Each call is counted against `host_calls`. A call that the contract lets fail tells the
//! guest; a quota or a misuse ends the guest, and only it.

mod batch;
pub(crate) mod data;
mod groups;
pub(crate) mod http;
pub(crate) mod metrics;
mod names;
pub(crate) mod output;
pub(crate) mod response;
pub(crate) mod run;
mod sample;
pub(crate) mod state;
pub(crate) mod template;
pub(crate) mod trace;
pub(crate) mod wasi;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings;
use state::VuState;

impl bindings::types::Host for VuState {}

impl wasi::Seeded for VuState {
    fn random(&mut self) -> &mut fastrand::Rng {
        self.random_numbers()
    }
}

/// Links the contract and WASI.
pub(crate) fn link(linker: &mut Linker<VuState>) -> wasmtime::Result<()> {
    wasi::link(linker)?;
    bindings::ScenarioWorld::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}
