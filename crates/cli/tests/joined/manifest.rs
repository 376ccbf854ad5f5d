//! An app by chance as a person would have it: a folder with a manifest and files.

use std::fmt::Write as _;

use weft_testing::Scratch;

use crate::component;
use crate::graph::{DIRECTORIES, Graph, Host, Node};
use crate::joined::KEY;

/// A folder with the app in it.
pub(crate) fn folder(graph: &Graph) -> Scratch {
    let folder = Scratch::new();
    for name in DIRECTORIES {
        folder.folder(name);
    }
    let mut text = "[trigger.command]\ncomponent = \"main\"\n".to_owned();
    for (index, node) in graph.nodes.iter().enumerate() {
        folder.file(format!("{}.wasm", node.name), component::bytes(graph, index));
        text.push_str(&tables(graph, node));
    }
    folder.file("weft.toml", text);
    folder
}

/// What the manifest says about one component.
fn tables(graph: &Graph, node: &Node) -> String {
    let name = &node.name;
    let mut text = format!("\n[component.{name}]\nsource = \"{name}.wasm\"\n");
    if node.traps {
        text.push_str("grant-on-use = \"trap\"\n");
    }
    writeln!(text, "[component.{name}.grants]").unwrap();
    if node.has(Host::Environment) {
        writeln!(text, "env = {{ VALUE = \"{}\" }}", node.variable).unwrap();
    }
    if node.has(Host::Config) {
        let setting = node
            .setting
            .as_ref()
            .map(|value| format!(" {KEY} = \"{value}\" "));
        writeln!(text, "config = {{{}}}", setting.unwrap_or_default()).unwrap();
    }
    if node.has(Host::Preopens) {
        let directory = DIRECTORIES[node.directory];
        writeln!(text, "dir = [\"{directory}::/{directory}\"]").unwrap();
    }
    writeln!(text, "[component.{name}.links]").unwrap();
    for rule in &node.rules {
        let provider = &graph.nodes[rule.provider].name;
        let imports = &rule.imports;
        match &rule.export {
            Some(export) => writeln!(
                text,
                "\"{imports}\" = {{ component = \"{provider}\", export = \"{export}\" }}"
            ),
            None => writeln!(text, "\"{imports}\" = \"{provider}\""),
        }
        .unwrap();
    }
    text
}
