//! Function, file and line of places in a scenario.
//!
//! wasmtime can find them too, but reads all debug information anew for each frame of each trap:
//! 130 ms for a guest in Rust, which a crash loop would make its neighbours pay. Here each place
//! is looked up once, and all places of a trap together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use wasmparser::{Parser, Payload};

/// Places that are remembered.
const REMEMBERED: usize = 4096;

/// One function at a place: inlined functions have symbols of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// Mangled.
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: u32,
}

type Place = Arc<[Symbol]>;
type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The debug information of one scenario.
pub(crate) struct Symbols {
    wasm: Arc<[u8]>,
    known: Mutex<HashMap<usize, Place>>,
}

impl Symbols {
    pub(crate) fn new(wasm: Arc<[u8]>) -> Self {
        Self { wasm, known: Mutex::default() }
    }

    /// What stands at these offsets in the scenario's file, innermost function first; nothing
    /// where there is no debug information.
    pub(crate) fn at(&self, offsets: &[usize]) -> Vec<Place> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<usize> =
            offsets.iter().copied().filter(|offset| !known.contains_key(offset)).collect();
        if !new.is_empty() {
            if known.len() + new.len() > REMEMBERED {
                known.clear();
            }
            let modules = modules(&self.wasm);
            known.extend(new.into_iter().map(|offset| (offset, look_up(&modules, offset).into())));
        }
        offsets.iter().map(|offset| known.get(offset).cloned().unwrap_or_default()).collect()
    }
}

/// A core module with debug information.
struct Module<'a> {
    code: Range<usize>,
    context: addr2line::Context<Reader<'a>>,
}

fn look_up(modules: &[Module<'_>], offset: usize) -> Vec<Symbol> {
    let Some(module) = modules.iter().find(|module| module.code.contains(&offset)) else {
        return Vec::new();
    };
    // Addresses of the debug information count from the begin of the code section.
    let address = (offset - module.code.start) as u64;
    let mut symbols = Vec::new();
    let Ok(mut frames) = module.context.find_frames(address).skip_all_loads() else {
        return symbols;
    };
    while let Ok(Some(frame)) = frames.next() {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = frame.location.as_ref();
        symbols.push(Symbol {
            function: name.map(|name| name.to_string()),
            file: location.and_then(|location| location.file).map(str::to_string),
            line: location.and_then(|location| location.line).unwrap_or(0),
        });
    }
    symbols
}

fn modules(wasm: &[u8]) -> Vec<Module<'_>> {
    let mut modules = Vec::new();
    let mut code = 0..0;
    let mut sections: HashMap<&str, &[u8]> = HashMap::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::ModuleSection { .. }) => {
                code = 0..0;
                sections.clear();
            }
            Ok(Payload::CodeSectionStart { range, .. }) => code = range,
            Ok(Payload::CustomSection(section)) if section.name().starts_with(".debug_") => {
                sections.insert(section.name(), section.data());
            }
            Ok(Payload::End(_)) if !sections.is_empty() && !code.is_empty() => {
                let load = |id: SectionId| -> Result<Reader<'_>, addr2line::gimli::Error> {
                    let data = sections.get(id.name()).copied().unwrap_or_default();
                    Ok(EndianSlice::new(data, LittleEndian))
                };
                let context = Dwarf::load(load).and_then(addr2line::Context::from_dwarf);
                if let Ok(context) = context {
                    modules.push(Module { code: code.clone(), context });
                }
                sections.clear();
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    modules
}
