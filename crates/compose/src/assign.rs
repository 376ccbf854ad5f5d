//! Whose each import of the host is, and under which name.
//!
//! A component's import is its own, unless handles that flow over a link made it one with those of others. Such
//! a shared import has one set of rights: all who can call it must have been granted the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use weft_app::grant::GrantKind;

use crate::access::Access;
use crate::context::Context;
use crate::host::{self, Need};
use crate::names::{Scope, Scopes};
use crate::plan::{CellLink, Hosts, Owner, ScopedImport};
use crate::problem::{Problem, Reason, Subject};
use crate::sharing::Node;
use crate::version;

/// Gives every import of the host its name and its owner, among the components of one way into the app.
pub(crate) fn name_imports(
    context: &Context<'_>,
    hosts: &Hosts,
    isolated: &BTreeMap<Node, CellLink>,
    members: &BTreeSet<usize>,
    sets: &[Vec<Node>],
    problems: &mut Vec<Problem>,
) -> HashMap<Node, ScopedImport> {
    let surfaces = &context.surfaces;
    let mut scopes = scopes(context);
    let mut of_components: Vec<Scope> = context
        .app
        .components
        .iter()
        .map(|component| scopes.open(component.name.as_str()))
        .collect();
    let mut named = HashMap::new();
    let mut of_groups: BTreeMap<Vec<usize>, Scope> = BTreeMap::new();
    for set in sets {
        let members: Vec<usize> = set.iter().map(|(component, _)| *component).collect();
        let Some((principal, latest)) = check_set(context, hosts, isolated, set, problems) else {
            continue;
        };
        let next = of_groups.len() + 1;
        let scope = of_groups
            .entry(members.clone())
            .or_insert_with(|| scopes.open(&format!("g{next}-shared")));
        let Some(name) = scopes.name(scope, &latest) else {
            continue;
        };
        let owner = Owner::Group {
            members,
            principal: principal.0,
        };
        for node in set {
            let import = match isolated.get(node) {
                Some(link) => Some(linked(owner.clone(), name.clone(), &latest, link)),
                None => scoped(hosts, principal, &name, &owner, &latest),
            };
            named.extend(import.map(|import| (*node, import)));
        }
    }
    let surfaces = surfaces.list.iter().enumerate();
    for (component, surface) in surfaces.filter(|(component, _)| members.contains(component)) {
        let Some(scope) = of_components.get_mut(component) else {
            continue;
        };
        for (index, import) in surface.imports.iter().enumerate() {
            let node = (component, index);
            if named.contains_key(&node) {
                continue;
            }
            let owner = Owner::Component(component);
            if let Some(link) = isolated.get(&node) {
                let name = scopes.name(scope, &import.name);
                named.extend(name.map(|name| (node, linked(owner, name, &import.name, link))));
                continue;
            }
            if !hosts.contains_key(&node) {
                continue;
            }
            if let Some(name) = scope.name(&import.name) {
                named.extend(scoped(hosts, node, &name, &owner, &import.name).map(|import| (node, import)));
            }
        }
    }
    named
}

/// Scopes that are called like no namespace in use.
pub(crate) fn scopes(context: &Context<'_>) -> Scopes {
    let all = context
        .surfaces
        .list
        .iter()
        .flat_map(|surface| surface.imports.iter().chain(&surface.exports));
    Scopes::new(all.map(|item| item.name.as_str()))
}

/// An import that another cell satisfies.
fn linked(owner: Owner, name: String, import: &str, link: &CellLink) -> ScopedImport {
    ScopedImport {
        name,
        owner,
        interface: import.to_owned(),
        need: None,
        access: Access::Granted,
        is_types_only: false,
        link: Some(link.clone()),
    }
}

fn scoped(hosts: &Hosts, node: Node, name: &str, owner: &Owner, interface: &str) -> Option<ScopedImport> {
    let from_host = hosts.get(&node)?;
    Some(ScopedImport {
        name: name.to_owned(),
        owner: owner.clone(),
        interface: interface.to_owned(),
        need: from_host.need,
        access: from_host.access,
        is_types_only: from_host.is_types_only,
        link: None,
    })
}

/// Checks that nobody gets another's rights by sharing, and says whose import speaks for all, and the latest
/// name of the interface.
///
/// A member whose import has types only cannot call anything, so its grants do not count.
fn check_set(
    context: &Context<'_>,
    hosts: &Hosts,
    isolated: &BTreeMap<Node, CellLink>,
    set: &[Node],
    problems: &mut Vec<Problem>,
) -> Option<(Node, String)> {
    let surfaces = &context.surfaces;
    let mut latest = String::new();
    let mut principal: Option<Node> = None;
    let mut previous: Option<Node> = None;
    for node in set {
        let item = surfaces.import(node.0, node.1)?;
        if latest.is_empty() || version::later(&latest, &item.name) != latest {
            latest.clone_from(&item.name);
        }
        if let Some(previous) = previous.replace(*node).filter(|previous| previous.0 == node.0) {
            problems.push(two_versions(context, previous, *node));
            return None;
        }
        // What leads into one cell in one way needs no grant.
        if item.functions == 0 || isolated.contains_key(node) {
            continue;
        }
        match principal {
            None => principal = Some(*node),
            Some(first) => {
                if let Err(problem) = check_pair(context, hosts, first, *node) {
                    problems.push(*problem);
                    return None;
                }
            }
        }
    }
    Some((principal.or(set.first().copied())?, latest))
}

fn check_pair(context: &Context<'_>, hosts: &Hosts, first: Node, second: Node) -> Result<(), Box<Problem>> {
    let of = |node: &Node| {
        hosts
            .get(node)
            .map(|from_host| (from_host.need, from_host.access))
    };
    let kind = match (of(&first), of(&second)) {
        (Some((Some(Need::Nothing), _)), Some((Some(Need::Nothing), _))) => return Ok(()),
        (Some((Some(Need::Grant(kind)), one)), Some((_, other))) => {
            let components = &context.app.components;
            let grants = (components.get(first.0), components.get(second.0));
            if let (Some(first), Some(second)) = grants
                && one == other
                && (one == Access::Trap || host::same_grants(kind, &first.grants, &second.grants))
            {
                return Ok(());
            }
            Some(kind)
        }
        // Two traps are as good as each other.
        (Some((None, Access::Trap)), Some((None, Access::Trap))) => return Ok(()),
        _ => None,
    };
    Err(unequal(context, first, second, kind).into())
}

fn unequal(context: &Context<'_>, first: Node, second: Node, kind: Option<GrantKind>) -> Problem {
    let interface = context
        .surfaces
        .import(first.0, first.1)
        .map_or_else(String::new, |item| item.name.clone());
    let (one, other) = (context.name(first.0), context.name(second.0));
    let subject = match kind {
        Some(kind) => Subject::Grant {
            component: one.clone(),
            kind,
        },
        None => Subject::Component(one.clone()),
    };
    let hint = "grant both the same, or break the link over which the handles flow".to_owned();
    let reason = Reason::UnequalGrants {
        first: one,
        second: other,
        interface,
        kind,
    };
    Problem::new(subject, reason).hint(hint)
}

fn two_versions(context: &Context<'_>, first: Node, second: Node) -> Problem {
    let name = |node: Node| {
        let item = context.surfaces.import(node.0, node.1);
        item.map_or_else(String::new, |item| item.name.clone())
    };
    let component = context.name(first.0);
    let reason = Reason::TwoVersions {
        component: component.clone(),
        first: name(first),
        second: name(second),
    };
    Problem::new(Subject::Component(component), reason)
}
