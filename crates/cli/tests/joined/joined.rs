//! An app as Weft runs it: planned, joined into one component, run with the rights of each.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use weft_app::grant::{Access, ConfigGrant, ConfigValue, DirectoryGrant, GrantKind};
use weft_app::trigger::http::Reuse;
use weft_app::{
    App, Component, ComponentLimits, GrantOnUse, Grants, ImportPattern, Limits, LinkRule, Name, Source,
    Trigger,
};
use weft_compose::{Fused, Owner, Part, Problem};
use weft_runtime::denial::DenialLog;
use weft_runtime::entry::{Entry, Observe, Outcome};
use weft_runtime::wave::Call;
use weft_runtime::{
    Concurrency, Engine, EngineOptions, Imports, Inlining, PrincipalSetup, Profile, Program, ScopedImport,
    Setup, Stop, Thread,
};
use weft_testing::Scratch;

use crate::component::{self, RUN};
use crate::graph::{DIRECTORIES, Graph, Host, Node};

/// The key of the one setting that a component may have.
pub(crate) const KEY: &str = "aaaaaaaa";

/// What an app came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Number(u32),
    Trap,
}

/// An app that was joined.
pub(crate) struct Joined {
    app: App,
    fused: Fused,
}

impl Joined {
    /// Plans and joins an app; or says what is wrong with it.
    pub(crate) fn new(graph: &Graph, directories: &Scratch) -> Result<Self, Vec<Problem>> {
        let app = app(graph, directories);
        let bytes: Vec<Vec<u8>> = (0..graph.nodes.len())
            .map(|index| component::bytes(graph, index))
            .collect();
        let parts: Vec<Part<'_>> = app
            .components
            .iter()
            .zip(&bytes)
            .map(|(component, bytes)| Part {
                component: &component.name,
                bytes,
            })
            .collect();
        let plan = weft_compose::plan(&app, &parts)?;
        let fused = weft_compose::fuse(&plan, &plan.entries()[0], &parts)
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{graph:#?}", std::error::Error::source(&error)));
        Ok(Self { app, fused })
    }

    /// The component that the app became.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.fused.bytes
    }

    /// Whether components share something of the host.
    pub(crate) fn shares(&self) -> bool {
        let mut imports = self.fused.imports.iter();
        imports.any(|import| matches!(import.owner, Owner::Group { .. }))
    }

    /// Checks that the component imports what is in the plan, and that this is what its parts ask for.
    pub(crate) fn check_imports(&self, graph: &Graph) {
        let planned: BTreeSet<&str> = self
            .fused
            .imports
            .iter()
            .map(|import| import.name.as_str())
            .collect();
        let found = imports_of(&self.fused.bytes);
        let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(planned, found, "{graph:#?}");
        let mut expected = BTreeSet::new();
        for index in graph.reached() {
            let node = &graph.nodes[index];
            expected.extend(interfaces(node).into_iter().map(|interface| (index, interface)));
        }
        let mut owned = BTreeSet::new();
        for import in &self.fused.imports {
            let path = crate::graph::path(&import.interface);
            let members = match &import.owner {
                Owner::Component(index) => vec![*index],
                Owner::Group { members, .. } => {
                    // Only what works on handles is shared.
                    assert_eq!(path, "wasi:filesystem/types", "{graph:#?}");
                    members.clone()
                }
            };
            for member in members {
                let is_new = owned.insert((member, path));
                assert!(is_new, "two imports of {path} for component {member}\n{graph:#?}");
            }
        }
        assert_eq!(owned, expected, "{graph:#?}");
    }

    /// Runs the app.
    pub(crate) fn answer(&self) -> Answer {
        let options = EngineOptions {
            inlining: Inlining::for_program(self.fused.bytes.len()),
            ..EngineOptions::default()
        };
        let engine = Engine::new(Profile::Command(Concurrency::Off), options).unwrap();
        let program = Program::compile(&engine, &self.fused.bytes).unwrap();
        let setup = Setup {
            principals: self.app.components.iter().map(principal).collect(),
            imports: Imports::Scoped(self.fused.imports.iter().map(scoped).collect()),
            links: weft_runtime::Links::default(),
            limits: self.app.limits.clone(),
            stop: Stop::new(),
            heap_bytes_max: None,
            thread: Thread::Own,
        };
        let call = Entry::Invoke(Call::parse(&format!("{RUN}#answer()")).unwrap());
        let report = weft_runtime::run(&program, &call, setup, Observe::default())
            .now_or_never()
            .expect("the app had to wait")
            .unwrap();
        match report.outcome {
            Outcome::Returned(number) => Answer::Number(number.parse().unwrap()),
            Outcome::Trap(_) => Answer::Trap,
            other => panic!("{other:?}"),
        }
    }
}

