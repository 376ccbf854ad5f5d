//! The description of a file: everything a person wants to know before running it, as plain values.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::authority::{self, Group, Need};
use crate::kind::{self, Kind};
use crate::languages::{self, Language};
use crate::role::{self, Role};
use crate::structure::{self, Item, Part, Producer, Structure};
use crate::{bounds, signature, text, wit};

/// How many bytes the signatures of one description may take together; later ones are left out.
const SIGNATURES_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why a file cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes have no binary form.
    #[error(transparent)]
    Unreadable(#[from] text::Error),
    /// The file is nested too deep or divided into too many pieces.
    #[error(transparent)]
    Bounds(#[from] bounds::Error),
    /// The file does not read.
    #[error(transparent)]
    Structure(#[from] structure::Error),
}

/// What a file is and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Component or core module; for text, what the text stands for.
    pub kind: Kind,
    /// Whether the file is text.
    pub is_text: bool,
    /// What it is made to be: at least one role.
    pub roles: Vec<Role>,
    /// The digest of the file, `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// How long the file is.
    pub bytes: usize,
    /// What it asks for, by the authority that this carries.
    pub imports: Vec<Group>,
    /// What it offers.
    pub exports: Vec<Export>,
    /// Sizes over all parts.
    pub sizes: Sizes,
    /// The WebAssembly features that it says it uses, in alphabetical order.
    pub features: BTreeSet<String>,
    /// The tools that made it or a part of it, without duplicates.
    pub producers: BTreeSet<Producer>,
    /// The languages it was written in.
    pub languages: Vec<Language>,
    /// The tree of its components and core modules.
    pub root: Part,
    /// Why imports and exports are shown without functions and types, where that is so.
    pub undecoded: Option<String>,
}

/// Something that a file imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The module that a core import names; components have none.
    pub module: Option<String>,
    /// The name, such as `wasi:cli/stdin@0.2.3`.
    pub name: String,
    /// What it is: `instance`, `func`, `memory` and so on.
    pub kind: &'static str,
    /// The functions that are used of it.
    pub functions: Vec<Function>,
}

/// Something that a file exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The name.
    pub name: String,
    /// What it is: `instance`, `func`, `memory` and so on.
    pub kind: &'static str,
    /// The functions in it; for a function, itself.
    pub functions: Vec<Function>,
}

/// A function and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name.
    pub name: String,
    /// Its type in WIT, or the core type of a module's function; empty where it is not known or was left out
    /// because the signatures of the file are too long together.
    pub signature: String,
}

/// Sizes over all parts of a file, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Code of functions.
    pub code_bytes: usize,
    /// Data that memories begin with.
    pub data_bytes: usize,
    /// Custom sections: names, debug information and other things that do not run.
    pub custom_bytes: usize,
    /// Memory that all parts ask for at the start.
    pub memory_bytes_min: u64,
    /// Functions with a body.
    pub functions: u64,
}

/// Describes a file. Nothing is run, compiled or validated: a file can have a description and still be refused
/// by [`crate::validate::validate`].
///
/// # Errors
/// The bytes are no WebAssembly, do not read, or are nested or divided beyond all reason.
///
/// # Limits
/// Memory of a few times the size of the file; lists of at most 50 000 entries, beyond which the file is
/// refused.
pub fn describe(bytes: &[u8]) -> Result<Description, Error> {
    let wasm = text::to_binary(bytes)?;
    let kind = kind::recognise(&wasm).map_err(text::Error::from)?;
    bounds::check(&wasm)?;
    let structure = structure::read(&wasm)?;
    let interface = match kind {
        Kind::Component => Interface::decode(&wasm),
        _ => Interface::default(),
    };
    let roles = role::of(kind, &structure, interface.is_wit_package);
    let Structure {
        root,
        imports,
        exports,
    } = structure;
    let (mut features, mut producers) = (BTreeSet::new(), BTreeSet::new());
    root.each(&mut |part| {
        features.extend(part.features.iter().cloned());
        producers.extend(part.producers.iter().cloned());
    });
    let mut listing = Listing {
        interface,
        budget: SIGNATURES_BYTES_MAX,
    };
    Ok(Description {
        kind,
        is_text: wasm.as_ptr() != bytes.as_ptr(),
        roles,
        digest: digest(bytes),
        bytes: bytes.len(),
        imports: authority::group(
            imports
                .into_iter()
                .map(|item| listing.import(item, kind))
                .collect(),
        ),
        exports: exports.into_iter().map(|item| listing.export(item)).collect(),
        sizes: sizes(&root),
        features,
        producers,
        languages: languages::of(&root),
        root,
        undecoded: listing.interface.undecoded,
    })
}

