//! Components for tests, written as text, and apps made of them.

use std::collections::BTreeSet;

use weft_app::cell::CellSettings;
use weft_app::grant::GrantKind;
use weft_app::link::{Isolation, LinkMode};
use weft_app::trigger::http::{Reuse, Route};
use weft_app::{
    App, Component, ComponentLimits, GrantOnUse, Grants, HttpTrigger, ImportPattern, Limits, LinkRule, Name,
    Source, Trigger,
};
use weft_compose::{Fused, Part, Plan, Problem};

/// A component with these pieces of text in it.
pub(crate) fn component(pieces: &[&str]) -> Vec<u8> {
    let text = format!("(component\n{LIBRARY}\n{}\n)", pieces.join("\n"));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A core module with memory and the functions that lifting needs.
const LIBRARY: &str = r#"
  (core module $library
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "none"))
    (func (export "number") (result i32) i32.const 0)
    (func (export "take") (param i32))
    (func (export "take-two") (param i32 i32)))
  (core instance $library (instantiate $library))"#;

/// Exports `wasi:cli/run`.
pub(crate) fn command(version: &str) -> String {
    format!(
        r#"(func $run (result (result)) (canon lift (core func $library "number")))
        (instance $run (export "run" (func $run)))
        (export "wasi:cli/run@{version}" (instance $run))"#
    )
}

/// Imports the environment under any name.
pub(crate) fn environment_as(name: &str) -> String {
    format!(r#"(import "{name}" (instance (export "get-arguments" (func (result (list string))))))"#)
}

/// Imports the environment.
pub(crate) fn environment(version: &str) -> String {
    environment_as(&format!("wasi:cli/environment@{version}"))
}

/// Imports an interface with one function of no arguments.
pub(crate) fn import(name: &str) -> String {
    format!(r#"(import "{name}" (instance (export "call" (func))))"#)
}

/// Exports an interface with one function of no arguments.
pub(crate) fn export(name: &str) -> String {
    let id: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!(
        r#"(func ${id} (canon lift (core func $library "none")))
        (instance ${id} (export "call" (func ${id})))
        (export "{name}" (instance ${id}))"#
    )
}

/// Imports what streams are made of.
pub(crate) fn streams(version: &str) -> String {
    format!(
        r#"(import "wasi:io/error@{version}" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $error))
        (import "wasi:io/streams@{version}" (instance $streams
            (alias outer 1 $error (type $outer))
            (export "error" (type $inner (eq $outer)))
            (export "output-stream" (type $stream (sub resource)))
            (export "[method]output-stream.flush"
                (func (param "self" (borrow $stream)) (result (result (error (own $inner))))))))
        (alias export $streams "output-stream" (type $stream))"#
    )
}

/// Imports standard output; goes after [`streams`].
pub(crate) fn stdout(version: &str) -> String {
    format!(
        r#"(import "wasi:cli/stdout@{version}" (instance
            (alias outer 1 $stream (type $outer))
            (export "output-stream" (type $inner (eq $outer)))
            (export "get-stdout" (func (result (own $inner))))))"#
    )
}

/// Exports `test:peer/sink`, which gives away a stream; goes after [`streams`].
pub(crate) const SINK: &str = r#"
  (func $open (result (own $stream)) (canon lift (core func $library "number")))
  (component $shape
    (import "stream" (type $stream (sub resource)))
    (import "open" (func $open (result (own $stream))))
    (export $shown "output-stream" (type $stream))
    (export "open" (func $open) (func (result (own $shown)))))
  (instance $sink (instantiate $shape (with "stream" (type $stream)) (with "open" (func $open))))
  (export "test:peer/sink" (instance $sink))"#;

/// Imports `test:peer/sink`; goes after [`streams`].
pub(crate) const SINK_IMPORT: &str = r#"
  (import "test:peer/sink" (instance
    (alias outer 1 $stream (type $outer))
    (export "output-stream" (type $inner (eq $outer)))
    (export "open" (func (result (own $inner))))))"#;

/// The types of HTTP, as far as a handler needs them: they speak of a clock's duration and of an error.
pub(crate) fn http_types(version: &str, clock_functions: &str) -> String {
    format!(
        r#"(import "wasi:io/error@{version}" (instance $error (export "error" (type (sub resource)))))
        (alias export $error "error" (type $error))
        (import "wasi:clocks/monotonic-clock@{version}" (instance $clock
            (type $u64 u64) (export "duration" (type (eq $u64))) {clock_functions}))
        (alias export $clock "duration" (type $duration))
        (import "wasi:http/types@{version}" (instance $types
            (alias outer 1 $error (type $error-outer))
            (export "io-error" (type $io-error (eq $error-outer)))
            (alias outer 1 $duration (type $duration-outer))
            (export "duration" (type $wait (eq $duration-outer)))
            (export "incoming-request" (type $request (sub resource)))
            (export "response-outparam" (type $out (sub resource)))
            (export "[method]incoming-request.wait" (func (param "self" (borrow $request)) (param "t" $wait)))
            (export "http-error-code" (func (param "err" (borrow $io-error)) (result bool)))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))"#
    )
}

