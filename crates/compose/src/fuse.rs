//! One component made of all that one way into the app leads to, as the plan says.

use std::collections::{BTreeSet, HashMap};

use wac_graph::{CompositionGraph, EncodeOptions, NodeId, Processor};
use wac_types::{ItemKind, Package, Type, Types, WorldId};
use wasmparser::BinaryReaderError;
use weft_app::Name;
use weft_inspect::contain::{Cause, contained};
use weft_inspect::{structure, validate};

use crate::entries::Entry;
use crate::plan::{Part, Plan, PlannedComponent, PlannedImport, ScopedImport, Target, bytes_of, digest};
use crate::{clamp, scope};

/// One way into an app, as one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fused {
    /// The component.
    pub bytes: Vec<u8>,
    /// What it imports: exactly these, each to be defined for its owner, or to be a trap.
    pub imports: Vec<ScopedImport>,
}

/// Why the components of an app cannot be joined although there is a plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes of a component are others than those that the plan was made from.
    #[error("component `{component}` is not the one that the plan was made from")]
    PartChanged {
        /// The component.
        component: Name,
    },
    /// The bytes of a component do not read.
    #[error("component `{component}` does not read")]
    Malformed {
        /// The component.
        component: Name,
        /// Why.
        #[source]
        cause: BinaryReaderError,
    },
    /// The limits of a component cannot be written into it.
    #[error("component `{component}` cannot be kept within its limits")]
    Limits {
        /// The component.
        component: Name,
        /// Why.
        #[source]
        cause: clamp::Error,
    },
    /// Joining failed.
    #[error("the components do not fit together")]
    Join(#[source] Cause),
    /// What came out is not valid.
    #[error("the joined component is not valid")]
    Invalid(#[from] validate::Error),
    /// What came out does not read.
    #[error("the joined component does not read")]
    Unreadable(#[from] structure::Error),
    /// What came out asks for something else than was planned.
    #[error("the joined component asks for other things than planned: {difference}")]
    ImportsDiffer {
        /// What is missing and what is too much.
        difference: String,
    },
    /// What came out offers something else than was planned.
    #[error("the joined component offers other things than planned: {difference}")]
    ExportsDiffer {
        /// What is missing and what is too much.
        difference: String,
    },
}

/// Joins the components of one way into an app into one, in which every import belongs to the component that asked
/// for it. `entry` is one of the plan's.
///
/// # Errors
/// The bytes are not those of the plan, or do not fit together in a way that the plan could not see. Whatever
/// is returned was validated, and its imports and exports are exactly the planned ones.
pub fn fuse(plan: &Plan, entry: &Entry, parts: &[Part<'_>]) -> Result<Fused, Error> {
    let imports = entry.imports();
    let new_name = |component, import| entry.import(component, import).map(|scoped| scoped.name.clone());
    let bytes = join(plan, entry, parts, new_name)?;
    let planned = imports.iter().map(|import| import.name.clone()).collect();
    check_result(entry, &bytes, &planned)?;
    Ok(Fused { bytes, imports })
}

/// Joins the parts, their imports renamed as `new_name` says of a component and an import, their memories bounded.
pub(crate) fn join(
    plan: &Plan,
    entry: &Entry,
    parts: &[Part<'_>],
    new_name: impl Fn(usize, usize) -> Option<String>,
) -> Result<Vec<u8>, Error> {
    let mut ready = Vec::new();
    for index in &entry.members {
        let Some(component) = plan.components().get(*index) else {
            continue;
        };
        let bytes = prepare(component, parts, |import| new_name(*index, import))?;
        ready.push((*index, component, bytes));
    }
    contained(|| encode(entry, ready)).map_err(Error::Join)
}

fn prepare(
    component: &PlannedComponent,
    parts: &[Part<'_>],
    new_name: impl Fn(usize) -> Option<String>,
) -> Result<Vec<u8>, Error> {
    let name = || component.name.clone();
    let bytes = bytes_of(parts, &component.name)
        .ok()
        .filter(|bytes| digest(bytes) == component.digest)
        .ok_or_else(|| Error::PartChanged { component: name() })?;
    let renamed = scope::rename(bytes, |import| {
        new_name(
            component
                .imports
                .iter()
                .position(|planned| planned.name == import)?,
        )
    });
    let renamed = renamed.map_err(|cause| Error::Malformed {
        component: name(),
        cause,
    })?;
    let clamped = clamp::clamp(&renamed, &component.limits);
    clamped.map(|(bytes, _)| bytes).map_err(|cause| Error::Limits {
        component: name(),
        cause,
    })
}

fn encode(entry: &Entry, ready: Vec<(usize, &PlannedComponent, Vec<u8>)>) -> Result<Vec<u8>, Cause> {
    let mut graph = CompositionGraph::new();
    let mut nodes: HashMap<usize, NodeId> = HashMap::new();
    let mut order = Vec::new();
    for (index, component, bytes) in ready {
        let label = format!("app:{}", component.name);
        let package = Package::from_bytes(&label, None, bytes, graph.types_mut())?;
        stand_alone(entry, index, component, package.ty(), graph.types_mut());
        let package = graph.register_package(package)?;
        nodes.insert(index, graph.instantiate(package));
        order.push((index, component));
    }
    let node = |index: &usize| nodes.get(index).copied().ok_or("a planned component is missing");
    for (index, component) in &order {
        for import in &component.imports {
            if let Target::Link {
                provider,
                export,
                cell: None,
                ..
            } = &import.target
            {
                let export = graph.alias_instance_export(node(provider)?, export)?;
                graph.set_instantiation_argument(node(index)?, &import.name, export)?;
            }
        }
    }
    for name in &entry.exports {
        let export = graph.alias_instance_export(node(&entry.component)?, name)?;
        graph.export(export, name)?;
    }
    for call in &entry.calls {
        let export = graph.alias_instance_export(node(&call.component)?, &call.export)?;
        graph.export(export, &call.name)?;
    }
    let processor = Processor {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
    };
    // Validated afterwards with the features and the version that the engine has.
    Ok(graph.encode(EncodeOptions {
        define_components: true,
        validate: false,
        processor: Some(processor),
    })?)
}

/// Lets interfaces that other cells satisfy bring their own copies of the values that they speak of, instead of
/// those of another interface: that one may be somebody else's, and would become an import that nobody planned.
/// Values are the same wherever they are described; resources are not.
fn stand_alone(entry: &Entry, index: usize, component: &PlannedComponent, world: WorldId, types: &mut Types) {
    for (at, import) in component.imports.iter().enumerate() {
        let Some(scoped) = entry.import(index, at).filter(|_| is_isolated(import)) else {
            continue;
        };
        let Some(ItemKind::Instance(id)) = types[world].imports.get(&scoped.name).copied() else {
            continue;
        };
        let exports = types[id].exports.clone();
        types[id]
            .uses
            .retain(|name, _| matches!(exports.get(name), Some(ItemKind::Type(Type::Resource(_)))));
    }
}

fn is_isolated(import: &PlannedImport) -> bool {
    matches!(import.target, Target::Link { cell: Some(_), .. })
}

/// Checks that the result is valid, and that it asks for and offers exactly what was planned. A tool that joins
/// components merges imports that it takes for one: here that would give one component another's rights.
pub(crate) fn check_result(entry: &Entry, fused: &[u8], planned: &BTreeSet<String>) -> Result<(), Error> {
    validate::validate(fused)?;
    let structure = structure::read(fused)?;
    let names = |items: &[structure::Item]| -> BTreeSet<String> {
        items
            .iter()
            .map(|item| match item.kind {
                "instance" => item.name.clone(),
                // What has a plain name may be a function as well; that types fit was checked before.
                "func" if !item.name.contains(':') => item.name.clone(),
                other => format!("{other} {}", item.name),
            })
            .collect()
    };
    if let Some(difference) = difference(planned, &names(&structure.imports)) {
        return Err(Error::ImportsDiffer { difference });
    }
    let calls = entry.calls.iter().map(|call| call.name.clone());
    let exported = entry.exports.iter().cloned().chain(calls).collect();
    if let Some(difference) = difference(&exported, &names(&structure.exports)) {
        return Err(Error::ExportsDiffer { difference });
    }
    Ok(())
}

fn difference(planned: &BTreeSet<String>, found: &BTreeSet<String>) -> Option<String> {
    let list = |names: Vec<&String>, what: &str| {
        (!names.is_empty()).then(|| format!("{what} {}", crate::problem::enumerate(names)))
    };
    let missing = list(planned.difference(found).collect(), "missing");
    let too_much = list(found.difference(planned).collect(), "not planned");
    match (missing, too_much) {
        (None, None) => None,
        (missing, too_much) => Some(missing.into_iter().chain(too_much).collect::<Vec<_>>().join("; ")),
    }
}
