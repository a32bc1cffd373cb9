//! Debug information of a scenario, read within a budget.
//!
//! A guest may say in its debug information what it likes: thousands of units may share one
//! table that unfolds to hundreds of megabytes. So each read takes fuel, and without fuel the
//! places stay unknown.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use addr2line::gimli::{
    Dwarf, EndianSlice, Error, LittleEndian, Reader, ReaderOffsetId, Result, SectionId,
};
use wasmparser::{Parser, Payload};

use super::symbols::Symbol;

/// Bytes that may be read beside once the whole file, all tables counted as often as they are
/// read. Each may unfold to 24 bytes in memory.
const FUEL: u64 = 8 << 20;

/// Functions that were inlined into each other at one place.
const INLINED: usize = 32;

/// The budget for a scenario of these bytes.
pub(super) fn fuel(wasm: &[u8]) -> Cell<u64> {
    Cell::new(FUEL + wasm.len() as u64)
}

/// A core module with debug information.
pub(super) struct Module<'a> {
    code: Range<usize>,
    context: addr2line::Context<Metered<'a>>,
}

pub(super) fn look_up(modules: &[Module<'_>], offset: usize) -> Vec<Symbol> {
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
        if symbols.len() == INLINED {
            break;
        }
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

pub(super) fn modules<'a>(wasm: &'a [u8], fuel: &'a Cell<u64>) -> Vec<Module<'a>> {
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
                let load = |id: SectionId| -> Result<Metered<'_>> {
                    let data = sections.get(id.name()).copied().unwrap_or_default();
                    Ok(Metered { bytes: EndianSlice::new(data, LittleEndian), fuel })
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

/// Bytes that take fuel to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metered<'a> {
    bytes: EndianSlice<'a, LittleEndian>,
    fuel: &'a Cell<u64>,
}

impl Metered<'_> {
    fn spend(&self, bytes: usize) -> Result<()> {
        match self.fuel.get().checked_sub(bytes.max(1) as u64) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => Err(Error::UnexpectedEof(self.offset_id())),
        }
    }
}

impl Reader for Metered<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    fn len(&self) -> usize {
        Reader::len(&self.bytes)
    }

    fn empty(&mut self) {
        self.bytes.empty();
    }

    fn truncate(&mut self, len: usize) -> Result<()> {
        self.bytes.truncate(len)
    }

    fn offset_from(&self, base: &Self) -> usize {
        Reader::offset_from(&self.bytes, &base.bytes)
    }

    fn offset_id(&self) -> ReaderOffsetId {
        self.bytes.offset_id()
    }

    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        self.bytes.lookup_offset_id(id)
    }

    fn find(&self, byte: u8) -> Result<usize> {
        let at = Reader::find(&self.bytes, byte)?;
        self.spend(at)?;
        Ok(at)
    }

    fn skip(&mut self, len: usize) -> Result<()> {
        self.spend(1)?;
        self.bytes.skip(len)
    }

    fn split(&mut self, len: usize) -> Result<Self> {
        self.spend(1)?;
        Ok(Self { bytes: self.bytes.split(len)?, fuel: self.fuel })
    }

    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.spend(Reader::len(self))?;
        self.bytes.to_slice()
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.spend(Reader::len(self))?;
        Reader::to_string(&self.bytes)
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.spend(Reader::len(self))?;
        Reader::to_string_lossy(&self.bytes)
    }

    fn read_slice(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.spend(buffer.len())?;
        Reader::read_slice(&mut self.bytes, buffer)
    }
}