/// Imports a handler of 0.2; goes after [`http_types`].
pub(crate) fn handler_import(version: &str) -> String {
    format!(
        r#"(import "wasi:http/incoming-handler@{version}" (instance
            (alias outer 1 $request (type $request-outer))
            (export "incoming-request" (type $request-inner (eq $request-outer)))
            (alias outer 1 $out (type $out-outer))
            (export "response-outparam" (type $out-inner (eq $out-outer)))
            (export "handle" (func
                (param "request" (own $request-inner)) (param "response-out" (own $out-inner))))))"#
    )
}

/// Exports a handler of 0.2; goes after [`http_types`].
pub(crate) fn handler(version: &str) -> String {
    format!(
        r#"(func $handle (param "request" (own $request)) (param "response-out" (own $out))
            (canon lift (core func $library "take-two")))
        (component $handler
            (import "request" (type $request (sub resource)))
            (import "out" (type $out (sub resource)))
            (import "handle" (func $handle (param "request" (own $request)) (param "response-out" (own $out))))
            (export $request-shown "incoming-request" (type $request))
            (export $out-shown "response-outparam" (type $out))
            (export "handle" (func $handle)
                (func (param "request" (own $request-shown)) (param "response-out" (own $out-shown)))))
        (instance $handler (instantiate $handler
            (with "request" (type $request)) (with "out" (type $out)) (with "handle" (func $handle))))
        (export "wasi:http/incoming-handler@{version}" (instance $handler))"#
    )
}

/// A handler of 0.3 with the resources that it needs, and an import of the next one where there is one.
pub(crate) fn handler_p3(has_next: bool) -> String {
    let next = if has_next {
        r#"(import "wasi:http/handler@0.3.0" (instance
            (alias outer 1 $request (type $request-outer))
            (alias outer 1 $response (type $response-outer))
            (export "handle" (func async
                (param "request" (own $request-outer)) (result (own $response-outer))))))"#
    } else {
        ""
    };
    format!(
        r#"(import "wasi:http/types@0.3.0" (instance $types
            (export "request" (type (sub resource)))
            (export "response" (type (sub resource)))))
        (alias export $types "request" (type $request))
        (alias export $types "response" (type $response))
        {next}
        (core module $answer (func (export "handle") (param i32) (result i32) unreachable))
        (core instance $answer (instantiate $answer))
        (func $handle async (param "request" (own $request)) (result (own $response))
            (canon lift (core func $answer "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/handler@0.3.0" (instance $handler))"#
    )
}

/// One component of an app under construction.
pub(crate) struct Piece {
    component: Component,
    bytes: Vec<u8>,
}

/// A component of this name with nothing granted.
pub(crate) fn piece(name: &str, bytes: Vec<u8>) -> Piece {
    Piece {
        component: Component {
            name: self::name(name),
            source: Source::File(format!("{name}.wasm").into()),
            grants: Grants::nothing(),
            granted: BTreeSet::new(),
            grant_on_use: GrantOnUse::Refuse,
            limits: ComponentLimits::default(),
            links: Vec::new(),
            reuse: Reuse::default(),
            interruption: None,
            cell: Default::default(),
        },
        bytes,
    }
}

impl Piece {
    /// Grants these kinds.
    pub(crate) fn grant(mut self, kinds: &[GrantKind]) -> Self {
        self.component.granted.extend(kinds);
        self
    }

    /// Changes what is granted.
    pub(crate) fn grants(mut self, change: impl FnOnce(&mut Grants)) -> Self {
        change(&mut self.component.grants);
        self
    }

    /// Links imports to a component.
    pub(crate) fn link(mut self, imports: &str, provider: &str) -> Self {
        self.component.links.push(LinkRule {
            imports: ImportPattern::parse(imports),
            provider: name(provider),
            export: None,
            mode: Default::default(),
        });
        self
    }

    /// Links imports to a component in a cell of its own.
    pub(crate) fn isolated(self, imports: &str, provider: &str) -> Self {
        self.isolated_with(imports, provider, Isolation::default())
    }

    pub(crate) fn isolated_with(mut self, imports: &str, provider: &str, isolation: Isolation) -> Self {
        self = self.link(imports, provider);
        self.component.links.last_mut().unwrap().mode = LinkMode::Isolated(isolation);
        self
    }

    /// Says how calls over isolated links go.
    pub(crate) fn cell(mut self, cell: CellSettings) -> Self {
        self.component.cell = cell;
        self
    }

    /// Links one import to an export of another name.
    pub(crate) fn link_to(mut self, imports: &str, provider: &str, export: &str) -> Self {
        self = self.link(imports, provider);
        self.component.links.last_mut().unwrap().export = Some(export.to_owned());
        self
    }

    /// Lets what is not granted trap.
    pub(crate) fn trap(mut self) -> Self {
        self.component.grant_on_use = GrantOnUse::Trap;
        self
    }

