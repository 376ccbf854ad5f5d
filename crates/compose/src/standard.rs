//! One way into an app as a component with imports under their own names, for other hosts.
//!
//! Such a host gives all components what it gives to one. That is the same app only where the grants of all
//! components agree about every interface that more than one of them calls, and where nothing is withheld.

use std::collections::{BTreeMap, BTreeSet};

use weft_app::{App, Name};

use crate::access::Access;
use crate::entries::Entry;
use crate::fuse::{self, check_result, join};
use crate::host::{self, Need};
use crate::plan::{HostImport, Owner, Part, Plan, Target};
use crate::version;

/// Why an app has no standard form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rights of the components would get lost or mixed.
    #[error("another host could not keep the rights of the components apart: {}", list(.0))]
    Rights(Vec<Obstacle>),
    /// The components cannot be joined.
    #[error(transparent)]
    Fuse(#[from] fuse::Error),
}

/// Something that the standard form could not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// An import that is a trap here would be given there.
    #[error("component `{component}` imports `{interface}` and may not use it")]
    Withheld {
        /// The component.
        component: Name,
        /// The interface.
        interface: String,
    },
    /// Two components may do different things with one interface.
    #[error(
        "components `{first}` and `{second}` both import `{interface}` and were granted different {what}"
    )]
    Unequal {
        /// The one component.
        first: Name,
        /// The other.
        second: Name,
        /// The interface.
        interface: String,
        /// What was granted.
        what: &'static str,
    },
    /// A component that fails alone here would take the others along there.
    #[error(
        "component `{component}` calls another cell for `{interface}`, and other hosts know only components that are fused"
    )]
    Isolated {
        /// The component.
        component: Name,
        /// The interface.
        interface: String,
    },
}

fn list(obstacles: &[Obstacle]) -> String {
    let texts: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Joins the components of one way into an app into one whose imports have their own names, as other tools write and read them.
///
/// # Errors
/// That would give some component more than it was granted, or joining fails.
///
/// # Authority
/// What comes out has whatever its host gives to any component of it: grants are not part of it.
pub fn standard(app: &App, plan: &Plan, entry: &Entry, parts: &[Part<'_>]) -> Result<Vec<u8>, Error> {
    let obstacles = obstacles(app, plan, entry);
    if !obstacles.is_empty() {
        return Err(Error::Rights(obstacles));
    }
    // Versions of one track become the latest of them: one interface, asked for once.
    let mut latest: BTreeMap<String, String> = BTreeMap::new();
    for (_, name, _) in host_imports(plan, entry) {
        let known = latest
            .entry(version::key(name))
            .or_insert_with(|| name.to_owned());
        *known = version::later(known, name).to_owned();
    }
    let bytes = join(plan, entry, parts, |component, import| {
        let planned = plan.components().get(component)?.imports.get(import)?;
        match planned.target {
            Target::Host(_) => latest.get(&version::key(&planned.name)).cloned(),
            Target::Link { .. } => None,
        }
    })?;
    let planned: BTreeSet<String> = latest.into_values().collect();
    check_result(entry, &bytes, &planned)?;
    Ok(bytes)
}

fn host_imports<'a>(
    plan: &'a Plan,
    entry: &'a Entry,
) -> impl Iterator<Item = (usize, &'a str, &'a HostImport)> {
    let components = plan.components().iter().enumerate();
    let members = components.filter(|(index, _)| entry.members.contains(index));
    members.flat_map(|(index, component)| {
        component
            .imports
            .iter()
            .filter_map(move |import| match &import.target {
                Target::Host(host) => Some((index, import.name.as_str(), host)),
                Target::Link { .. } => None,
            })
    })
}

fn obstacles(app: &App, plan: &Plan, entry: &Entry) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    let mut first_of: BTreeMap<String, usize> = BTreeMap::new();
    for import in entry.imports().into_iter().filter(|import| import.link.is_some()) {
        let Owner::Component(owner) = import.owner else {
            continue;
        };
        obstacles.extend(app.components.get(owner).map(|component| Obstacle::Isolated {
            component: component.name.clone(),
            interface: import.interface.clone(),
        }));
    }
    for (index, name, import) in host_imports(plan, entry) {
        let Some(component) = app.components.get(index) else {
            continue;
        };
        if import.access == Access::Trap {
            obstacles.push(Obstacle::Withheld {
                component: component.name.clone(),
                interface: name.to_owned(),
            });
        }
        let Some(Need::Grant(kind)) = import.need else {
            continue;
        };
        let first = *first_of.entry(version::key(name)).or_insert(index);
        let Some(first) = app.components.get(first) else {
            continue;
        };
        if !host::same_grants(kind, &first.grants, &component.grants) {
            obstacles.push(Obstacle::Unequal {
                first: first.name.clone(),
                second: component.name.clone(),
                interface: name.to_owned(),
                what: host::describe(kind),
            });
        }
    }
    obstacles
}
