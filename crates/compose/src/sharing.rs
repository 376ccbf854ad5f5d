//! Which imports of different components must be one import, because handles flow between the components.
//!
//! A resource type belongs to the import that brought it in, so two components mean the same by a handle only
//! if both have it from one import. For every link, every resource type on it is followed to where it comes
//! from on either end: where both ends have it from the host, the two imports are merged. Then downwards:
//! merged interfaces must agree on the types they use, so the imports that own those are merged as well. Never
//! upwards: two components that share streams still have standard outputs of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use wac_types::{InterfaceId, ItemKind, ResourceId};

use crate::context::Context;
use crate::plan::CellLink;
use crate::problem::{Problem, Reason, Subject};
use crate::resolve::Links;
use crate::surface::Origin;
use crate::{version, walk};

/// An import: the component, and which of its imports.
pub(crate) type Node = (usize, usize);

/// Where handles of a type really come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// The host or another cell, through this import.
    Host(Origin),
    /// The component that defined the type.
    Component(ResourceId),
}

/// Imports that became one, among the components of one way into the app. Each list is sorted; they are in the order of their first members.
pub(crate) fn groups(
    context: &Context<'_>,
    links: &Links,
    isolated: &BTreeMap<Node, CellLink>,
    members: &BTreeSet<usize>,
    problems: &mut Vec<Problem>,
) -> Vec<Vec<Node>> {
    let mut sharing = Sharing {
        context,
        links,
        isolated,
        origins: context.surfaces.origins(),
        interfaces: context.surfaces.interfaces(),
        parents: BTreeMap::new(),
        merged: Vec::new(),
        told: HashSet::new(),
        problems,
    };
    sharing.follow_links(members);
    sharing.close_downwards();
    sharing.sets()
}

struct Sharing<'a, 'b> {
    context: &'b Context<'a>,
    /// Those that lead into no other cell.
    links: &'b Links,
    /// Where the others lead.
    isolated: &'b BTreeMap<Node, CellLink>,
    origins: HashMap<ResourceId, Origin>,
    interfaces: HashMap<InterfaceId, Node>,
    /// Each import leads to one that it is merged with; the first of a set leads nowhere.
    parents: BTreeMap<Node, Node>,
    /// Pairs that were merged and whose own types have not been looked at.
    merged: Vec<(Node, Node)>,
    /// Links about which a problem was told.
    told: HashSet<Node>,
    problems: &'b mut Vec<Problem>,
}

impl Sharing<'_, '_> {
    fn follow_links(&mut self, members: &BTreeSet<usize>) {
        let links = self.links.iter().enumerate();
        for (component, of_one) in links.filter(|(component, _)| members.contains(component)) {
            for (index, link) in of_one.iter().enumerate() {
                let Some(link) = link else { continue };
                let surfaces = &self.context.surfaces;
                let (Some(import), Some(export)) = (
                    surfaces.import(component, index),
                    surfaces.export(link.provider, link.export),
                ) else {
                    continue;
                };
                let pairs = walk::resource_pairs(&surfaces.types, import.kind, export.kind);
                for (asked, offered) in pairs {
                    self.unify((component, index), asked, offered);
                }
            }
        }
    }

    /// Two types that a link takes for one.
    fn unify(&mut self, link: Node, asked: ResourceId, offered: ResourceId) {
        let (here, there) = (self.source(asked), self.source(offered));
        if here == there {
            return;
        }
        if let (Source::Host(here), Source::Host(there)) = (&here, &there) {
            let (one, other) = ((here.component, here.import), (there.component, there.import));
            if here.name == there.name && self.is_one_interface(one, other) {
                self.merge(one, other);
                return;
            }
        }
        self.tell_foreign(link, asked, &here, &there);
    }

    /// Follows links to where a type is defined. Every step leads to a component that comes earlier, so it ends.
    fn source(&self, resource: ResourceId) -> Source {
        let mut resource = resource;
        let steps = self.links.len() + 1;
        for _ in 0..steps {
            let Some(origin) = self.origins.get(&resource) else {
                return Source::Component(resource);
            };
            let link = self
                .links
                .get(origin.component)
                .and_then(|of_one| of_one.get(origin.import));
            let Some(Some(link)) = link else {
                return Source::Host(origin.clone());
            };
            let surfaces = &self.context.surfaces;
            let export = surfaces.export(link.provider, link.export);
            match export.and_then(|export| surfaces.resource_of(export.kind, &origin.name)) {
                Some(next) => resource = next,
                // The types of that link differ, which was told already.
                None => return Source::Component(resource),
            }
        }
        Source::Component(resource)
    }

