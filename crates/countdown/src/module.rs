//! One core module: what it consists of, and the same module with everything that makes it count.

use std::collections::HashSet;

use wasmparser::{
    BinaryReader, CompositeInnerType, ConstExpr, ElementItems, ExternalKind, FunctionBody, MemoryType,
    Operator, Parser, Payload, RefType, TableInit, TableType, TypeRef, ValType,
};
use weft_sections::{HEADER_BYTES, put_number, put_section, sections};

use crate::binary::{Code, put_longer_list};
use crate::body::{self, Names, Shelf};
use crate::data;
use crate::plan::Plan;
use crate::{Error, LOOK_UP_DELTA, UNITS};

/// Sections of a core module, in the order in which they stand.
const SECTIONS: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const CUSTOM: u8 = 0;
const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const TABLES: u8 = 4;
const GLOBALS: u8 = 6;
const CODE: u8 = 10;
const DATA: u8 = 11;

/// Kinds of references, as they are written.
const FUNCREF: u8 = 0x70;
const EXTERNREF: u8 = 0x6f;

/// What a module consists of, as far as counting is concerned. Functions are numbered as the module does, imported
/// ones first.
pub(crate) struct Module<'a> {
    /// The type of each function.
    pub(crate) functions: Vec<u32>,
    /// How many functions are imported.
    pub(crate) imported_functions: u32,
    /// Parameters and results of each type, where it is a function's.
    pub(crate) types: Vec<Option<Signature>>,
    /// The functions that are defined here.
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    /// Functions that others may call.
    pub(crate) exported: Vec<u32>,
    /// Functions that stand in a table, or of which a reference is taken.
    pub(crate) referenced: Vec<u32>,
    /// Whether tables hold only what the module's own segments put there.
    pub(crate) tables_are_private: bool,
    memories: Vec<MemoryType>,
    tables: Vec<TableType>,
    globals: u32,
}

/// A function type. Types that compare equal may be one type for the engine; types that do not never are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Signature {
    pub(crate) parameters: Vec<ValType>,
    pub(crate) results: Vec<ValType>,
}

impl Signature {
    /// The signature as far as it decides whether an indirect call may reach a function.
    pub(crate) fn key(&self) -> Self {
        // Equal types may have different numbers, and a subtype another shape inside: nothing is concluded from them.
        let erase = |ty: &ValType| match ty {
            ValType::Ref(_) => ValType::Ref(RefType::FUNCREF),
            other => *other,
        };
        Self {
            parameters: self.parameters.iter().map(erase).collect(),
            results: self.results.iter().map(erase).collect(),
        }
    }
}

/// Makes a module count, or returns it as it is when nothing in it has to.
pub(crate) fn rewrite(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let module = Module::read(wasm)?;
    let plan = Plan::new(&module)?;
    if plan.is_empty() {
        return with_copied_data(wasm);
    }
    module.write(wasm, &plan)
}

/// A module that need not count, with its sections as they are but for the data.
fn with_copied_data(wasm: &[u8]) -> Result<Vec<u8>, Error> {
    let mut rewritten = Vec::with_capacity(wasm.len() + 16);
    rewritten.extend_from_slice(wasm.get(..HEADER_BYTES).unwrap_or_default());
    for section in sections(wasm) {
        let section = section?;
        match section.id {
            DATA => put_data(&mut rewritten, section.body)?,
            _ => rewritten.extend_from_slice(section.whole),
        }
    }
    Ok(rewritten)
}

fn put_data(out: &mut Vec<u8>, section: &[u8]) -> Result<(), Error> {
    match data::copied(section)? {
        Some(copied) => put_section(out, DATA, &copied),
        None => put_section(out, DATA, section),
    }
    Ok(())
}

impl<'a> Module<'a> {
    pub(crate) fn read(wasm: &'a [u8]) -> Result<Self, Error> {
        let mut module = Self {
            functions: Vec::new(),
            imported_functions: 0,
            types: Vec::new(),
            bodies: Vec::new(),
            exported: Vec::new(),
            referenced: Vec::new(),
            tables_are_private: true,
            memories: Vec::new(),
            tables: Vec::new(),
            globals: 0,
        };
        for payload in Parser::new(0).parse_all(wasm) {
            module.add(payload?)?;
        }
        let mut seen = HashSet::new();
        module.referenced.retain(|function| seen.insert(*function));
        Ok(module)
    }

