//! Which import of which component is satisfied by which export of which other.
//!
//! A rule of the app decides where there is one: one that names the import before one that names its package,
//! that before `*`. An import without a rule is linked by itself only if the host does not offer it and exactly
//! one other component exports it: what the host offers is never taken over by a neighbour unasked.

use std::collections::HashSet;

use wac_types::{ItemKind, SubtypeChecker};
use weft_app::link::{LinkMode, split_version};
use weft_app::{ImportPattern, LinkRule, Name};
use weft_inspect::contain::{Cause, contained};
use weft_inspect::wit::Side;

use crate::context::Context;
use crate::host::{self, Offer};
use crate::problem::{Problem, Reason, Subject, enumerate};
use crate::surface::{Item, Surfaces};
use crate::{cycle, version};

/// How a link came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// A rule of the app says so: this one among the component's links.
    Rule(usize),
    /// Exactly one component exports what is asked.
    Automatic,
}

/// Where an import is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) provider: usize,
    pub(crate) export: usize,
    pub(crate) chosen: Chosen,
    pub(crate) mode: Mode,
}

/// Whether both ends of a link share one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Fused,
    Isolated,
}

/// For every component, for every import: where it is linked to, if it is.
pub(crate) type Links = Vec<Vec<Option<Link>>>;

/// Finds the links of every component, and the imports about which a problem was told.
pub(crate) fn resolve(
    context: &Context<'_>,
    problems: &mut Vec<Problem>,
) -> (Links, HashSet<(usize, usize)>) {
    let mut failed = HashSet::new();
    let components = 0..context.surfaces.list.len();
    let links: Links = components
        .map(|component| {
            let mut of_one = OfOne {
                context,
                component,
                used: HashSet::new(),
                failed: &mut failed,
                problems,
            };
            of_one.links()
        })
        .collect();
    check_types(context, &links, problems);
    if let Some(problem) = cycle::find(context, &links) {
        problems.push(problem);
    }
    (links, failed)
}

/// What was found among the exports of a component.
enum Found {
    One(usize),
    OtherVersions(Vec<String>),
    Nothing,
}

/// The links of one component.
struct OfOne<'a, 'b> {
    context: &'b Context<'a>,
    component: usize,
    /// Rules that are about at least one import.
    used: HashSet<usize>,
    failed: &'b mut HashSet<(usize, usize)>,
    problems: &'b mut Vec<Problem>,
}

impl OfOne<'_, '_> {
    fn links(&mut self) -> Vec<Option<Link>> {
        let context = self.context;
        let Some(surface) = context.surfaces.list.get(self.component) else {
            return Vec::new();
        };
        let mut links = Vec::with_capacity(surface.imports.len());
        for (index, import) in surface.imports.iter().enumerate() {
            let told = self.problems.len();
            let link = self.link(import);
            if self.problems.len() > told {
                self.failed.insert((self.component, index));
            }
            links.push(link);
        }
        self.tell_unused_rules();
        links
    }

