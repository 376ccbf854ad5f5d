//! Apps by chance: each is refused with a reason, or joined exactly as planned.

use weft_app::grant::{GrantKind, Peer, StdioGrant};

use crate::parts::*;

/// Numbers that look like chance and are the same in every run: xorshift.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next(count) == 0
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.next(list.len() as u64)).unwrap()].clone()
    }
}

const VERSIONS: [&str; 4] = ["0.2.0", "0.2.3", "0.2.12", "0.3.0"];
const KINDS: [GrantKind; 3] = [GrantKind::Environment, GrantKind::Stdio, GrantKind::Network];
const SOCKETS: &str = r#"(import "wasi:sockets/types@0.3.0" (instance $sockets
    (export "tcp-socket" (type $socket (sub resource)))
    (export "[static]tcp-socket.create" (func (result (own $socket))))))
  (alias export $sockets "tcp-socket" (type $stream))"#;

fn pieces_of(chance: &mut Chance, index: usize, names: &[String]) -> Vec<u8> {
    let mut texts = Vec::new();
    // What handles are of: streams of some version, sockets, a type of its own, or nothing.
    let version = chance.pick(&VERSIONS[..3]);
    let has_handles = match chance.next(6) {
        0..=2 => {
            texts.push(streams(version));
            if chance.one_in(2) {
                texts.push(stdout(version));
            }
            true
        }
        3 => {
            texts.push(SOCKETS.to_owned());
            true
        }
        4 => {
            texts.push("(type $stream (resource (rep i32)))".to_owned());
            false
        }
        _ => false,
    };
    if has_handles && chance.one_in(2) && index < 2 {
        texts.push(SINK_IMPORT.to_owned());
    }
    if chance.one_in(2) {
        texts.push(environment(chance.pick(&VERSIONS)));
    }
    if chance.one_in(6) {
        texts.push(environment_as(&format!(
            "{}:wasi-cli/environment@0.2.3",
            chance.pick(names)
        )));
    }
    // Mostly towards later components, sometimes backwards, which may close a circle.
    for other in 0..names.len() {
        let wanted = if other > index { 2 } else { 60 };
        if other != index && chance.one_in(wanted) {
            texts.push(import(&format!("test:part/p{other}@1.{}.0", chance.next(2))));
        }
    }
    if has_handles && !texts.iter().any(|text| text == SINK_IMPORT) && index > 1 && chance.one_in(2) {
        texts.push(SINK.to_owned());
    }
    texts.push(export(&format!(
        "test:part/p{index}@1.{}.0",
        if chance.one_in(12) { 0 } else { 2 }
    )));
    if index == 0 || chance.one_in(8) {
        texts.push(command(version));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    component(&texts)
}

fn random_app(seed: u64) -> TestApp {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut names: Vec<String> = ["web", "auth", "log", "g1-shared", "wasi", "test"]
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    names.truncate(usize::try_from(1 + chance.next(6)).unwrap());
    let peers: [Peer; 2] = ["a.example:1".parse().unwrap(), "b.example:2".parse().unwrap()];
    let mut pieces = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let mut piece = piece(name, pieces_of(&mut chance, index, &names));
        if !chance.one_in(3) {
            piece = piece.grant(&KINDS);
        }
        let (peer, is_loud) = (chance.pick(&peers), chance.one_in(2));
        piece = piece.grants(|grants| {
            grants.network.tcp_connect = vec![peer];
            grants.stdio = if is_loud {
                StdioGrant::default()
            } else {
                StdioGrant::NONE
            };
        });
        if chance.one_in(2) {
            piece = piece.trap();
        }
        if chance.one_in(6) {
            let provider = chance.pick(&names);
            piece = piece.link(
                chance.pick(&["*", "test:part", "test:peer/sink", "wasi:cli"]),
                &provider,
            );
        }
        if chance.one_in(10) {
            piece = piece.limits(chance.next(200_000), chance.next(10));
        }
        pieces.push(piece);
    }
    let app = app(pieces);
    if chance.one_in(4) { app } else { app.run("web") }
}

#[test]
fn an_app_by_chance_is_refused_with_a_reason_or_joined_exactly_as_planned() {
    let (mut joined, mut refused, mut shared) = (0, 0, 0);
    for seed in 1..=1500 {
        let app = random_app(seed);
        match weft_compose::plan(&app.app, &app.parts()) {
            Err(problems) => {
                assert!(!problems.is_empty(), "seed {seed}");
                assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
                refused += 1;
            }
            Ok(plan) => {
                let fused =
                    weft_compose::fuse(&plan, &plan.entries()[0], &app.parts()).unwrap_or_else(|error| {
                        panic!("seed {seed}: {error}: {:?}", std::error::Error::source(&error))
                    });
                let names = scoped(&fused);
                shared += usize::from(names.iter().any(|name| name.contains("-shared")));
                check_owners(&app, &fused, seed);
                assert!(
                    exports_of(&fused.bytes)
                        .iter()
                        .all(|name| name.starts_with("wasi:cli/run@")),
                    "seed {seed}"
                );
                joined += 1;
            }
        }
    }
    // Otherwise the test would say nothing.
    assert!(
        joined > 50 && refused > 50 && shared > 5,
        "{joined} {refused} {shared}"
    );
}

/// Whatever is given was granted to every component that can call it.
fn check_owners(app: &TestApp, fused: &weft_compose::Fused, seed: u64) {
    for import in &fused.imports {
        let (Some(weft_compose::Need::Grant(kind)), weft_compose::Access::Granted) =
            (import.need, import.access)
        else {
            continue;
        };
        let members = match &import.owner {
            weft_compose::Owner::Component(component) => vec![*component],
            weft_compose::Owner::Group { members, .. } => members.clone(),
        };
        for member in members {
            assert!(
                app.app.components[member].granted.contains(&kind),
                "seed {seed}: {import:?}"
            );
        }
    }
}
