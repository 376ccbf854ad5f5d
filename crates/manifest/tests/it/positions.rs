//! Later stages find the places that they must point at.

use weft_app::grant::GrantKind;
use weft_app::{ImportPattern, Name};
use weft_manifest::{KeyPath, Section};

use crate::ui::read;

const TEXT: &str = r#"[component.main]
source = "main.wasm"

[component.main.grants]
dns = ["a.example.com"]
tcp = ["b.example.com", "c.example.com"]

[component.main.links]
"docs:markup/render" = "parser"
"*" = { component = "parser" }

[component.parser]
source = { file = "parser.wasm" }
limits.memory = "1MiB"

[trigger.command]
component = "main"
"#;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn underlined(position: Option<weft_manifest::Position>) -> String {
    let Some(position) = position else {
        return "nowhere".to_owned();
    };
    format!("{position} {}", &TEXT[position.start..position.end])
}

#[test]
fn components_links_grants_and_tables_are_found() {
    let manifest = read(TEXT).unwrap();
    let at = &manifest.positions;
    let (main, parser) = (name("main"), name("parser"));
    for (found, expected) in [
        (at.component(&main), "1:1 [component.main]"),
        (at.component(&name("other")), "nowhere"),
        (at.source(&main), "2:10 \"main.wasm\""),
        (at.source(&parser), "13:10 { file = \"parser.wasm\" }"),
        (at.grant(&main, GrantKind::Network), "5:1 dns"),
        (at.grant(&main, GrantKind::Clock), "nowhere"),
        (at.section(&main, Section::Grants), "4:1 [component.main.grants]"),
        (at.section(&parser, Section::Grants), "12:1 [component.parser]"),
        (at.section(&parser, Section::Limits), "14:1 limits"),
        (at.section(&main, Section::Links), "8:1 [component.main.links]"),
        (at.trigger(&manifest.app.triggers[0]), "16:1 [trigger.command]"),
    ] {
        assert_eq!(underlined(found), expected);
    }
    assert_eq!(Section::Grants.header(&parser), "[component.parser.grants]");
    let links = &manifest.app.component(&main).unwrap().links;
    let found: Vec<String> = links
        .iter()
        .map(|link| underlined(at.link(&main, &link.imports)))
        .collect();
    assert_eq!(found, ["9:1 \"docs:markup/render\"", "10:1 \"*\""]);
    assert_eq!(at.link(&parser, &ImportPattern::All), None);
}

#[test]
fn any_key_and_value_is_found_by_its_path() {
    let positions = read(TEXT).unwrap().positions;
    let tcp = KeyPath::of(["component", "main", "grants", "tcp"]);
    assert_eq!(underlined(positions.of(&tcp)), "6:1 tcp");
    assert_eq!(
        underlined(positions.of(&tcp.clone().item(1))),
        "6:25 \"c.example.com\""
    );
    assert_eq!(underlined(positions.of(&tcp.clone().item(2))), "nowhere");
    assert_eq!(underlined(positions.of(&tcp.key("x"))), "nowhere");
    let file = KeyPath::of(["component", "parser", "source", "file"]);
    assert_eq!(underlined(positions.of(&file)), "13:12 file");
    assert_eq!(underlined(positions.of_value(&file)), "13:19 \"parser.wasm\"");
    assert_eq!(underlined(positions.of(&KeyPath::default())), "nowhere");
}

#[test]
fn routes_files_of_listeners_and_reuse_are_found() {
    let text = "[component.main]\nsource = \"main.wasm\"\nreuse.requests = 2\n\
                [trigger.http]\nlisten = [\"127.0.0.1:0\", { address = \"127.0.0.1:1\", certificate = \"c\", key = \"k\" }]\n\
                [trigger.http.route.api]\nfiles = \"public\"\n";
    let manifest = read(text).unwrap();
    let at = &manifest.positions;
    let http = &manifest.app.triggers[0];
    let shown = |position: Option<weft_manifest::Position>| {
        position.map_or("nowhere", |position| &text[position.start..position.end])
    };
    assert_eq!(shown(at.reuse(&name("main"))), "reuse");
    assert_eq!(shown(at.route(http, 0)), "[trigger.http.route.api]");
    assert_eq!(shown(at.listener_file(1, "key")), "\"k\"");
    assert_eq!(shown(at.listener_file(0, "key")), "nowhere");

    let text = "component.main.source = \"m\"\n[trigger.http]\ncomponent = \"main\"\n\
                [trigger.http.listen]\naddress = \"127.0.0.1:1\"\ncertificate = \"c\"\nkey = \"k\"\n";
    let manifest = read(text).unwrap();
    let (at, http) = (&manifest.positions, &manifest.app.triggers[0]);
    let shown = |position: Option<weft_manifest::Position>| {
        position.map_or("nowhere", |position| &text[position.start..position.end])
    };
    assert_eq!(shown(at.route(http, 0)), "\"main\"");
    assert_eq!(shown(at.route(http, 1)), "\"main\"");
    assert_eq!(shown(at.listener_file(0, "certificate")), "\"c\"");
    assert_eq!(shown(at.trigger(http)), "[trigger.http]");
}