    fn rules(&self) -> impl Iterator<Item = (usize, &LinkRule)> + use<'_> {
        let component = self.context.app.components.get(self.component);
        component
            .into_iter()
            .flat_map(|component| component.links.iter().enumerate())
    }

    fn link(&mut self, import: &Item) -> Option<Link> {
        match self.rule_for(import) {
            Some((rule, provider, export)) => Some(Link {
                provider,
                export: export?,
                chosen: Chosen::Rule(rule),
                mode: self.mode(rule),
            }),
            None => self.automatic(import),
        }
    }

    fn mode(&self, rule: usize) -> Mode {
        let isolated = |(index, of_rule): (usize, &LinkRule)| {
            index == rule && matches!(of_rule.mode, LinkMode::Isolated(_))
        };
        if self.rules().any(isolated) {
            Mode::Isolated
        } else {
            Mode::Fused
        }
    }

    /// The rule that decides about an import, with the provider and the export that it leads to. The export is
    /// missing where that was told as a problem.
    fn rule_for(&mut self, import: &Item) -> Option<(usize, usize, Option<usize>)> {
        let mut best: Option<(u8, usize, usize, Name)> = None;
        let mut rival: Option<(Name, Name)> = None;
        let mut used = Vec::new();
        for (index, rule) in self.rules() {
            let Some(provider) = self.context.index(&rule.provider) else {
                continue;
            };
            if !rule.imports.matches(&import.name) || provider == self.component {
                continue;
            }
            let rank = match rule.imports {
                ImportPattern::Name(_) => 2,
                ImportPattern::Package(_) | ImportPattern::All
                    if !self.is_left_to(rule, provider, &import.name) =>
                {
                    continue;
                }
                ImportPattern::Package(_) => 1,
                ImportPattern::All => 0,
            };
            used.push(index);
            match &best {
                Some((best_rank, ..)) if *best_rank > rank => {}
                Some((best_rank, _, other, first)) if *best_rank == rank => {
                    if *other != provider {
                        rival = Some((first.clone(), rule.provider.clone()));
                    }
                }
                _ => {
                    best = Some((rank, index, provider, rule.provider.clone()));
                    rival = None;
                }
            }
        }
        self.used.extend(used);
        let (_, rule, provider, _) = best?;
        if let Some((first, second)) = rival {
            self.report_two(import, rule, first, second);
            return Some((rule, provider, None));
        }
        Some((rule, provider, self.export_by_rule(import, rule, provider)))
    }

    /// Whether a rule for a whole package, or for everything, decides about this import: a package is asked for
    /// whole, except for what the provider lacks and the host has.
    fn is_left_to(&self, rule: &LinkRule, provider: usize, import: &str) -> bool {
        match find(&self.context.surfaces, provider, import) {
            Found::One(_) => true,
            _ => rule.imports != ImportPattern::All && host::offer(import) == Offer::Unknown,
        }
    }

    fn export_by_rule(&mut self, import: &Item, rule: usize, provider: usize) -> Option<usize> {
        let (_, decided) = self.rules().find(|(index, _)| *index == rule)?;
        let asked = decided.export.clone();
        let found = match &asked {
            Some(export) => find_named(&self.context.surfaces, provider, export),
            None => find(&self.context.surfaces, provider, &import.name),
        };
        let component = self.context.name(self.component);
        let provider_name = self.context.name(provider);
        let reason = match found {
            Found::One(export) => return Some(export),
            Found::OtherVersions(versions) => Reason::VersionMismatch {
                component,
                import: import.name.clone(),
                offered: format!("{} of `{provider_name}`", enumerate(&versions)),
            },
            Found::Nothing => Reason::ExportMissing {
                component,
                provider: provider_name.clone(),
                asked: asked.unwrap_or_else(|| import.name.clone()),
            },
        };
        let hint = self.missing_hint(import, provider, &provider_name);
        let wit = self.context.excerpt(self.component, Side::Import, &import.name);
        self.problems.push(
            Problem::new(self.subject_of_rule(rule), reason)
                .hint(hint)
                .wit(wit),
        );
        None
    }

    /// What a component offers that does not export what is asked.
    fn missing_hint(&self, import: &Item, provider: usize, provider_name: &Name) -> String {
        let surface = self.context.surfaces.list.get(provider);
        let mut exports = surface.iter().flat_map(|surface| &surface.exports);
        if exports.any(|export| is_outgoing_to_incoming(&import.name, &export.name)) {
            return NOT_A_CHAIN.to_owned();
        }
        let exports = surface.map(|surface| {
            let names = surface.exports.iter().take(8).map(|export| export.name.as_str());
            enumerate(names)
        });
        match exports {
            Some(exports) if !exports.is_empty() => format!("`{provider_name}` exports {exports}"),
            _ => format!("`{provider_name}` exports nothing"),
        }
    }

    fn report_two(&mut self, import: &Item, rule: usize, first: Name, second: Name) {
        let reason = Reason::TwoLinks {
            component: self.context.name(self.component),
            import: import.name.clone(),
            first,
            second,
        };
        let hint = format!(
            "add a link for `{}` alone: it goes before links of packages",
            import.name
        );
        self.problems
            .push(Problem::new(self.subject_of_rule(rule), reason).hint(hint));
    }

    fn automatic(&mut self, import: &Item) -> Option<Link> {
        if host::offer(&import.name) != Offer::Unknown {
            return None;
        }
        let mut fitting = Vec::new();
        let mut others = Vec::new();
        for provider in (0..self.context.surfaces.list.len()).filter(|index| *index != self.component) {
            match find(&self.context.surfaces, provider, &import.name) {
                Found::One(export) => fitting.push((provider, export)),
                Found::OtherVersions(versions) => others.push((provider, versions)),
                Found::Nothing => {}
            }
        }
        match (fitting.as_slice(), others.first()) {
            ([(provider, export)], _) => Some(Link {
                provider: *provider,
                export: *export,
                chosen: Chosen::Automatic,
                mode: Mode::Fused,
            }),
            ([], None) => None,
            ([], Some((provider, versions))) => {
                self.report_versions(import, *provider, versions);
                None
            }
            (several, _) => {
                self.report_ambiguous(import, several);
                None
            }
        }
    }

    fn report_versions(&mut self, import: &Item, provider: usize, versions: &[String]) {
        let provider_name = self.context.name(provider);
        let reason = Reason::VersionMismatch {
            component: self.context.name(self.component),
            import: import.name.clone(),
            offered: format!("{} of `{provider_name}`", enumerate(versions)),
        };
        let offered = versions.first().map_or("", String::as_str);
        let hint = format!(
            "if `{offered}` does the same, link it by name: `\"{}\" = {{ component = \"{provider_name}\", export = \"{offered}\" }}`",
            import.name
        );
        let wit = self.context.both(self.component, &import.name, provider, offered);
        self.problems
            .push(Problem::new(self.subject(import), reason).hint(hint).wit(wit));
    }

    fn report_ambiguous(&mut self, import: &Item, several: &[(usize, usize)]) {
        let names: Vec<Name> = several
            .iter()
            .map(|(provider, _)| self.context.name(*provider))
            .collect();
        let component = self.context.name(self.component);
        let mut wit = self.context.excerpt(self.component, Side::Import, &import.name);
        for (provider, export) in several.iter().take(2) {
            if let Some(export) = self.context.surfaces.export(*provider, *export) {
                wit.extend(self.context.excerpt(*provider, Side::Export, &export.name));
            }
        }
        let hint = names.first().map(|first| {
            format!(
                "say which: `\"{}\" = \"{first}\"` under `[component.{component}.links]`",
                import.name
            )
        });
        let reason = Reason::Ambiguous {
            component,
            import: import.name.clone(),
            providers: enumerate(&names),
        };
        self.problems.push(
            Problem::new(self.subject(import), reason)
                .hint(hint.unwrap_or_default())
                .wit(wit),
        );
    }

    fn tell_unused_rules(&mut self) {
        let component = self.context.name(self.component);
        let mut found = Vec::new();
        for (index, rule) in self.rules().filter(|(index, _)| !self.used.contains(index)) {
            let provider = rule.provider.clone();
            let component = component.clone();
            let reason = match self.context.index(&provider) {
                None => Reason::UnknownProvider { component, provider },
                Some(other) if other == self.component => Reason::LinkedToItself { component },
                Some(_) => Reason::UnusedLink {
                    component,
                    pattern: pattern_text(&rule.imports).to_owned(),
                    provider,
                },
            };
            found.push(Problem::new(self.subject_of_rule(index), reason));
        }
        let imports = self.context.surfaces.list.get(self.component).map(|surface| {
            let names = surface.imports.iter().take(8).map(|import| import.name.as_str());
            enumerate(names)
        });
        let hint = match imports {
            Some(imports) if !imports.is_empty() => format!("`{component}` imports {imports}"),
            _ => format!("`{component}` imports nothing"),
        };
        self.problems.extend(found.into_iter().map(|problem| {
            if matches!(problem.reason, Reason::UnusedLink { .. }) {
                problem.hint(hint.clone())
            } else {
                problem
            }
        }));
    }

    fn subject(&self, import: &Item) -> Subject {
        Subject::Import {
            component: self.context.name(self.component),
            import: import.name.clone(),
        }
    }

    fn subject_of_rule(&self, rule: usize) -> Subject {
        Subject::Link {
            component: self.context.name(self.component),
            rule,
        }
    }
}

