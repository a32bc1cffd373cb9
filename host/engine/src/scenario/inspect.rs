//! What bytes contain, found by parsing alone: nothing is compiled or executed.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wasmparser::{
    ComponentExternalKind, Data, DataKind, ElementItems, Operator, Parser, Payload, WasmFeatures,
};

use loadhost_model::id::Digest;

use super::body;
use super::contract;
use super::error::ScenarioError;
use super::magic;

/// Caps on the structure of a component, so that compiling it stays cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructureCaps {
    /// Of the file. Raise it for scenarios that carry an interpreter.
    pub file_bytes: u64,
    /// Core modules, those of nested components included.
    pub core_modules: u64,
    /// Components nested in the component.
    pub components: u64,
    /// Functions over all core modules.
    pub functions: u64,
    /// Bytes of one function.
    pub body_bytes: u64,
    /// Locals of one function.
    pub locals: u64,
    /// Blocks, loops and conditions of one function.
    pub blocks: u64,
    /// Targets of all jump tables of one function.
    pub targets: u64,
    /// Locals times blocks of one function: what a compiler's memory grows with.
    pub values: u64,
    /// Types over all core modules; globals, exports and elements of tables likewise, each.
    pub entries: u64,
    /// Custom sections.
    pub custom_sections: u64,
    /// Bytes of all data segments.
    pub data_bytes: u64,
    /// End of the data segment that reaches farthest.
    pub data_end: u64,
    /// Imports and exports of the component.
    pub names: u64,
}

impl Default for StructureCaps {
    fn default() -> Self {
        Self {
            file_bytes: 16 << 20,
            core_modules: 16,
            components: 64,
            functions: 50_000,
            body_bytes: 512 << 10,
            locals: 10_000,
            blocks: 20_000,
            targets: 50_000,
            values: 10_000_000,
            entries: 50_000,
            custom_sections: 1_000,
            data_bytes: 16 << 20,
            data_end: 32 << 20,
            names: 200,
        }
    }
}

/// What a component contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// Version of the contract it was built against, such as `0.1.0`.
    pub contract: String,
    /// Interfaces of the contract that it imports.
    pub imports: Vec<String>,
    /// Interfaces of WASI that it imports.
    pub wasi: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// Whether it exports `load-shape`.
    pub has_load_shape: bool,
    /// Languages and tools that made it, with versions: `Rust`, `1.95.0`.
    pub producers: Vec<(String, String)>,
    /// Core modules.
    pub core_modules: u64,
    /// Functions over all core modules.
    pub functions: u64,
    /// Bytes of debug information.
    pub debug_bytes: u64,
}

/// Checks kind, structure, imports and exports, in this order.
pub fn inspect(bytes: &[u8], caps: &StructureCaps) -> Result<Inspection, ScenarioError> {
    let size = bytes.len() as u64;
    if size > caps.file_bytes {
        return Err(ScenarioError::TooLarge { size, cap: caps.file_bytes });
    }
    magic::check(bytes)?;
    let mut survey = Survey::new(caps);
    survey.parse(bytes)?;
    let contract = contract::check(&survey.imports, &survey.exports)?;
    Ok(Inspection {
        digest: digest_of(bytes),
        size,
        contract: contract.version,
        imports: contract.imports,
        wasi: contract.wasi,
        has_load_shape: contract.has_load_shape,
        exports: survey.exports,
        producers: survey.producers,
        core_modules: survey.core_modules,
        functions: survey.functions,
        debug_bytes: survey.debug_bytes,
    })
}

/// The SHA-256 of these bytes.
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// Counts while parsing. `depth` 0 is the component itself.
struct Survey<'c> {
    caps: &'c StructureCaps,
    depth: u32,
    core_modules: u64,
    components: u64,
    functions: u64,
    types: u64,
    globals: u64,
    core_exports: u64,
    elements: u64,
    custom_sections: u64,
    data_bytes: u64,
    debug_bytes: u64,
    imports: Vec<String>,
    exports: Vec<String>,
    producers: Vec<(String, String)>,
}