/// The digest by which a file is known: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn sizes(root: &Part) -> Sizes {
    let mut sizes = Sizes::default();
    root.each(&mut |part| {
        sizes.code_bytes += part.code_bytes;
        sizes.data_bytes += part.data_bytes;
        sizes.custom_bytes += part.custom_sections.values().sum::<usize>();
        sizes.functions += u64::from(part.functions);
        for memory in part.memories.iter().filter(|memory| !memory.is_imported) {
            sizes.memory_bytes_min = sizes.memory_bytes_min.saturating_add(memory.bytes_min);
        }
    });
    sizes
}

/// The functions of a component's imports and exports by the names of these, as far as they decode.
#[derive(Default)]
struct Interface {
    imports: BTreeMap<String, Vec<Function>>,
    exports: BTreeMap<String, Vec<Function>>,
    is_wit_package: bool,
    undecoded: Option<String>,
}

impl Interface {
    /// Components that WIT cannot express still have a structure to show, so failing here is no error.
    fn decode(wasm: &[u8]) -> Self {
        let decoded = match wit::decode(wasm) {
            Ok(decoded) => decoded,
            Err(error) => {
                return Self {
                    undecoded: Some(chain(&error)),
                    ..Self::default()
                };
            }
        };
        let resolve = &decoded.resolve;
        let Some(world) = decoded.world.and_then(|world| resolve.worlds.get(world)) else {
            return Self {
                is_wit_package: true,
                ..Self::default()
            };
        };
        let functions =
            |(key, item): (&WorldKey, &WorldItem)| (resolve.name_world_key(key), functions_of(resolve, item));
        Self {
            imports: world.imports.iter().map(functions).collect(),
            exports: world.exports.iter().map(functions).collect(),
            ..Self::default()
        }
    }
}

fn functions_of(resolve: &Resolve, item: &WorldItem) -> Vec<Function> {
    let describe = |function: &wit_parser::Function| Function {
        name: function.name.clone(),
        signature: signature::of_function(resolve, function),
    };
    match item {
        WorldItem::Function(function) => vec![describe(function)],
        WorldItem::Interface { id, .. } => resolve
            .interfaces
            .get(*id)
            .map(|interface| interface.functions.values().map(describe).collect())
            .unwrap_or_default(),
        WorldItem::Type { .. } => Vec::new(),
    }
}

/// The reason and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Turns items into imports and exports, and keeps their signatures within the bound.
struct Listing {
    interface: Interface,
    budget: usize,
}

impl Listing {
    fn import(&mut self, item: Item, kind: Kind) -> (Need, Import) {
        let functions = match self.interface.imports.remove(&item.name) {
            Some(functions) => self.within_budget(functions),
            None => self.core_function(&item),
        };
        let is_core = kind == Kind::CoreModule;
        let need = if is_core {
            authority::of_function(&item.module, &item.name)
        } else {
            authority::of_interface(&item.name)
        };
        let module = is_core.then_some(item.module);
        (
            need,
            Import {
                module,
                name: item.name,
                kind: item.kind,
                functions,
            },
        )
    }

    fn export(&mut self, item: Item) -> Export {
        let functions = match self.interface.exports.remove(&item.name) {
            Some(functions) => self.within_budget(functions),
            None => self.core_function(&item),
        };
        Export {
            name: item.name,
            kind: item.kind,
            functions,
        }
    }

    fn core_function(&mut self, item: &Item) -> Vec<Function> {
        match &item.signature {
            Some(signature) => self.within_budget(vec![Function {
                name: item.name.clone(),
                signature: signature.clone(),
            }]),
            None => Vec::new(),
        }
    }

    fn within_budget(&mut self, mut functions: Vec<Function>) -> Vec<Function> {
        for function in &mut functions {
            match self.budget.checked_sub(function.signature.len()) {
                Some(left) => self.budget = left,
                None => function.signature.clear(),
            }
        }
        functions
    }
}
