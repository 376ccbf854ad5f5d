//! The tree of components and core modules in a file: names, sizes, memories, tables, producers.
//!
//! One walk over the sections; the bodies of functions are skipped and nothing is validated, so this also
//! reads files that an engine would refuse. [`crate::bounds`] must have passed before.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use wasmparser::{
    BinaryReaderError, ComponentExternalKind, ComponentName, ComponentNameSectionReader, ComponentTypeRef,
    CompositeInnerType, CustomSectionReader, Encoding, ExternalKind, FuncType, KnownCustom, MemoryType, Name,
    NameSectionReader, Parser, Payload, ProducersSectionReader, TableType, TypeRef,
};

/// How many entries a list of a description may have. A file with more is refused rather than shown in part:
/// what is left out might be the one import that matters.
pub const ENTRIES_MAX: usize = 50_000;

/// The longest core function type that is shown whole.
const SIGNATURE_BYTES_MAX: usize = 200;

/// How many function names are looked at for signs of a language.
const NAMES_SEEN_MAX: usize = 50_000;

/// Why the structure of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes do not read.
    #[error("malformed at offset {offset:#x} ({offset}): {reason}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What was found and what was expected there.
        reason: String,
    },
    /// A list is longer than [`ENTRIES_MAX`].
    #[error("there are more than {ENTRIES_MAX} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
    },
}

impl From<BinaryReaderError> for Error {
    fn from(error: BinaryReaderError) -> Self {
        Self::Malformed {
            offset: error.offset(),
            reason: error.message().to_owned(),
        }
    }
}

/// Whether a part is a component or a core module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A component, which may hold further parts.
    Component,
    /// A core module.
    Module,
}

/// One component or core module, with the parts inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Component or core module.
    pub kind: PartKind,
    /// The name that the tools gave it.
    pub name: Option<String>,
    /// Where it lies in the binary.
    pub range: Range<usize>,
    /// Bytes of its own code section.
    pub code_bytes: usize,
    /// Bytes of its own data section.
    pub data_bytes: usize,
    /// How many functions it defines.
    pub functions: u32,
    /// Its custom sections, by name, with the bytes of each.
    pub custom_sections: BTreeMap<String, usize>,
    /// Its memories, imported ones first.
    pub memories: Vec<Memory>,
    /// Its tables, imported ones first.
    pub tables: Vec<Table>,
    /// What made it, as its producers section says.
    pub producers: Vec<Producer>,
    /// The WebAssembly features that its tools say it uses, or that its sections show.
    pub features: BTreeSet<String>,
    /// Well-known names in it that tell which tools made it.
    pub(crate) signs: BTreeSet<&'static str>,
    /// The parts inside it, in order.
    pub parts: Vec<Part>,
}

impl Part {
    fn new(encoding: Encoding, range: Range<usize>) -> Self {
        Self {
            kind: match encoding {
                Encoding::Module => PartKind::Module,
                Encoding::Component => PartKind::Component,
            },
            name: None,
            range,
            code_bytes: 0,
            data_bytes: 0,
            functions: 0,
            custom_sections: BTreeMap::new(),
            memories: Vec::new(),
            tables: Vec::new(),
            producers: Vec::new(),
            features: BTreeSet::new(),
            signs: BTreeSet::new(),
            parts: Vec::new(),
        }
    }

    /// How many bytes it takes, with everything inside it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.range.len()
    }

    /// Calls `visit` for this part and every part inside it, outer ones first.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Part)) {
        visit(self);
        for part in &self.parts {
            part.each(visit);
        }
    }
}

/// A linear memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes at the start.
    pub bytes_min: u64,
    /// The most bytes it may grow to, where the module says so.
    pub bytes_max: Option<u64>,
    /// Addresses are 64 bits wide.
    pub is_64: bool,
    /// Threads may share it.
    pub is_shared: bool,
    /// It comes from outside the module.
    pub is_imported: bool,
}