impl<'c> Survey<'c> {
    fn new(caps: &'c StructureCaps) -> Self {
        Self {
            caps,
            depth: 0,
            core_modules: 0,
            components: 0,
            functions: 0,
            types: 0,
            globals: 0,
            core_exports: 0,
            elements: 0,
            custom_sections: 0,
            data_bytes: 0,
            debug_bytes: 0,
            imports: Vec::new(),
            exports: Vec::new(),
            producers: Vec::new(),
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<(), ScenarioError> {
        let mut parser = Parser::new(0);
        parser.set_features(WasmFeatures::all());
        for payload in parser.parse_all(bytes) {
            self.take(payload.map_err(malformed)?)?;
        }
        Ok(())
    }

    fn take(&mut self, payload: Payload<'_>) -> Result<(), ScenarioError> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.depth += 1;
                self.core_modules += 1;
                cap("core modules", self.core_modules, self.caps.core_modules)
            }
            Payload::ComponentSection { .. } => {
                self.depth += 1;
                self.components += 1;
                cap("nested components", self.components, self.caps.components)
            }
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions += u64::from(count);
                cap("functions", self.functions, self.caps.functions)
            }
            Payload::CodeSectionEntry(body) => body::check(&body, self.caps),
            Payload::TypeSection(section) => {
                // A group counts once, but its types each.
                for group in section {
                    self.types += group.map_err(malformed)?.types().len() as u64;
                    cap("types", self.types, self.caps.entries)?;
                }
                Ok(())
            }
            Payload::GlobalSection(section) => {
                self.globals += u64::from(section.count());
                cap("globals", self.globals, self.caps.entries)
            }
            Payload::ExportSection(section) => {
                self.core_exports += u64::from(section.count());
                cap("exports of core modules", self.core_exports, self.caps.entries)
            }
            Payload::ElementSection(section) => section.into_iter().try_for_each(|element| {
                self.elements += 1 + match element.map_err(malformed)?.items {
                    ElementItems::Functions(items) => u64::from(items.count()),
                    ElementItems::Expressions(_, items) => u64::from(items.count()),
                };
                cap("elements of tables", self.elements, self.caps.entries)
            }),
            Payload::DataSection(section) => {
                section.into_iter().try_for_each(|data| self.data(&data.map_err(malformed)?))
            }
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    self.imports.push(import.map_err(malformed)?.name.name.to_string());
                    cap("imports", self.imports.len() as u64, self.caps.names)?;
                }
                Ok(())
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    let export = export.map_err(malformed)?;
                    if export.kind != ComponentExternalKind::Type {
                        self.exports.push(export.name.name.to_string());
                        cap("exports", self.exports.len() as u64, self.caps.names)?;
                    }
                }
                Ok(())
            }
            Payload::CustomSection(section) => {
                self.custom_sections += 1;
                self.custom(&section);
                cap("custom sections", self.custom_sections, self.caps.custom_sections)
            }
            _ => Ok(()),
        }
    }

    fn data(&mut self, data: &Data<'_>) -> Result<(), ScenarioError> {
        self.data_bytes += data.data.len() as u64;
        cap("bytes of data", self.data_bytes, self.caps.data_bytes)?;
        let DataKind::Active { offset_expr, .. } = &data.kind else { return Ok(()) };
        // Other expressions read a global, which is the start of position-independent code.
        if let Some(Ok(Operator::I32Const { value })) =
            offset_expr.get_operators_reader().into_iter().next()
        {
            let end = u64::from(value as u32) + data.data.len() as u64;
            cap("bytes up to the end of its data", end, self.caps.data_end)?;
        }
        Ok(())
    }

    /// Custom sections say nothing that matters to safety, so a broken one is skipped.
    fn custom(&mut self, section: &wasmparser::CustomSectionReader<'_>) {
        if section.name().starts_with(".debug_") {
            self.debug_bytes += section.data().len() as u64;
        }
        let wasmparser::KnownCustom::Producers(fields) = section.as_known() else { return };
        let values = fields.into_iter().flatten().flat_map(|field| field.values).flatten();
        for value in values {
            let producer = (value.name.to_string(), value.version.to_string());
            if self.producers.len() < 32 && !self.producers.contains(&producer) {
                self.producers.push(producer);
            }
        }
    }
}

pub(super) fn cap(what: &'static str, found: u64, cap: u64) -> Result<(), ScenarioError> {
    if found > cap { Err(ScenarioError::Structure { what, found, cap }) } else { Ok(()) }
}

pub(super) fn malformed(error: wasmparser::BinaryReaderError) -> ScenarioError {
    ScenarioError::Malformed { offset: error.offset() as u64, message: error.message().to_string() }
}