    fn add(&mut self, payload: Payload<'a>) -> Result<(), Error> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.types.push(match &ty.composite_type.inner {
                            CompositeInnerType::Func(ty) => Some(Signature {
                                parameters: ty.params().to_vec(),
                                results: ty.results().to_vec(),
                            }),
                            _ => None,
                        });
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.import(import?.ty);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    self.tables.push(table.ty);
                    if let TableInit::Expr(init) = &table.init {
                        self.references(init)?;
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    self.references(&global?.init_expr)?;
                    self.globals += 1;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => self.exported.push(export.index),
                        ExternalKind::Table => self.tables_are_private = false,
                        _ => {}
                    }
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    self.elements(element?.items)?;
                }
            }
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, ty: TypeRef) {
        match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                self.imported_functions += 1;
            }
            TypeRef::Table(table) => {
                self.tables.push(table);
                self.tables_are_private = false;
            }
            TypeRef::Memory(memory) => self.memories.push(memory),
            TypeRef::Global(_) => self.globals += 1,
            TypeRef::Tag(_) => {}
        }
    }

    fn elements(&mut self, items: ElementItems<'a>) -> Result<(), Error> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.referenced.push(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    self.references(&expression?)?;
                }
            }
        }
        Ok(())
    }

    /// Notes the functions that a constant expression refers to.
    fn references(&mut self, expression: &ConstExpr<'a>) -> Result<(), Error> {
        for operator in expression.get_operators_reader() {
            match operator? {
                Operator::RefFunc { function_index } => self.referenced.push(function_index),
                // A reference that came from elsewhere.
                Operator::GlobalGet { .. } => self.tables_are_private = false,
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn signature(&self, ty: u32) -> Option<&Signature> {
        self.types.get(usize::try_from(ty).ok()?)?.as_ref()
    }

    pub(crate) fn function_signature(&self, function: u32) -> Option<&Signature> {
        self.signature(*self.functions.get(usize::try_from(function).ok()?)?)
    }

    /// The index of a function among those that are defined here.
    pub(crate) fn defined(&self, function: u32) -> Option<usize> {
        usize::try_from(function.checked_sub(self.imported_functions)?).ok()
    }

    /// Whether addresses in this memory have 64 bits.
    pub(crate) fn is_memory_64(&self, memory: u32) -> bool {
        let memory = usize::try_from(memory)
            .ok()
            .and_then(|index| self.memories.get(index));
        memory.is_some_and(|memory| memory.memory64)
    }

    /// Whether elements of this table are numbered with 64 bits.
    pub(crate) fn is_table_64(&self, table: u32) -> bool {
        let table = usize::try_from(table)
            .ok()
            .and_then(|index| self.tables.get(index));
        table.is_some_and(|table| table.table64)
    }

    /// The names of what is added, all of them behind everything that the module has.
    fn names(&self) -> Names {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        Names {
            countdown: self.globals,
            look_up: count(self.functions.len()),
            look_up_type: count(self.types.len()),
        }
    }

    fn write(&self, wasm: &[u8], plan: &Plan) -> Result<Vec<u8>, Error> {
        let names = self.names();
        let way = Way::choose(self);
        let mut shelf = Shelf::behind(names);
        let (mut code, hints) = body::rewrite_all(self, plan, names, &mut shelf)?;
        code.push(look_up(way, names));
        let pieces = Pieces::read(wasm)?;
        let mut rewritten = Vec::with_capacity(wasm.len() + wasm.len() / 4);
        rewritten.extend_from_slice(wasm.get(..HEADER_BYTES).unwrap_or_default());
        for id in SECTIONS {
            let new: Vec<Vec<u8>> = match id {
                TYPES => vec![vec![0x60, 0, 0]],
                FUNCTIONS => vec![number(names.look_up_type)],
                TABLES if matches!(way, Way::OwnTable { .. }) => vec![vec![FUNCREF, 0x01, 0, 0]],
                GLOBALS => std::iter::once(countdown()).chain(shelf.globals()).collect(),
                CODE => {
                    put_section(&mut rewritten, CUSTOM, &hints_section(&hints));
                    put_section(&mut rewritten, CODE, &code_section(&code));
                    continue;
                }
                DATA => {
                    if let Some(section) = pieces.sections.get(usize::from(DATA)).copied().flatten() {
                        put_data(&mut rewritten, section)?;
                    }
                    continue;
                }
                _ => Vec::new(),
            };
            pieces.put(&mut rewritten, id, &new)?;
        }
        rewritten.extend_from_slice(&pieces.custom);
        Ok(rewritten)
    }
}

fn code_section(functions: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    put_number(&mut body, functions.len() as u64);
    for function in functions {
        put_number(&mut body, function.len() as u64);
        body.extend_from_slice(function);
    }
    body
}

fn number(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, u64::from(number));
    bytes
}

/// The private global that counts down.
fn countdown() -> Vec<u8> {
    let mut code = Code::default();
    code.raw(&[0x7f, 0x01]).i32_const(units()).end();
    code.0
}

pub(crate) fn units() -> i32 {
    i32::try_from(UNITS).unwrap_or(i32::MAX)
}

/// What is asked to grow by more than it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Memory { index: u32, is_64: bool },
    Table { index: u32, is_64: bool, heap: u8 },
    OwnTable { index: u32 },
}