/// A pattern as it is written.
fn pattern_text(pattern: &ImportPattern) -> &str {
    match pattern {
        ImportPattern::Name(text) | ImportPattern::Package(text) => text,
        ImportPattern::All => "*",
    }
}

/// The export that fits an import: the same name, else the latest of the same track.
fn find(surfaces: &Surfaces, provider: usize, import: &str) -> Found {
    let Some(surface) = surfaces.list.get(provider) else {
        return Found::Nothing;
    };
    if let Some((index, _)) = surface.export(import) {
        return Found::One(index);
    }
    let path = split_version(import).0;
    let mut best: Option<(usize, &str)> = None;
    let mut others = Vec::new();
    for (index, export) in surface.exports.iter().enumerate() {
        if split_version(&export.name).0 != path {
            continue;
        }
        if !version::fits(import, &export.name) {
            others.push(export.name.clone());
        } else if best.is_none_or(|(_, known)| version::later(known, &export.name) != known) {
            best = Some((index, &export.name));
        }
    }
    match best {
        Some((index, _)) => Found::One(index),
        None if others.is_empty() => Found::Nothing,
        None => Found::OtherVersions(others),
    }
}

/// The export that a rule names, with or without its version.
fn find_named(surfaces: &Surfaces, provider: usize, asked: &str) -> Found {
    let Some(surface) = surfaces.list.get(provider) else {
        return Found::Nothing;
    };
    if let Some((index, _)) = surface.export(asked) {
        return Found::One(index);
    }
    let same_path = |(_, export): &(usize, &Item)| split_version(&export.name).0 == asked;
    let mut candidates = surface.exports.iter().enumerate().filter(same_path);
    match (candidates.next(), candidates.next()) {
        (Some((index, _)), None) => Found::One(index),
        (Some((_, first)), Some((_, second))) => {
            Found::OtherVersions(vec![first.name.clone(), second.name.clone()])
        }
        _ => Found::Nothing,
    }
}

