//! How deep a file is nested and how much it declares, measured before anything else reads it.
//!
//! Components hold components, and component types hold component types. The readers of such types call
//! themselves for each level, and a level costs an attacker three bytes: a file of a few kilobytes would end
//! the process by running out of stack, which nothing can catch. Empty sections and types cost as little and
//! make readers keep hundreds of bytes for each. So this walk, which keeps its place in a list of its own,
//! goes first. Whoever hands untrusted bytes to an engine calls it as well.

use wasmparser::{BinaryReader, ComponentType, ComponentTypeDeclaration, FromReader, Parser, Payload};
use wasmparser::{SectionLimited, TypeSectionReader};

/// How many levels of components, and of component types inside them, are accepted: many times what tools write.
pub const DEPTH_MAX: usize = 100;

/// How many components and modules one file may hold.
pub const PARTS_MAX: usize = 10_000;

/// How many sections one file may hold, over all its parts.
pub const SECTIONS_MAX: usize = 200_000;

/// How many types, imports, functions, exports and other entries the sections of one file may hold together.
pub const ENTRIES_MAX: u64 = 2_000_000;

/// A file that is nested deeper, or divided into more pieces, than anything a tool writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Components or component types are nested too deep.
    #[error("components or types are nested more than {DEPTH_MAX} deep at offset {offset:#x}")]
    TooDeep {
        /// Where the level begins that is one too many.
        offset: usize,
    },
    /// There are too many modules and components.
    #[error(
        "there are more than {PARTS_MAX} modules and components; the one too many is at offset {offset:#x}"
    )]
    TooManyParts {
        /// Where that part begins.
        offset: usize,
    },
    /// There are too many sections.
    #[error("there are more than {SECTIONS_MAX} sections; the one too many is at offset {offset:#x}")]
    TooManySections {
        /// Where that section begins.
        offset: usize,
    },
    /// The sections hold too many entries.
    #[error(
        "there are more than {ENTRIES_MAX} entries in all sections; the section too many is at offset {offset:#x}"
    )]
    TooManyEntries {
        /// Where the section begins whose entries are too many.
        offset: usize,
    },
}

/// Checks that a binary stays within the bounds of this module.
///
/// A binary that passes may still be malformed: the walk stops quietly at the first byte that does not read,
/// and so will every reader after it, at the same place.
///
/// # Errors
/// The nesting, or a number of pieces, is beyond its bound.
///
/// # Limits
/// One pass over the section headers and the types; memory for [`DEPTH_MAX`] numbers and one type.
pub fn check(wasm: &[u8]) -> Result<(), Error> {
    let mut walk = Walk {
        wasm,
        depth: 0,
        parts: 0,
        sections: 0,
        entries: 0,
    };
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { return Ok(()) };
        walk.payload(payload)?;
    }
    Ok(())
}

struct Walk<'a> {
    wasm: &'a [u8],
    depth: usize,
    parts: usize,
    sections: usize,
    entries: u64,
}

impl Walk<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), Error> {
        if let Some((_, range)) = payload.as_section() {
            self.sections += 1;
            if self.sections > SECTIONS_MAX {
                return Err(Error::TooManySections { offset: range.start });
            }
        }
        match payload {
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => self.enter(unchecked_range.start),
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let start = range.start;
                self.count(&section)?;
                check_types(self.wasm.get(range).unwrap_or_default(), start)
            }
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.count(&section),
            Payload::FunctionSection(section) => self.count(&section),
            Payload::TableSection(section) => self.count(&section),
            Payload::MemorySection(section) => self.count(&section),
            Payload::TagSection(section) => self.count(&section),
            Payload::GlobalSection(section) => self.count(&section),
            Payload::ExportSection(section) => self.count(&section),
            Payload::ElementSection(section) => self.count(&section),
            Payload::DataSection(section) => self.count(&section),
            Payload::InstanceSection(section) => self.count(&section),
            Payload::CoreTypeSection(section) => self.count(&section),
            Payload::ComponentInstanceSection(section) => self.count(&section),
            Payload::ComponentAliasSection(section) => self.count(&section),
            Payload::ComponentCanonicalSection(section) => self.count(&section),
            Payload::ComponentImportSection(section) => self.count(&section),
            Payload::ComponentExportSection(section) => self.count(&section),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, offset: usize) -> Result<(), Error> {
        self.depth += 1;
        self.parts += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::TooDeep { offset });
        }
        if self.parts > PARTS_MAX {
            return Err(Error::TooManyParts { offset });
        }
        Ok(())
    }

    fn count<'a, T: FromReader<'a>>(&mut self, section: &SectionLimited<'a, T>) -> Result<(), Error> {
        self.add(u64::from(section.count()), section.range().start)
    }

    fn add(&mut self, entries: u64, offset: usize) -> Result<(), Error> {
        self.entries = self.entries.saturating_add(entries);
        if self.entries > ENTRIES_MAX {
            Err(Error::TooManyEntries { offset })
        } else {
            Ok(())
        }
    }

    /// A group of types counts as one entry of its section, so the types in groups are counted one by one.
    fn types(&mut self, section: TypeSectionReader<'_>) -> Result<(), Error> {
        let offset = section.range().start;
        for group in section {
            let Ok(group) = group else { return Ok(()) };
            self.add(group.types().len() as u64, offset)?;
        }
        Ok(())
    }
}

/// Walks one section of component types; `offset` is where it begins in the file.
fn check_types(section: &[u8], offset: usize) -> Result<(), Error> {
    let mut reader = BinaryReader::new(section, offset);
    let Ok(count) = reader.read_var_u32() else {
        return Ok(());
    };
    // How many items are still to come at each level that is open.
    let mut open = vec![count];
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        match read_item(&mut reader, open.len() == 1) {
            Ok(Some(count)) => open.push(count),
            Ok(None) => {}
            Err(_) => return Ok(()),
        }
        if open.len() > DEPTH_MAX {
            return Err(Error::TooDeep {
                offset: reader.original_position(),
            });
        }
    }
    Ok(())
}

/// Reads one type of a section (`outermost`) or one declaration inside a type. Where it opens another level,
/// only the opening is read and the number of declarations inside comes back.
fn read_item(reader: &mut BinaryReader<'_>, outermost: bool) -> wasmparser::Result<Option<u32>> {
    const DECLARES_A_TYPE: u8 = 0x01;
    const COMPONENT_TYPE: u8 = 0x41;
    const INSTANCE_TYPE: u8 = 0x42;

    let mut ahead = reader.clone();
    if (outermost || ahead.read_u8()? == DECLARES_A_TYPE)
        && matches!(ahead.read_u8()?, COMPONENT_TYPE | INSTANCE_TYPE)
    {
        let count = ahead.read_var_u32()?;
        *reader = ahead;
        return Ok(Some(count));
    }
    if outermost {
        reader.read::<ComponentType<'_>>()?;
    } else {
        reader.read::<ComponentTypeDeclaration<'_>>()?;
    }
    Ok(None)
}
