//! Two types that fit each other, walked side by side.

use std::collections::HashSet;

use wac_types::{DefinedType, ItemKind, ResourceId, Type, Types, ValueType};

/// How many pairs of types are looked at before the walk ends: the two sides were checked to fit, so what lies
/// beyond is repetition.
const STEPS_MAX: usize = 200_000;

/// The resource types that stand at the same place on both sides, aliases followed, each pair once.
pub(crate) fn resource_pairs(
    types: &Types,
    asked: ItemKind,
    offered: ItemKind,
) -> Vec<(ResourceId, ResourceId)> {
    let mut walk = Walk {
        types,
        pairs: Vec::new(),
        seen_pairs: HashSet::new(),
        seen_values: HashSet::new(),
        items: vec![(asked, offered)],
        values: Vec::new(),
    };
    walk.run();
    walk.pairs
}

struct Walk<'a> {
    types: &'a Types,
    pairs: Vec<(ResourceId, ResourceId)>,
    seen_pairs: HashSet<(ResourceId, ResourceId)>,
    seen_values: HashSet<(ValueType, ValueType)>,
    items: Vec<(ItemKind, ItemKind)>,
    values: Vec<(ValueType, ValueType)>,
}

impl Walk<'_> {
    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if let Some((asked, offered)) = self.values.pop() {
                self.value(asked, offered);
            } else if let Some((asked, offered)) = self.items.pop() {
                self.item(asked, offered);
            } else {
                return;
            }
        }
    }

    fn item(&mut self, asked: ItemKind, offered: ItemKind) {
        let types = self.types;
        match (asked, offered) {
            (ItemKind::Instance(asked), ItemKind::Instance(offered)) => {
                let offered = &types[offered].exports;
                // The last pushed is the first taken: backwards, so that types come in their order.
                for (name, kind) in types[asked].exports.iter().rev() {
                    if let Some(other) = offered.get(name) {
                        self.items.push((*kind, *other));
                    }
                }
            }
            (ItemKind::Func(asked), ItemKind::Func(offered)) => {
                let (asked, offered) = (&types[asked], &types[offered]);
                let parameters = asked.params.values().zip(offered.params.values());
                self.values
                    .extend(parameters.map(|(asked, offered)| (*asked, *offered)));
                self.maybe(asked.result, offered.result);
            }
            (ItemKind::Type(Type::Resource(asked)), ItemKind::Type(Type::Resource(offered))) => {
                self.resource(asked, offered);
            }
            (ItemKind::Type(Type::Value(asked)), ItemKind::Type(Type::Value(offered)))
            | (ItemKind::Value(asked), ItemKind::Value(offered)) => self.values.push((asked, offered)),
            _ => {}
        }
    }

    fn resource(&mut self, asked: ResourceId, offered: ResourceId) {
        let pair = (
            self.types.resolve_resource(asked),
            self.types.resolve_resource(offered),
        );
        if self.seen_pairs.insert(pair) {
            self.pairs.push(pair);
        }
    }

    fn value(&mut self, asked: ValueType, offered: ValueType) {
        let types = self.types;
        let pair = (types.resolve_value_type(asked), types.resolve_value_type(offered));
        if !self.seen_values.insert(pair) {
            return;
        }
        match pair {
            (
                ValueType::Own(asked) | ValueType::Borrow(asked),
                ValueType::Own(offered) | ValueType::Borrow(offered),
            ) => self.resource(asked, offered),
            (ValueType::Defined(asked), ValueType::Defined(offered)) => {
                self.defined(&types[asked], &types[offered]);
            }
            _ => {}
        }
    }

    fn defined(&mut self, asked: &DefinedType, offered: &DefinedType) {
        match (asked, offered) {
            (DefinedType::Tuple(asked), DefinedType::Tuple(offered)) => {
                self.values.extend(
                    asked
                        .iter()
                        .zip(offered)
                        .map(|(asked, offered)| (*asked, *offered)),
                );
            }
            (DefinedType::List(asked), DefinedType::List(offered))
            | (DefinedType::FixedSizeList(asked, _), DefinedType::FixedSizeList(offered, _))
            | (DefinedType::Option(asked), DefinedType::Option(offered)) => {
                self.values.push((*asked, *offered));
            }
            (DefinedType::Map(asked_key, asked), DefinedType::Map(offered_key, offered)) => {
                self.values
                    .extend([(*asked_key, *offered_key), (*asked, *offered)]);
            }
            (
                DefinedType::Result { ok, err },
                DefinedType::Result {
                    ok: offered_ok,
                    err: offered_err,
                },
            ) => {
                self.maybe(*ok, *offered_ok);
                self.maybe(*err, *offered_err);
            }
            (DefinedType::Variant(asked), DefinedType::Variant(offered)) => {
                for (asked, offered) in asked.cases.values().zip(offered.cases.values()) {
                    self.maybe(*asked, *offered);
                }
            }
            (DefinedType::Record(asked), DefinedType::Record(offered)) => {
                let fields = asked.fields.values().zip(offered.fields.values());
                self.values
                    .extend(fields.map(|(asked, offered)| (*asked, *offered)));
            }
            (DefinedType::Stream(asked), DefinedType::Stream(offered))
            | (DefinedType::Future(asked), DefinedType::Future(offered)) => self.maybe(*asked, *offered),
            _ => {}
        }
    }

    fn maybe(&mut self, asked: Option<ValueType>, offered: Option<ValueType>) {
        if let (Some(asked), Some(offered)) = (asked, offered) {
            self.values.push((asked, offered));
        }
    }
}
