//! Links that lead in a circle.

use std::collections::HashSet;

use crate::context::Context;
use crate::problem::{Problem, Reason, Subject};
use crate::resolve::Links;

/// Looks for a circle of links: components are instantiated one after the other.
pub(crate) fn find(context: &Context<'_>, links: &Links) -> Option<Problem> {
    let mut left: HashSet<usize> = (0..links.len()).collect();
    loop {
        let ready: Vec<usize> = left
            .iter()
            .copied()
            .filter(|component| {
                let providers = links.get(*component).into_iter().flatten().flatten();
                providers
                    .map(|link| link.provider)
                    .all(|provider| !left.contains(&provider))
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        left.retain(|component| !ready.contains(component));
    }
    // Whoever is left waits for someone who is left: following those ends in the circle.
    let mut path: Vec<(usize, usize)> = Vec::new();
    let mut at = *left.iter().min()?;
    loop {
        if let Some(start) = path.iter().position(|(component, _)| *component == at) {
            return Some(cycle(context, path.get(start..).unwrap_or_default(), links));
        }
        let waits = links.get(at)?.iter().enumerate().find_map(|(import, link)| {
            let provider = link.as_ref()?.provider;
            left.contains(&provider).then_some((import, provider))
        });
        let (import, provider) = waits?;
        path.push((at, import));
        at = provider;
    }
}

fn cycle(context: &Context<'_>, path: &[(usize, usize)], links: &Links) -> Problem {
    let mut text = String::new();
    let mut wit = Vec::new();
    for (component, import) in path {
        let name = context
            .surfaces
            .import(*component, *import)
            .map_or("", |item| &item.name);
        text.push_str(&format!("`{}` asks for `{name}` of ", context.name(*component)));
        let link = links
            .get(*component)
            .and_then(|of_one| of_one.get(*import)?.as_ref());
        if let Some(link) = link
            && let Some(export) = context.surfaces.export(link.provider, link.export)
        {
            wit.extend(context.both(*component, name, link.provider, &export.name));
        }
    }
    let first = path.first().map_or(0, |(component, _)| *component);
    text.push_str(&format!("`{}`", context.name(first)));
    Problem::new(
        Subject::Component(context.name(first)),
        Reason::Cycle { path: text },
    )
    .hint("a fused component is built from the inside out; move what both need into a third component")
    .wit(wit)
}
