//! wasmtime engines: one to compile with, and one per run with a pool of its size.
//!
//! All have the same tunables, so that what one compiled the others can load.

use std::num::NonZeroUsize;

use loadhost_model::plan::Limits;
use serde::{Deserialize, Serialize};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// Stack left to host functions on a guest's fiber: TLS and decompression run there.
const HOST_STACK: usize = 192 << 10;

/// Frames of a backtrace. Their files and lines are found by `symbols`.
const FRAMES: NonZeroUsize = NonZeroUsize::new(24).unwrap();

/// Places beyond which a slot reserves less address space than 4 GiB, for a scenario with one memory.
const MANY_PLACES: u32 = 14_000;
/// Slots of that size that surely map: 28,000 no longer do.
const FULL_SLOTS: u32 = 24_000;

/// Resources of one instance, counted from the component's structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Core instances.
    pub(crate) instances: u32,
    /// Linear memories.
    pub(crate) memories: u32,
    /// Tables.
    pub(crate) tables: u32,
}

/// How much address space a memory reserves. It is compiled into the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reservation {
    /// 4 GiB and no bounds checks.
    Full,
    /// 128 MiB or what the limit asks for, with bounds checks.
    Compact,
}

impl Reservation {
    /// Of a pool with so many places.
    pub(crate) fn for_places(places: u32, memories: u32) -> Self {
        if places > Self::full_places(memories) { Self::Compact } else { Self::Full }
    }

    /// The greatest pool that needs no compact reservation.
    pub(crate) fn full_places(memories: u32) -> u32 {
        MANY_PLACES.min(FULL_SLOTS / memories.max(1))
    }
}

/// All that the code depends on, beside the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recipe {
    stack_bytes: u64,
    memory_bytes: u64,
    reservation: Reservation,
}

impl Recipe {
    pub(crate) fn of(limits: &Limits, reservation: Reservation) -> Self {
        let Limits { stack_bytes, memory_bytes, .. } = *limits;
        Self { stack_bytes, memory_bytes, reservation }
    }

    /// For compiling and for `describe`: instances are allocated one by one.
    pub(crate) fn engine(self) -> wasmtime::Result<Engine> {
        Engine::new(&config(self))
    }
}

/// For a run of so many users, with what its code is to be compiled by.
pub(crate) fn pooled(
    limits: &Limits,
    footprint: Footprint,
    users: u32,
) -> wasmtime::Result<(Engine, Recipe)> {
    let recipe = Recipe::of(limits, Reservation::for_places(users, footprint.memories));
    let mut config = config(recipe);
    let mut pool = PoolingAllocationConfig::new();
    let times = |count: u32| count.max(1).saturating_mul(users);
    pool.total_component_instances(users)
        .total_core_instances(times(footprint.instances))
        .total_memories(times(footprint.memories))
        .total_tables(times(footprint.tables))
        // A store keeps its last fiber's stack.
        .total_stacks(users)
        .total_gc_heaps(0)
        .max_memories_per_module(footprint.memories.max(1))
        .max_tables_per_module(footprint.tables.max(1))
        .max_memory_size(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX).min(1 << 32))
        .table_elements(limits.table_elements as usize)
        .max_unused_warm_slots(users)
        // A place is used again only after a crash, and zeroing by hand touches pages that the
        // user never did: the system takes them all back for less.
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .async_stack_keep_resident(0);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok((Engine::new(&config)?, recipe))
}

fn config(recipe: Recipe) -> Config {
    let mut config = Config::new();
    let stack = usize::try_from(recipe.stack_bytes).unwrap_or(usize::MAX >> 1).max(64 << 10);
    config
        .concurrency_support(false)
        .gc_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(stack)
        .async_stack_size((stack + HOST_STACK).next_multiple_of(4096))
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .generate_address_map(true)
        .wasm_backtrace_max_frames(Some(FRAMES))
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .native_unwind_info(false);
    if recipe.reservation == Reservation::Compact {
        let bytes = recipe.memory_bytes.next_power_of_two().max(128 << 20);
        config.memory_reservation(bytes).memory_guard_size(64 << 10);
    }
    // Proposals beyond WebAssembly 2.0 only add ways in.
    config
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_wide_arithmetic(false)
        .wasm_component_model(true);
    config
}