    /// Lets instances answer several requests.
    pub(crate) fn reuse(mut self, requests_max: u32, concurrent_max: u32) -> Self {
        self.component.reuse = Reuse {
            requests_max,
            concurrent_max,
            ..Reuse::default()
        };
        self
    }

    /// Bounds its memories and tables.
    pub(crate) fn limits(mut self, memory_bytes_max: u64, table_elements_max: u64) -> Self {
        self.component.limits = ComponentLimits {
            memory_bytes_max,
            table_elements_max,
        };
        self
    }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// An app and the bytes of its components.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) bytes: Vec<Vec<u8>>,
}

pub(crate) fn app(pieces: Vec<Piece>) -> TestApp {
    let (components, bytes) = pieces
        .into_iter()
        .map(|piece| (piece.component, piece.bytes))
        .unzip();
    TestApp {
        app: App {
            name: name("shop"),
            components,
            triggers: Vec::new(),
            limits: Limits::default(),
        },
        bytes,
    }
}

impl TestApp {
    /// Runs this component.
    pub(crate) fn run(mut self, component: &str) -> Self {
        self.app.triggers.push(Trigger::Command {
            component: name(component),
            arguments: Vec::new(),
        });
        self
    }

    /// Serves HTTP: each route has a name, a path and the component that answers.
    pub(crate) fn serve(mut self, routes: &[(&str, &str, &str)]) -> Self {
        let route = |(route, path, component): &(&str, &str, &str)| Route {
            name: name(route),
            path: path.parse().unwrap(),
            ..Route::everything(&name(component))
        };
        self.app.triggers.push(Trigger::Http(Box::new(HttpTrigger {
            routes: routes.iter().map(route).collect(),
            ..HttpTrigger::default()
        })));
        self
    }

    pub(crate) fn parts(&self) -> Vec<Part<'_>> {
        let named = self.app.components.iter().zip(&self.bytes);
        named
            .map(|(component, bytes)| Part {
                component: &component.name,
                bytes,
            })
            .collect()
    }

    pub(crate) fn plan(&self) -> Plan {
        weft_compose::plan(&self.app, &self.parts()).unwrap_or_else(|problems| panic!("{}", show(&problems)))
    }

    pub(crate) fn fuse(&self) -> Fused {
        {
            let plan = self.plan();
            weft_compose::fuse(&plan, &plan.entries()[0], &self.parts())
        }
        .unwrap()
    }

    /// What becomes of each way in.
    pub(crate) fn fuse_all(&self) -> Vec<Fused> {
        let plan = self.plan();
        let fuse = |entry| weft_compose::fuse(&plan, entry, &self.parts()).unwrap();
        plan.entries().iter().map(fuse).collect()
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        weft_compose::plan(&self.app, &self.parts()).expect_err("the app is fine")
    }

    /// The one thing that is wrong with it.
    pub(crate) fn problem(&self) -> Problem {
        let mut problems = self.problems();
        assert_eq!(problems.len(), 1, "{}", show(&problems));
        problems.remove(0)
    }
}

pub(crate) fn show(problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| {
        let source = std::error::Error::source(problem).map(|cause| {
            let deeper = cause.source().map(|cause| format!(": {cause}"));
            format!(": {cause}{}", deeper.unwrap_or_default())
        });
        format!("{problem}{}\n", source.unwrap_or_default())
    });
    lines.collect()
}

/// The names of the imports or exports of a component, by wasmparser alone.
pub(crate) fn imports_of(component: &[u8]) -> Vec<String> {
    outermost(component, |payload, names| {
        if let wasmparser::Payload::ComponentImportSection(section) = payload {
            names.extend(
                section
                    .into_iter()
                    .map(|import| import.unwrap().name.name.to_owned()),
            );
        }
    })
}

pub(crate) fn exports_of(component: &[u8]) -> Vec<String> {
    outermost(component, |payload, names| {
        if let wasmparser::Payload::ComponentExportSection(section) = payload {
            names.extend(
                section
                    .into_iter()
                    .map(|export| export.unwrap().name.name.to_owned()),
            );
        }
    })
}

fn outermost(
    component: &[u8],
    mut look: impl FnMut(wasmparser::Payload<'_>, &mut Vec<String>),
) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_i32;
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        let payload = payload.unwrap();
        match payload {
            wasmparser::Payload::Version { .. } => depth += 1,
            wasmparser::Payload::End(_) => depth -= 1,
            other if depth == 1 => look(other, &mut names),
            _ => {}
        }
    }
    names
}

/// The names of a fused component's imports, as the plan says and as its bytes say, which must be the same.
pub(crate) fn scoped(fused: &Fused) -> Vec<String> {
    let mut planned: Vec<String> = fused.imports.iter().map(|import| import.name.clone()).collect();
    let mut found = imports_of(&fused.bytes);
    planned.sort();
    found.sort();
    assert_eq!(planned, found);
    planned
}