impl Way {
    /// A memory or a table that the module has anyway, else a table that never has an element: a memory, even an
    /// empty one, takes address space.
    fn choose(module: &Module<'_>) -> Self {
        for (index, memory) in (0..).zip(&module.memories) {
            // The engine answers for memories with small pages without asking anybody.
            if !memory.shared && memory.page_size_log2.is_none_or(|log2| log2 == 16) {
                return Self::Memory {
                    index,
                    is_64: memory.memory64,
                };
            }
        }
        for (index, table) in (0..).zip(&module.tables) {
            let heap = match table.element_type {
                RefType::FUNCREF => FUNCREF,
                RefType::EXTERNREF => EXTERNREF,
                _ => continue,
            };
            if !table.shared {
                let is_64 = table.table64;
                return Self::Table { index, is_64, heap };
            }
        }
        Self::OwnTable {
            index: u32::try_from(module.tables.len()).unwrap_or(u32::MAX),
        }
    }
}

/// The function that starts the countdown anew and asks the host.
fn look_up(way: Way, names: Names) -> Vec<u8> {
    let mut code = Code::default();
    code.raw(&[0]).i32_const(units()).global_set(names.countdown);
    let (index, is_64, opcode): (u32, bool, &[u8]) = match way {
        Way::Memory { index, is_64 } => (index, is_64, &[0x40]),
        Way::Table { index, is_64, heap } => {
            code.raw(&[0xd0, heap]);
            (index, is_64, &[0xfc, 0x0f])
        }
        Way::OwnTable { index } => {
            code.raw(&[0xd0, FUNCREF]);
            (index, false, &[0xfc, 0x0f])
        }
    };
    if is_64 {
        code.i64_const(i64::from(LOOK_UP_DELTA));
    } else {
        code.i32_const(LOOK_UP_DELTA.cast_signed());
    }
    code.raw(opcode);
    put_number(&mut code.0, u64::from(index));
    code.drop().end();
    code.0
}

/// The section that tells the compiler which branches are not taken.
fn hints_section(hints: &[(u32, Vec<u32>)]) -> Vec<u8> {
    const NAME: &str = "metadata.code.branch_hint";
    let mut body = number(NAME.len() as u32);
    body.extend_from_slice(NAME.as_bytes());
    put_number(&mut body, hints.len() as u64);
    for (function, offsets) in hints {
        put_number(&mut body, u64::from(*function));
        put_number(&mut body, offsets.len() as u64);
        for offset in offsets {
            put_number(&mut body, u64::from(*offset));
            body.extend_from_slice(&[1, 0]);
        }
    }
    body
}

/// The sections of the module as it was.
struct Pieces<'a> {
    sections: [Option<&'a [u8]>; 14],
    /// Custom sections that are still true.
    custom: Vec<u8>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn read(wasm: &'a [u8]) -> Result<Self, Error> {
        let mut pieces = Self {
            sections: [None; 14],
            custom: Vec::new(),
        };
        for section in sections(wasm) {
            let section = section?;
            if section.id == CUSTOM {
                if !speaks_of_addresses(section.body) {
                    pieces.custom.extend_from_slice(section.whole);
                }
            } else if let Some(place) = pieces.sections.get_mut(usize::from(section.id)) {
                *place = Some(section.body);
            }
        }
        Ok(pieces)
    }

    /// Writes a section with new entries behind the old ones.
    fn put(&self, out: &mut Vec<u8>, id: u8, new: &[Vec<u8>]) -> Result<(), Error> {
        let old = self.sections.get(usize::from(id)).copied().flatten();
        match old {
            Some(body) if new.is_empty() => put_section(out, id, body),
            None if new.is_empty() => {}
            Some(body) => {
                let mut reader = BinaryReader::new(body, 0);
                let count = reader.read_var_u32()?;
                let entries = body.get(reader.original_position()..).unwrap_or_default();
                put_longer_list(out, id, count, entries, new);
            }
            None => put_longer_list(out, id, 0, &[], new),
        }
        Ok(())
    }
}

/// Whether a custom section names places in the code, all of which have moved.
fn speaks_of_addresses(section: &[u8]) -> bool {
    let name = BinaryReader::new(section, 0).read_string().unwrap_or_default();
    let beginnings = [
        ".debug_",
        "metadata.code.",
        "reloc.",
        "sourceMappingURL",
        "external_debug_info",
        "linking",
    ];
    beginnings.iter().any(|beginning| name.starts_with(beginning))
}