impl Memory {
    fn new(ty: &MemoryType, is_imported: bool) -> Self {
        // A page is never larger than 64 KiB; a malformed exponent must not shift everything out.
        let page = 1u64 << ty.page_size_log2.unwrap_or(16).min(16);
        Self {
            bytes_min: ty.initial.saturating_mul(page),
            bytes_max: ty.maximum.map(|pages| pages.saturating_mul(page)),
            is_64: ty.memory64,
            is_shared: ty.shared,
            is_imported,
        }
    }
}

/// A table of references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it holds, such as `funcref`.
    pub element: String,
    /// Elements at the start.
    pub elements_min: u64,
    /// The most elements it may grow to, where the module says so.
    pub elements_max: Option<u64>,
    /// Indices are 64 bits wide.
    pub is_64: bool,
    /// It comes from outside the module.
    pub is_imported: bool,
}

impl Table {
    fn new(ty: &TableType, is_imported: bool) -> Self {
        Self {
            element: ty.element_type.to_string(),
            elements_min: ty.initial,
            elements_max: ty.maximum,
            is_64: ty.table64,
            is_imported,
        }
    }
}

/// One line of a producers section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// What the tool did: `language`, `processed-by` or `sdk`.
    pub field: String,
    /// The tool.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// One thing that the outermost part imports or exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The module that a core import names; empty for exports and for components.
    pub module: String,
    /// Its name.
    pub name: String,
    /// What it is: `func`, `memory`, `instance` and so on.
    pub kind: &'static str,
    /// The type of a core function, such as `(i32, i32) -> (i32)`.
    pub signature: Option<String>,
}

/// A file as a tree, with what its outermost part imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// The outermost part.
    pub root: Part,
    /// What it imports.
    pub imports: Vec<Item>,
    /// What it exports.
    pub exports: Vec<Item>,
}

/// Reads the structure of a binary.
///
/// # Errors
/// The bytes do not read as a module or component, or a list in them is longer than [`ENTRIES_MAX`].
///
/// # Limits
/// One pass; memory in proportion to the names in the file.
pub fn read(wasm: &[u8]) -> Result<Structure, Error> {
    let mut reader = Reader::default();
    for payload in Parser::new(0).parse_all(wasm) {
        reader.payload(payload?, wasm.len())?;
    }
    let root = reader.finished.ok_or_else(|| Error::Malformed {
        offset: wasm.len(),
        reason: "the file ends before its outermost part does".to_owned(),
    })?;
    Ok(Structure {
        root,
        imports: reader.imports,
        exports: reader.exports,
    })
}

/// Where the walk is: the parts that are open, and what the outermost one shows.
#[derive(Default)]
struct Reader {
    open: Vec<Part>,
    finished: Option<Part>,
    next_range: Option<Range<usize>>,
    imports: Vec<Item>,
    exports: Vec<Item>,
    types: Vec<Option<FuncType>>,
    function_types: Vec<u32>,
    entries: usize,
}

impl Reader {
    fn payload(&mut self, payload: Payload<'_>, file_bytes: usize) -> Result<(), Error> {
        if let Payload::Version { encoding, .. } = payload {
            let range = self.next_range.take().unwrap_or(0..file_bytes);
            self.open.push(Part::new(encoding, range));
            return Ok(());
        }
        if let Payload::End(_) = payload {
            self.close();
            return Ok(());
        }
        match payload {
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => self.next_range = Some(unchecked_range),
            Payload::CustomSection(section) => self.custom_section(&section)?,
            Payload::ComponentImportSection(_) | Payload::ComponentExportSection(_) => {
                self.component_surface(payload)?;
            }
            other => self.module_section(other)?,
        }
        Ok(())
    }

