//! Which imports the host satisfies, for whom, and which it does not.

use weft_app::grant::GrantKind;
use weft_app::{Component, GrantOnUse};
use weft_inspect::wit::Side;

use wac_types::{ItemKind, Type};

use crate::context::Context;
use crate::host::{self, Need, Offer};
use crate::problem::{Problem, Reason, Subject};
use crate::surface::{Item, Surfaces};

/// What a component gets where it calls an interface of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The interface, within what was granted.
    Granted,
    /// A trap, because nothing was granted and the component says that it never calls it.
    Trap,
}

/// An import that the host is to satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FromHost {
    /// What calling it takes; none where the host does not know the interface.
    pub(crate) need: Option<Need>,
    pub(crate) access: Access,
    /// It has types and nothing that could be called.
    pub(crate) is_types_only: bool,
}

/// Decides about one import that no link satisfies.
pub(crate) fn decide(
    context: &Context<'_>,
    component: usize,
    import: &Item,
) -> Result<FromHost, Box<Problem>> {
    let Some(of) = context.app.components.get(component) else {
        return Err(Problem::new(Subject::App, Reason::NothingRuns).into());
    };
    if !is_interface(import) {
        return Err(only_by_link(context, component, import).into());
    }
    let is_types_only = is_types_only(&context.surfaces, import);
    let offer = host::offer(&import.name);
    let granted = |need| FromHost {
        need: Some(need),
        access: Access::Granted,
        is_types_only,
    };
    match (offer, of.grant_on_use) {
        (Offer::Offered(Need::Grant(kind)), _) if import.functions > 0 => {
            grant(context, component, of, import, kind)
        }
        (Offer::Offered(_), _) => Ok(granted(Need::Nothing)),
        _ if is_types_only => Ok(granted(Need::Nothing)),
        (_, GrantOnUse::Trap) => Ok(FromHost {
            need: None,
            access: Access::Trap,
            is_types_only,
        }),
        (Offer::OtherVersions(offered), GrantOnUse::Refuse) => {
            let reason = Reason::HostVersion {
                component: of.name.clone(),
                import: import.name.clone(),
                offered,
            };
            Err(Problem::new(subject(of, import), reason).into())
        }
        (Offer::Unknown, GrantOnUse::Refuse) => {
            let reason = Reason::NoProvider {
                component: of.name.clone(),
                import: import.name.clone(),
            };
            let hint = format!(
                "add a component that exports it, or `grant-on-use = \"trap\"` under `[component.{}]` if it is never called",
                of.name
            );
            let wit = context.excerpt(component, Side::Import, &import.name);
            Err(Problem::new(subject(of, import), reason)
                .hint(hint)
                .wit(wit)
                .into())
        }
    }
}

fn grant(
    context: &Context<'_>,
    component: usize,
    of: &Component,
    import: &Item,
    kind: GrantKind,
) -> Result<FromHost, Box<Problem>> {
    let access = match of.grant_on_use {
        _ if of.granted.contains(&kind) => Access::Granted,
        GrantOnUse::Trap => Access::Trap,
        GrantOnUse::Refuse => {
            let reason = Reason::NotGranted {
                component: context.name(component),
                import: import.name.clone(),
                kind,
            };
            let hint = format!(
                "add `{}` under `[component.{name}.grants]`, or `grant-on-use = \"trap\"` under `[component.{name}]` if it is never called",
                host::grant_line(kind),
                name = of.name
            );
            return Err(Problem::new(subject(of, import), reason).hint(hint).into());
        }
    };
    Ok(FromHost {
        need: Some(Need::Grant(kind)),
        access,
        is_types_only: false,
    })
}

fn subject(of: &Component, import: &Item) -> Subject {
    Subject::Import {
        component: of.name.clone(),
        import: import.name.clone(),
    }
}

/// Only the name of an interface can be put into a scope.
fn is_interface(import: &Item) -> bool {
    matches!(import.kind, ItemKind::Instance(_)) && is_interface_name(&import.name)
}

/// `namespace:package/interface`, with or without a version.
fn is_interface_name(name: &str) -> bool {
    let path = weft_app::link::split_version(name).0;
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    path.split_once(':').is_some_and(|(namespace, rest)| {
        rest.split_once('/')
            .is_some_and(|(package, interface)| [namespace, package, interface].into_iter().all(is_word))
    })
}

fn only_by_link(context: &Context<'_>, component: usize, import: &Item) -> Problem {
    let name = context.name(component);
    let kind = import.kind.desc(&context.surfaces.types);
    let can_be_linked = matches!(import.kind, ItemKind::Func(_) | ItemKind::Instance(_));
    let subject = Subject::Import {
        component: name.clone(),
        import: import.name.clone(),
    };
    let hint = format!(
        "say which component exports it: `\"{}\" = \"OTHER\"` under `[component.{name}.links]`",
        import.name
    );
    let reason = Reason::OnlyByLink {
        component: name,
        import: import.name.clone(),
        kind,
        because: if can_be_linked {
            ""
        } else {
            "; only interfaces and functions can be linked"
        },
    };
    let problem = Problem::new(subject, reason);
    if can_be_linked {
        problem.hint(hint)
    } else {
        problem
    }
}

/// Whether an interface has nothing but types that mean the same everywhere: no function, and no resource of
/// its own.
fn is_types_only(surfaces: &Surfaces, import: &Item) -> bool {
    let ItemKind::Instance(id) = import.kind else {
        return false;
    };
    let types = &surfaces.types;
    import.functions == 0
        && types[id].exports.iter().all(|(name, kind)| match kind {
            ItemKind::Type(Type::Resource(_)) => types[id].uses.contains_key(name),
            _ => true,
        })
}
