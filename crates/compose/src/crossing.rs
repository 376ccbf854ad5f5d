//! What can cross an isolated link: values of every type, resources that the callee makes, and streams and futures of
//! values.
//!
//! Two cells have nothing in common, so whatever would have to be the same thing on both sides cannot go from one to
//! the other: resources of the host or of a third component, and streams of anything but values.

use std::collections::HashSet;

use wac_types::{
    DefinedType, FuncTypeId, InterfaceId, ItemKind, PrimitiveType, ResourceId, Type, Types, ValueType,
};

use weft_app::cell::Lifetime;

use crate::context::Context;
use crate::problem::{Problem, Reason, Subject};
use crate::resolve::Link;

/// Why an import cannot be satisfied by another cell, if it cannot.
pub(crate) fn check(context: &Context<'_>, component: usize, import: usize, link: &Link) -> Option<Problem> {
    let item = context.surfaces.import(component, import)?;
    let types = &context.surfaces.types;
    let provider = context.app.components.get(link.provider);
    let flows = match provider.map(|provider| provider.cell.lifetime) {
        Some(Lifetime::Shared) => Flows::OfSharedCell,
        _ => Flows::Cross,
    };
    let (function, what) = match item.kind {
        ItemKind::Func(function) => (String::new(), function_obstacle(types, None, flows, function)?),
        ItemKind::Instance(interface) => interface_obstacle(types, flows, interface)?,
        _ => (
            String::new(),
            "it is neither an interface nor a function".to_owned(),
        ),
    };
    let subject = Subject::Import {
        component: context.name(component),
        import: item.name.clone(),
    };
    let reason = Reason::DoesNotCross {
        component: context.name(component),
        provider: context.name(link.provider),
        import: item.name.clone(),
        function,
        what,
    };
    let hint = "leave `mode = \"isolated\"` out, or pass values instead";
    Some(Problem::new(subject, reason).hint(hint))
}

/// The first function of an interface that cannot be called from another cell, and why.
fn interface_obstacle(types: &Types, flows: Flows, id: InterfaceId) -> Option<(String, String)> {
    let interface = &types[id];
    let own: HashSet<ResourceId> = interface
        .exports
        .iter()
        .filter(|(name, _)| !interface.uses.contains_key(*name))
        .filter_map(|(_, kind)| match kind {
            ItemKind::Type(Type::Resource(resource)) => Some(types.resolve_resource(*resource)),
            _ => None,
        })
        .collect();
    interface.exports.iter().find_map(|(name, kind)| {
        let what = match kind {
            ItemKind::Func(function) => function_obstacle(types, Some(&own), flows, *function)?,
            ItemKind::Type(_) => return None,
            _ => {
                let what = format!("`{name}` is neither a type nor a function");
                return Some((String::new(), what));
            }
        };
        Some((name.clone(), what))
    })
}

fn function_obstacle(
    types: &Types,
    own: Option<&HashSet<ResourceId>>,
    flows: Flows,
    function: FuncTypeId,
) -> Option<String> {
    let mut walk = Walk {
        types,
        own,
        flows,
        seen: HashSet::new(),
    };
    let function = &types[function];
    function
        .params
        .values()
        .chain(&function.result)
        .find_map(|value| walk.obstacle(*value))
}

/// What becomes of a stream or a future.
#[derive(Clone, Copy)]
enum Flows {
    /// It crosses, if what flows does.
    Cross,
    /// It does not: the callee makes one call after the other for whoever comes, and goes on with none of them.
    OfSharedCell,
    /// It does not: it would flow itself.
    Nested,
}

struct Walk<'a> {
    types: &'a Types,
    /// The resources that may cross.
    own: Option<&'a HashSet<ResourceId>>,
    flows: Flows,
    seen: HashSet<ValueType>,
}

impl Walk<'_> {
    /// Types nest only as deep as validation allows.
    fn obstacle(&mut self, value: ValueType) -> Option<String> {
        let types = self.types;
        let value = types.resolve_value_type(value);
        if !self.seen.insert(value) {
            return None;
        }
        match value {
            ValueType::Primitive(PrimitiveType::ErrorContext) => Some("an error context".to_owned()),
            ValueType::Primitive(_) => None,
            ValueType::Own(resource) | ValueType::Borrow(resource) => {
                let resource = types.resolve_resource(resource);
                if self.own.is_some_and(|own| own.contains(&resource)) {
                    return None;
                }
                let name = &types[resource].name;
                Some(format!(
                    "a handle of `{name}`, which is not a resource of this interface"
                ))
            }
            ValueType::Defined(defined) => match &types[defined] {
                DefinedType::Stream(part) => self.flow("a stream", *part),
                DefinedType::Future(part) => self.flow("a future", *part),
                DefinedType::Map(..) => Some("a map".to_owned()),
                DefinedType::FixedSizeList(..) => Some("a list of fixed length".to_owned()),
                DefinedType::Tuple(parts) => parts.iter().find_map(|part| self.obstacle(*part)),
                DefinedType::List(part) | DefinedType::Option(part) => self.obstacle(*part),
                DefinedType::Result { ok, err } => ok.iter().chain(err).find_map(|part| self.obstacle(*part)),
                DefinedType::Variant(variant) => variant
                    .cases
                    .values()
                    .flatten()
                    .find_map(|part| self.obstacle(*part)),
                DefinedType::Record(record) => record.fields.values().find_map(|part| self.obstacle(*part)),
                DefinedType::Alias(part) => self.obstacle(*part),
                DefinedType::Flags(_) | DefinedType::Enum(_) => None,
            },
        }
    }

    /// Why a stream or a future cannot cross.
    fn flow(&self, what: &str, part: Option<ValueType>) -> Option<String> {
        match self.flows {
            Flows::Cross => {}
            Flows::OfSharedCell => return Some(format!("{what} of a shared cell")),
            Flows::Nested => return Some(what.to_owned()),
        }
        let mut walk = Walk {
            types: self.types,
            own: None,
            flows: Flows::Nested,
            seen: HashSet::new(),
        };
        let obstacle = walk.obstacle(part?)?;
        Some(format!("{what} of {obstacle}"))
    }
}