/// Checks that what each link gives is what its import asks for.
fn check_types(context: &Context<'_>, links: &Links, problems: &mut Vec<Problem>) {
    let mut known = HashSet::new();
    for (component, link_of) in links.iter().enumerate() {
        for (index, link) in link_of.iter().enumerate() {
            let Some(link) = link else { continue };
            let (Some(import), Some(export)) = (
                context.surfaces.import(component, index),
                context.surfaces.export(link.provider, link.export),
            ) else {
                continue;
            };
            if let Some(difference) = difference(context, &mut known, import, export) {
                let reason = Reason::TypeMismatch {
                    component: context.name(component),
                    import: import.name.clone(),
                    provider: context.name(link.provider),
                    export: export.name.clone(),
                    difference,
                };
                let subject = Subject::Import {
                    component: context.name(component),
                    import: import.name.clone(),
                };
                let wit = context.both(component, &import.name, link.provider, &export.name);
                let problem = Problem::new(subject, reason).wit(wit);
                problems.push(if is_outgoing_to_incoming(&import.name, &export.name) {
                    problem.hint(NOT_A_CHAIN)
                } else {
                    problem
                });
            }
        }
    }
}

/// Why one component of WASI 0.2 cannot send its requests to another.
const NOT_A_CHAIN: &str = "a request that goes out is another thing than one that comes in: a component of WASI 0.2 stands in front of another by importing `wasi:http/incoming-handler` itself";

/// Whether somebody wants the requests that a component sends to be those that another one answers.
fn is_outgoing_to_incoming(import: &str, export: &str) -> bool {
    split_version(import).0 == "wasi:http/outgoing-handler"
        && split_version(export).0 == "wasi:http/incoming-handler"
}

fn difference(
    context: &Context<'_>,
    known: &mut HashSet<(ItemKind, ItemKind)>,
    import: &Item,
    export: &Item,
) -> Option<String> {
    let types = &context.surfaces.types;
    let checked = contained(|| {
        let mut checker = SubtypeChecker::new(known);
        checker
            .is_subtype(export.kind, types, import.kind, types)
            .map_err(|error| Cause::from(format!("{error:#}")))
    });
    checked.err().map(|cause| cause.to_string())
}
