//! What components ask for and offer, read from their bytes into one arena of types.
//!
//! Nothing is read before its nesting and its size were checked, and the readers that others wrote run where
//! their assertions end in an error.

use std::collections::HashMap;

use wac_types::{InterfaceId, ItemKind, Package, ResourceId, Type, Types};
use weft_inspect::contain::{Cause, contained};
use weft_inspect::kind::{self, Kind};
use weft_inspect::validate;

/// How many imports, and how many exports, one component may have: many times what tools write.
const ITEMS_MAX: usize = 1000;

/// Bytes of one name: many times what people write, and short enough for a message.
const NAME_BYTES_MAX: usize = 1000;

/// Why the surface of a component cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are something else.
    #[error("found {found}, expected a component")]
    NotAComponent {
        /// What they are.
        found: String,
    },
    /// The component is malformed, invalid, or beyond some bound.
    #[error("it cannot be read")]
    Unreadable(#[source] Cause),
    /// A name that no tool writes, and that would do harm in a message.
    #[error("one of its names has characters other than those of ASCII that can be printed: `{}`", .name.escape_debug())]
    OddName {
        /// The name.
        name: String,
    },
    /// A name that is too long to be shown.
    #[error("one of its names has {bytes} bytes, more than the {NAME_BYTES_MAX} allowed: `{}…`", .start.escape_debug())]
    LongName {
        /// How long it is.
        bytes: usize,
        /// How it begins.
        start: String,
    },
    /// There are too many imports or exports.
    #[error("it has {count} {what}, more than the {ITEMS_MAX} allowed")]
    TooMany {
        /// `imports` or `exports`.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// One import or export.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) kind: ItemKind,
    /// How many functions can be called through it.
    pub(crate) functions: usize,
}

/// What one component asks for and offers.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    /// What it asks for.
    pub(crate) imports: Vec<Item>,
    /// What it offers.
    pub(crate) exports: Vec<Item>,
}

impl Surface {
    /// The export of exactly this name.
    pub(crate) fn export(&self, name: &str) -> Option<(usize, &Item)> {
        self.exports
            .iter()
            .enumerate()
            .find(|(_, export)| export.name == name)
    }
}

/// Reads a component into `types`. After an error nothing in `types` may be used.
pub(crate) fn read(types: &mut Types, label: &str, component: &[u8]) -> Result<Surface, Error> {
    match kind::recognise(component) {
        Ok(Kind::Component) => {}
        Ok(other) => {
            return Err(Error::NotAComponent {
                found: format!("a {other}"),
            });
        }
        Err(error) => {
            return Err(Error::NotAComponent {
                found: error.found.to_string(),
            });
        }
    }
    validate::surface(component).map_err(Error::Unreadable)?;
    let package = contained(|| Package::from_bytes(label, None, component, types).map_err(Cause::from));
    let package = package.map_err(Error::Unreadable)?;
    let world = &types[package.ty()];
    let items = |items: &mut dyn Iterator<Item = (&String, &ItemKind)>| {
        items
            .map(|(name, kind)| Item {
                name: name.clone(),
                kind: *kind,
                functions: functions(types, *kind),
            })
            .collect::<Vec<_>>()
    };
    let surface = Surface {
        imports: items(&mut world.imports.iter()),
        exports: items(&mut world.exports.iter()),
    };
    for (what, count) in [
        ("imports", surface.imports.len()),
        ("exports", surface.exports.len()),
    ] {
        if count > ITEMS_MAX {
            return Err(Error::TooMany { what, count });
        }
    }
    for item in surface.imports.iter().chain(&surface.exports) {
        if item.name.len() > NAME_BYTES_MAX {
            return Err(Error::LongName {
                bytes: item.name.len(),
                start: item.name.chars().take(40).collect(),
            });
        }
        if !item.name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::OddName {
                name: item.name.clone(),
            });
        }
    }
    Ok(surface)
}

fn functions(types: &Types, kind: ItemKind) -> usize {
    match kind {
        ItemKind::Func(_) => 1,
        ItemKind::Instance(id) => {
            let exports = types[id].exports.values();
            exports.map(|kind| functions_in_instance(*kind)).sum()
        }
        _ => 0,
    }
}

/// An instance within an instance could hold functions as well; WIT has no such thing, and it counts as one.
fn functions_in_instance(kind: ItemKind) -> usize {
    usize::from(!matches!(kind, ItemKind::Type(_)))
}

/// Which import a resource type comes from: the component, the import, the name within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) component: usize,
    pub(crate) import: usize,
    pub(crate) name: String,
}

/// Every component of an app, with an arena for their types.
#[derive(Debug, Default)]
pub(crate) struct Surfaces {
    pub(crate) types: Types,
    pub(crate) list: Vec<Surface>,
}

impl Surfaces {
    pub(crate) fn import(&self, component: usize, import: usize) -> Option<&Item> {
        self.list.get(component)?.imports.get(import)
    }

    pub(crate) fn export(&self, component: usize, export: usize) -> Option<&Item> {
        self.list.get(component)?.exports.get(export)
    }

    /// The resource that an instance exports under this name, aliases followed.
    pub(crate) fn resource_of(&self, kind: ItemKind, name: &str) -> Option<ResourceId> {
        let ItemKind::Instance(id) = kind else { return None };
        match self.types[id].exports.get(name)? {
            ItemKind::Type(Type::Resource(resource)) => Some(self.types.resolve_resource(*resource)),
            _ => None,
        }
    }

    /// For every resource type that an import brings in: which one does so first.
    pub(crate) fn origins(&self) -> HashMap<ResourceId, Origin> {
        let mut origins = HashMap::new();
        for (component, surface) in self.list.iter().enumerate() {
            for (import, item) in surface.imports.iter().enumerate() {
                let ItemKind::Instance(id) = item.kind else {
                    continue;
                };
                for (name, kind) in &self.types[id].exports {
                    if let ItemKind::Type(Type::Resource(resource)) = kind {
                        origins
                            .entry(self.types.resolve_resource(*resource))
                            .or_insert_with(|| Origin {
                                component,
                                import,
                                name: name.clone(),
                            });
                    }
                }
            }
        }
        origins
    }

    /// Which import each interface is.
    pub(crate) fn interfaces(&self) -> HashMap<InterfaceId, (usize, usize)> {
        let mut interfaces = HashMap::new();
        for (component, surface) in self.list.iter().enumerate() {
            for (import, item) in surface.imports.iter().enumerate() {
                if let ItemKind::Instance(id) = item.kind {
                    interfaces.entry(id).or_insert((component, import));
                }
            }
        }
        interfaces
    }
}
