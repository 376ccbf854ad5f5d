//! How many things the types of a component declare, counted before they are written out.
//!
//! In a binary an instance type is written once and may be imported a thousand times; the decoder of WIT
//! makes a copy for each. This count says what that would come to.

use std::collections::HashMap;

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentEntityType, ComponentInstanceTypeId, ComponentItem, ComponentTypeId,
};
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::contain::Cause;

/// How many imports, exports, functions and types a component may declare, counted as often as they are used.
const ITEMS_MAX: u64 = 100_000;

/// A component whose types would fill the memory when written out.
#[derive(Debug, thiserror::Error)]
#[error("the types of the component declare {items} items, more than the {ITEMS_MAX} allowed")]
struct TooLarge {
    items: u64,
}

/// Checks that the types which a component shows are valid with these features, and stay within bounds when
/// every use is written out.
///
/// # Errors
/// The component is invalid, or the count is beyond the bound.
pub(crate) fn check(wasm: &[u8], features: WasmFeatures) -> Result<(), Cause> {
    let mut names = Vec::new();
    let types = read_types(wasm, features, &mut names)?;
    let mut count = Count {
        types: &types,
        instances: HashMap::new(),
        components: HashMap::new(),
    };
    let view = types.as_ref();
    let mut items = 0u64;
    for (direction, name) in names {
        let item = match direction {
            Direction::Import => view.component_item_for_import(name),
            Direction::Export => view.component_item_for_export(name),
        };
        items = items.saturating_add(item.map_or(0, |item| count.item(item)));
    }
    if items > ITEMS_MAX {
        Err(Box::new(TooLarge { items }))
    } else {
        Ok(())
    }
}

enum Direction {
    Import,
    Export,
}

/// Validates everything but the bodies of functions, and collects the names of the outermost component.
fn read_types<'a>(
    wasm: &'a [u8],
    features: WasmFeatures,
    names: &mut Vec<(Direction, &'a str)>,
) -> Result<Types, Cause> {
    let mut validator = Validator::new_with_features(features);
    let mut depth = 0usize;
    let mut last = None;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let ValidPayload::End(types) = validator.payload(&payload)? {
            last = Some(types);
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push((Direction::Import, import?.name.name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.push((Direction::Export, export?.name.name));
                }
            }
            _ => {}
        }
    }
    last.ok_or_else(|| "the file ends before the component does".into())
}

/// Counts what is below an item; each type is looked at once.
struct Count<'a> {
    types: &'a Types,
    instances: HashMap<ComponentInstanceTypeId, u64>,
    components: HashMap<ComponentTypeId, u64>,
}

impl Count<'_> {
    /// Recursive, but never deeper than the validator lets types be nested (100 levels).
    fn item(&mut self, item: &ComponentItem) -> u64 {
        match item.ty {
            ComponentEntityType::Instance(id)
            | ComponentEntityType::Type {
                created: ComponentAnyTypeId::Instance(id),
                ..
            } => self.instance(id),
            ComponentEntityType::Component(id)
            | ComponentEntityType::Type {
                created: ComponentAnyTypeId::Component(id),
                ..
            } => self.component(id),
            _ => 1,
        }
    }

    fn instance(&mut self, id: ComponentInstanceTypeId) -> u64 {
        if let Some(known) = self.instances.get(&id) {
            return *known;
        }
        let types = self.types;
        let exports = types[id].exports.values();
        let items = exports.fold(1, |sum: u64, item| sum.saturating_add(self.item(item)));
        self.instances.insert(id, items);
        items
    }

    fn component(&mut self, id: ComponentTypeId) -> u64 {
        if let Some(known) = self.components.get(&id) {
            return *known;
        }
        let types = self.types;
        let shown = types[id].imports.values().chain(types[id].exports.values());
        let items = shown.fold(1, |sum: u64, item| sum.saturating_add(self.item(item)));
        self.components.insert(id, items);
        items
    }
}