    /// Imports that other cells satisfy are one if they lead to one export, and say the same of calls that fail.
    fn is_one_interface(&self, one: Node, other: Node) -> bool {
        let surfaces = &self.context.surfaces;
        if self.isolated.get(&one) != self.isolated.get(&other) {
            return false;
        }
        match (surfaces.import(one.0, one.1), surfaces.import(other.0, other.1)) {
            (Some(one), Some(other)) => version::is_same_track(&one.name, &other.name),
            _ => false,
        }
    }

    fn merge(&mut self, one: Node, other: Node) {
        let (first, second) = (self.first_of(one), self.first_of(other));
        if first == second {
            return;
        }
        let (first, second) = (first.min(second), first.max(second));
        self.parents.insert(second, first);
        self.parents.entry(first).or_insert(first);
        self.merged.push((one, other));
    }

    fn first_of(&self, mut node: Node) -> Node {
        while let Some(parent) = self.parents.get(&node) {
            if *parent == node {
                break;
            }
            node = *parent;
        }
        node
    }

    /// Merges what merged imports use; that may merge more.
    fn close_downwards(&mut self) {
        while let Some((one, other)) = self.merged.pop() {
            let surfaces = &self.context.surfaces;
            let kinds = (surfaces.import(one.0, one.1), surfaces.import(other.0, other.1));
            let (Some(ItemKind::Instance(first)), Some(ItemKind::Instance(second))) =
                (kinds.0.map(|item| item.kind), kinds.1.map(|item| item.kind))
            else {
                continue;
            };
            let uses = &surfaces.types[second].uses;
            let pairs: Vec<(InterfaceId, InterfaceId)> = surfaces.types[first]
                .uses
                .iter()
                .filter_map(|(name, used)| Some((used.interface, uses.get(name)?.interface)))
                .collect();
            for (first, second) in pairs {
                self.merge_used(first, second);
            }
        }
    }

    /// Merges two imports that merged interfaces use types of. Where one of them is linked, the host's interface
    /// speaks of types that are not the host's; whoever makes the plan refuses that for each component.
    fn merge_used(&mut self, first: InterfaceId, second: InterfaceId) {
        let (Some(one), Some(other)) = (
            self.interfaces.get(&first).copied(),
            self.interfaces.get(&second).copied(),
        ) else {
            return;
        };
        if self.is_from_host(one) && self.is_from_host(other) && self.is_one_interface(one, other) {
            self.merge(one, other);
        }
    }

    fn is_from_host(&self, node: Node) -> bool {
        let link = self.links.get(node.0).and_then(|of_one| of_one.get(node.1));
        link.is_some_and(Option::is_none)
    }

    fn sets(&self) -> Vec<Vec<Node>> {
        let mut sets: BTreeMap<Node, Vec<Node>> = BTreeMap::new();
        for node in self.parents.keys() {
            sets.entry(self.first_of(*node)).or_default().push(*node);
        }
        sets.into_values().collect()
    }

    fn tell_foreign(&mut self, link: Node, resource: ResourceId, here: &Source, there: &Source) {
        if !self.told.insert(link) {
            return;
        }
        let (component, index) = link;
        let target = self
            .links
            .get(component)
            .and_then(|of_one| of_one.get(index)?.as_ref());
        let surfaces = &self.context.surfaces;
        let (Some(target), Some(import)) = (target, surfaces.import(component, index)) else {
            return;
        };
        let export = surfaces.export(target.provider, target.export);
        let wit = self.context.both(
            component,
            &import.name,
            target.provider,
            export.map_or("", |item| &item.name),
        );
        let reason = Reason::ForeignHandle {
            component: self.context.name(component),
            provider: self.context.name(target.provider),
            import: import.name.clone(),
            resource: surfaces.types[surfaces.types.resolve_resource(resource)]
                .name
                .clone(),
            here: self.describe(here),
            there: self.describe(there),
        };
        let subject = Subject::Import {
            component: self.context.name(component),
            import: import.name.clone(),
        };
        let hint = if self.is_from_a_cell(here) && self.is_from_a_cell(there) {
            "link both components to the same provider of that type, and let both links say the same of calls that fail"
        } else {
            "link both components to the same provider of that type, or neither"
        };
        self.problems
            .push(Problem::new(subject, reason).hint(hint).wit(wit));
    }

    fn is_from_a_cell(&self, source: &Source) -> bool {
        match source {
            Source::Host(origin) => self.isolated.contains_key(&(origin.component, origin.import)),
            Source::Component(_) => false,
        }
    }

    fn describe(&self, source: &Source) -> String {
        match source {
            Source::Component(_) => "belong to a component".to_owned(),
            Source::Host(origin) => {
                let import = self.context.surfaces.import(origin.component, origin.import);
                let import = import.map_or("", |import| &import.name);
                if self.is_from_a_cell(source) {
                    let component = self.context.name(origin.component);
                    format!("come over the isolated link of `{component}` for `{import}`")
                } else {
                    format!("are those of the host's `{import}`")
                }
            }
        }
    }
}