    fn close(&mut self) {
        let Some(part) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.parts.push(part),
            None => self.finished = Some(part),
        }
    }

    fn is_outermost(&self) -> bool {
        self.open.len() == 1
    }

    /// Counts one more entry of any list, so that all lists together stay bounded.
    fn count(&mut self, what: &'static str) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            Err(Error::TooMany { what })
        } else {
            Ok(())
        }
    }

    fn component_surface(&mut self, payload: Payload<'_>) -> Result<(), Error> {
        if !self.is_outermost() {
            return Ok(());
        }
        match payload {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.count("imports")?;
                    self.imports
                        .push(component_item(import.name.name, component_kind(import.ty)));
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.count("exports")?;
                    self.exports
                        .push(component_item(export.name.name, export_kind(export.kind)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn module_section(&mut self, payload: Payload<'_>) -> Result<(), Error> {
        let outermost = self.is_outermost();
        match payload {
            Payload::TypeSection(section) if outermost => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?, outermost)?;
                }
            }
            Payload::FunctionSection(section) => {
                self.part(|part| part.functions = section.count());
                if outermost {
                    for ty in section {
                        self.function_types.push(ty?);
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    self.export(export?, outermost)?;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memory(&memory?, false)?;
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.table(&table?.ty, false)?;
                }
            }
            Payload::TagSection(_) => self.feature("exception-handling"),
            Payload::CodeSectionStart { range, .. } => self.part(|part| part.code_bytes = range.len()),
            Payload::DataSection(section) => self.part(|part| part.data_bytes = section.range().len()),
            _ => {}
        }
        Ok(())
    }

    fn part(&mut self, change: impl FnOnce(&mut Part)) {
        if let Some(part) = self.open.last_mut() {
            change(part);
        }
    }

    fn feature(&mut self, name: &str) {
        self.part(|part| part.features.extend([name.to_owned()]));
    }

    fn import(&mut self, import: wasmparser::Import<'_>, outermost: bool) -> Result<(), Error> {
        match import.ty {
            TypeRef::Memory(ty) => self.memory(&ty, true)?,
            TypeRef::Table(ty) => self.table(&ty, true)?,
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) if outermost => self.function_types.push(ty),
            _ => {}
        }
        if outermost {
            self.count("imports")?;
            let signature = match import.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) => self.signature(ty),
                _ => None,
            };
            let (module, name) = (import.module.to_owned(), import.name.to_owned());
            self.imports.push(Item {
                module,
                name,
                kind: type_kind(import.ty),
                signature,
            });
        }
        Ok(())
    }

    fn export(&mut self, export: wasmparser::Export<'_>, outermost: bool) -> Result<(), Error> {
        self.sign(export.name);
        if outermost {
            self.count("exports")?;
            let signature = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => usize::try_from(export.index)
                    .ok()
                    .and_then(|index| self.function_types.get(index))
                    .and_then(|ty| self.signature(*ty)),
                _ => None,
            };
            let (module, name) = (String::new(), export.name.to_owned());
            self.exports.push(Item {
                module,
                name,
                kind: external_kind(export.kind),
                signature,
            });
        }
        Ok(())
    }

    fn memory(&mut self, ty: &MemoryType, is_imported: bool) -> Result<(), Error> {
        self.count("memories")?;
        self.part(|part| part.memories.push(Memory::new(ty, is_imported)));
        if ty.memory64 {
            self.feature("memory64");
        }
        if ty.shared {
            self.feature("threads");
        }
        if ty.page_size_log2.is_some() {
            self.feature("custom-page-sizes");
        }
        Ok(())
    }

    fn table(&mut self, ty: &TableType, is_imported: bool) -> Result<(), Error> {
        self.count("tables")?;
        self.part(|part| part.tables.push(Table::new(ty, is_imported)));
        Ok(())
    }

    /// Writes the type with this index, if it is a function's.
    fn signature(&self, index: u32) -> Option<String> {
        let ty = self.types.get(usize::try_from(index).ok()?)?.as_ref()?;
        let mut text = String::from("(");
        write_types(&mut text, ty.params());
        text.push(')');
        if !ty.results().is_empty() {
            text.push_str(" -> (");
            write_types(&mut text, ty.results());
            text.push(')');
        }
        Some(text)
    }

    /// A custom section that does not read is shown with its size and nothing else: it has no meaning for
    /// whoever runs the file, so it is no reason to refuse it.
    fn custom_section(&mut self, section: &CustomSectionReader<'_>) -> Result<(), Error> {
        self.count("custom sections")?;
        let (name, bytes) = (section.name(), section.data().len());
        self.part(|part| *part.custom_sections.entry(name.to_owned()).or_default() += bytes);
        self.sign(name);
        match section.as_known() {
            KnownCustom::Name(names) => self.module_names(names),
            KnownCustom::ComponentName(names) => self.component_names(names),
            KnownCustom::Producers(producers) => self.producers(producers)?,
            KnownCustom::Unknown if name == "target_features" => self.target_features(section.data())?,
            _ => {}
        }
        Ok(())
    }

    fn module_names(&mut self, names: NameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            match name {
                Name::Module { name, .. } => self.part(|part| part.name = Some(name.to_owned())),
                Name::Function(names) => {
                    for naming in names.into_iter().take(NAMES_SEEN_MAX).map_while(Result::ok) {
                        self.sign(naming.name);
                    }
                }
                _ => {}
            }
        }
    }

    fn component_names(&mut self, names: ComponentNameSectionReader<'_>) {
        for name in names.into_iter().map_while(Result::ok) {
            match name {
                ComponentName::Component { name, .. } => self.part(|part| part.name = Some(name.to_owned())),
                ComponentName::CoreModules(names) => {
                    for naming in names.into_iter().take(NAMES_SEEN_MAX).map_while(Result::ok) {
                        self.sign(naming.name);
                    }
                }
                _ => {}
            }
        }
    }

    fn producers(&mut self, section: ProducersSectionReader<'_>) -> Result<(), Error> {
        for field in section.into_iter().map_while(Result::ok) {
            for value in field.values.into_iter().map_while(Result::ok) {
                self.count("producers")?;
                let field = field.name.to_owned();
                let (name, version) = (value.name.to_owned(), value.version.to_owned());
                self.part(|part| part.producers.push(Producer { field, name, version }));
            }
        }
        Ok(())
    }

    /// The section in which LLVM lists what the code uses: a count, then a sign byte and a name for each.
    fn target_features(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut reader = wasmparser::BinaryReader::new(data, 0);
        let Ok(count) = reader.read_var_u32() else {
            return Ok(());
        };
        for _ in 0..count {
            let (Ok(sign), Ok(name)) = (reader.read_u8(), reader.read_string()) else {
                break;
            };
            self.count("features")?;
            if sign == b'+' || sign == b'=' {
                self.feature(name);
            }
        }
        Ok(())
    }

    fn sign(&mut self, name: &str) {
        if let Some(sign) = crate::languages::sign(name) {
            self.part(|part| part.signs.extend([sign]));
        }
    }
}

fn write_types(text: &mut String, types: &[wasmparser::ValType]) {
    for (position, ty) in types.iter().enumerate() {
        if text.len() > SIGNATURE_BYTES_MAX {
            text.push('…');
            return;
        }
        if position > 0 {
            text.push_str(", ");
        }
        text.push_str(&ty.to_string());
    }
}

fn component_item(name: &str, kind: &'static str) -> Item {
    Item {
        module: String::new(),
        name: name.to_owned(),
        kind,
        signature: None,
    }
}

fn type_kind(ty: TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "func",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}

fn external_kind(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => "func",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}

fn component_kind(ty: ComponentTypeRef) -> &'static str {
    export_kind(ty.kind())
}

fn export_kind(kind: ComponentExternalKind) -> &'static str {
    match kind {
        ComponentExternalKind::Module => "module",
        ComponentExternalKind::Func => "func",
        ComponentExternalKind::Value => "value",
        ComponentExternalKind::Type => "type",
        ComponentExternalKind::Instance => "instance",
        ComponentExternalKind::Component => "component",
    }
}