/// The names of the imports of the outermost component.
fn imports_of(component: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            wasmparser::Payload::ComponentImportSection(section) if depth == 1 => {
                names.extend(
                    section
                        .into_iter()
                        .map(|import| import.unwrap().name.name.to_owned()),
                );
            }
            _ => {}
        }
    }
    names
}

/// What a component asks of the host, by the names of the interfaces.
fn interfaces(node: &Node) -> BTreeSet<&'static str> {
    let mut interfaces: BTreeSet<&str> = node
        .host
        .iter()
        .map(|host| match host {
            Host::Environment => "wasi:cli/environment",
            Host::Config => "wasi:config/store",
            Host::Preopens => "wasi:filesystem/preopens",
        })
        .collect();
    if node.has_directories() {
        interfaces.insert("wasi:filesystem/types");
    }
    interfaces
}

fn principal(component: &Component) -> PrincipalSetup {
    PrincipalSetup {
        grants: component.grants.clone().into(),
        arguments: [component.name.to_string()].into(),
        http: None,
        services: weft_runtime::Services::default(),
        denials: DenialLog::default(),
    }
}

fn scoped(import: &weft_compose::ScopedImport) -> ScopedImport {
    ScopedImport {
        name: import.name.clone(),
        interface: import.interface.clone(),
        principal: match &import.owner {
            Owner::Component(index) => *index,
            Owner::Group { principal, .. } => *principal,
        },
        granted: import.access == weft_compose::Access::Granted,
    }
}

fn app(graph: &Graph, directories: &Scratch) -> App {
    let name = |index: usize| -> Name { graph.nodes[index].name.parse().unwrap() };
    let component = |(index, node): (usize, &Node)| Component {
        name: name(index),
        source: Source::File(format!("{}.wasm", node.name).into()),
        grants: grants(node, directories),
        granted: granted(node),
        grant_on_use: if node.traps {
            GrantOnUse::Trap
        } else {
            GrantOnUse::Refuse
        },
        limits: ComponentLimits::default(),
        links: node
            .rules
            .iter()
            .map(|rule| LinkRule {
                imports: ImportPattern::parse(&rule.imports),
                provider: name(rule.provider),
                export: rule.export.clone(),
                mode: Default::default(),
            })
            .collect(),
        reuse: Reuse::default(),
        interruption: None,
        cell: Default::default(),
    };
    App {
        name: "by-chance".parse().unwrap(),
        components: graph.nodes.iter().enumerate().map(component).collect(),
        triggers: vec![Trigger::Command {
            component: name(0),
            arguments: Vec::new(),
        }],
        limits: Limits::default(),
    }
}

fn grants(node: &Node, directories: &Scratch) -> Grants {
    let mut grants = Grants::nothing();
    if node.has(Host::Environment) {
        grants.environment.set("VALUE", &node.variable);
    }
    if let Some(setting) = node.setting.as_ref().filter(|_| node.has(Host::Config)) {
        grants.config = ConfigGrant {
            values: vec![(KEY.to_owned(), ConfigValue::Plain(setting.clone()))],
        };
    }
    if node.has(Host::Preopens) {
        let directory = DIRECTORIES[node.directory];
        grants.directories.push(DirectoryGrant {
            host: directories.path().join(directory),
            guest: format!("/{directory}"),
            access: Access::ReadOnly,
        });
    }
    grants
}

fn granted(node: &Node) -> BTreeSet<GrantKind> {
    let kinds = [
        (Host::Environment, GrantKind::Environment),
        (Host::Config, GrantKind::Config),
        (Host::Preopens, GrantKind::Directories),
    ];
    kinds
        .into_iter()
        .filter(|(host, _)| node.has(*host))
        .map(|(_, kind)| kind)
        .collect()
}

impl Node {
    /// Whether it asks for this and is granted it.
    pub(crate) fn has(&self, host: Host) -> bool {
        self.host.contains(&host) && self.withheld != Some(host)
    }
}
