//! `weft inspect`: what a file is and asks for, without running it.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use weft_app::quantity::show_bytes;
use weft_inspect::kind::Kind;
use weft_inspect::structure::{Memory, Part, PartKind, Table};
use weft_inspect::wit::{self, Selection};
use weft_inspect::{Authority, Description, Export, Function, Group, Import, describe};
use weft_runtime::seal;

use super::Format;
use crate::exit_code::Code;
use crate::input::{self, Input, PROGRAM_BYTES_MAX};
use crate::output::{Output, visible};
use crate::report::Report;

/// Show what a file is, what it asks for and which flags of `weft run` would grant that, without running it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft inspect --functions hello.wasm")]
pub(crate) struct Arguments {
    /// The file: a component, a core module, their text, or an artifact; `-` reads standard input.
    file: PathBuf,

    /// List the functions that are used of each import.
    #[arg(long)]
    functions: bool,

    /// Show the world of a component as WIT (`weft wit` also shows the packages behind it).
    #[arg(long)]
    wit: bool,

    /// How to show it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<Code, Report> {
    let input = input::read(&arguments.file, PROGRAM_BYTES_MAX)?;
    if input.kind == Kind::Artifact {
        output.data(&artifact(&input, arguments.format)?)?;
        return Ok(Code::DONE);
    }
    let description = describe(&input.bytes)
        .map_err(|error| Report::failed(format!("cannot describe `{}`", input.name)).caused_by(error))?;
    // Core modules have no WIT and some components cannot be expressed in it; neither is a failure here.
    let world = wit::world(&input.bytes, Selection::WorldOnly).ok();
    let text = match arguments.format {
        Format::Json => as_json(&description, world),
        Format::Text => {
            let mut page = Page {
                text: String::new(),
                functions: arguments.functions,
            };
            page.whole(&input.name, &description);
            if let Some(world) = world.filter(|_| arguments.wit) {
                page.world(&world);
            }
            visible(&page.text)
        }
    };
    output.data(&text)?;
    Ok(Code::DONE)
}

fn as_json(description: &Description, world: Option<String>) -> String {
    let mut value = weft_inspect::json::description(description);
    if let Value::Object(keys) = &mut value {
        keys.insert("wit".to_owned(), Value::from(world));
    }
    format!("{value:#}\n")
}

/// An artifact holds no WebAssembly to look at, only the label that `weft compile` put on it.
fn artifact(input: &Input, format: Format) -> Result<String, Report> {
    let Some(sealed) = seal::read(&input.bytes) else {
        return Err(Report::failed(format!("cannot describe `{}`", input.name))
            .caused_by("it is machine code that `weft compile` did not make, or it was cut off"));
    };
    let unreadable =
        |error: seal::SealError| Report::failed(format!("cannot describe `{}`", input.name)).caused_by(error);
    sealed.check_whole().map_err(unreadable)?;
    let profile = sealed.made_for().map_err(unreadable)?.profile;
    let source = format!("blake3:{}", sealed.source_digest);
    Ok(match format {
        Format::Json => format!(
            "{:#}\n",
            json!({
                "kind": "artifact",
                "bytes": input.bytes.len(),
                "profile": profile.name(),
                "source_digest": source,
            })
        ),
        Format::Text => visible(&format!(
            "{}\n  kind       precompiled artifact\n  size       {}\n  profile    {}\n  made from  {source}\n",
            input.name,
            show_bytes(input.bytes.len() as u64),
            profile.name(),
        )),
    })
}

/// The page for people, written from top to bottom.
struct Page {
    text: String,
    functions: bool,
}

impl Page {
    fn whole(&mut self, name: &str, description: &Description) {
        self.line(0, name);
        self.facts(description);
        self.imports(&description.imports);
        self.exports(&description.exports);
        self.line(0, "\nParts");
        self.part(1, &description.root);
    }

    fn line(&mut self, depth: usize, text: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{:1$}{text}", "", depth * 2);
    }

    fn fact(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            self.line(1, &format!("{label:<11}{text}"));
        }
    }

    fn facts(&mut self, description: &Description) {
        let sizes = description.sizes;
        let roles: Vec<String> = description.roles.iter().map(ToString::to_string).collect();
        let form = if description.is_text { " (text)" } else { "" };
        self.fact(
            "kind",
            &format!("{}{form}, {}", description.kind, roles.join(", ")),
        );
        self.fact(
            "size",
            &format!(
                "{}: code {}, data {}, custom sections {}",
                show_bytes(description.bytes as u64),
                show_bytes(sizes.code_bytes as u64),
                show_bytes(sizes.data_bytes as u64),
                show_bytes(sizes.custom_bytes as u64),
            ),
        );
        self.fact(
            "memory",
            &format!("{} at the start", show_bytes(sizes.memory_bytes_min)),
        );
        self.fact("digest", &description.digest);
        let languages: Vec<&str> = description.languages.iter().map(|it| it.name.as_str()).collect();
        self.fact("languages", &languages.join(", "));
        self.fact("made with", &tools(description));
        let features: Vec<&str> = description.features.iter().map(String::as_str).collect();
        self.fact("features", &features.join(", "));
        self.fact("note", description.undecoded.as_deref().unwrap_or_default());
    }

    fn imports(&mut self, groups: &[Group]) {
        self.line(0, "\nAsks for");
        if groups.is_empty() {
            self.line(1, "nothing");
        }
        for group in groups {
            let what = match &group.service {
                Some(service) => format!("service `{service}`"),
                None => group.authority.to_string(),
            };
            self.line(1, &format!("{what:<26} {}", granted_by(group)));
            if group.imports.iter().all(|import| import.module.is_some()) && !self.functions {
                self.names(&group.imports);
            } else {
                group.imports.iter().for_each(|import| self.import(import));
            }
        }
    }

    /// Core modules import many single functions, so their names share lines.
    fn names(&mut self, imports: &[Import]) {
        const WIDTH: usize = 100;
        let mut line = String::new();
        for import in imports {
            if !line.is_empty() && line.len() + import.name.len() > WIDTH {
                self.line(2, &line);
                line.clear();
            }
            let separator = if line.is_empty() { "" } else { " " };
            line.push_str(separator);
            line.push_str(&import.name);
        }
        self.line(2, &line);
    }

    fn import(&mut self, import: &Import) {
        if import.kind == "func" {
            return self.own_functions(2, &import.name, &import.functions);
        }
        self.line(2, &import.name);
        if self.functions {
            import
                .functions
                .iter()
                .for_each(|function| self.function(3, function));
        }
    }

    fn exports(&mut self, exports: &[Export]) {
        self.line(0, "\nOffers");
        if exports.is_empty() {
            self.line(1, "nothing");
        }
        for export in exports {
            match export.kind {
                "func" => self.own_functions(1, &export.name, &export.functions),
                "instance" => {
                    self.line(1, &export.name);
                    export
                        .functions
                        .iter()
                        .for_each(|function| self.function(2, function));
                }
                kind => self.line(1, &format!("{}: {kind}", export.name)),
            }
        }
    }

    /// A function that is imported or exported by itself carries one signature, unless it was left out.
    fn own_functions(&mut self, depth: usize, name: &str, functions: &[Function]) {
        match functions.first() {
            Some(function) => self.function(depth, function),
            None => self.line(depth, &format!("{name}: func")),
        }
    }

    fn function(&mut self, depth: usize, function: &Function) {
        self.line(depth, &format!("{}: {}", function.name, function.signature));
    }

    /// Recursive, but what reads the file bounds how deep parts are nested.
    fn part(&mut self, depth: usize, part: &Part) {
        let kind = match part.kind {
            PartKind::Component => "component",
            PartKind::Module => "core module",
        };
        let name = part
            .name
            .as_ref()
            .map_or(String::new(), |name| format!(" `{name}`"));
        let mut facts = vec![show_bytes(part.bytes() as u64)];
        if part.functions > 0 {
            let plural = if part.functions == 1 { "" } else { "s" };
            facts.push(format!("{} function{plural}", part.functions));
        }
        facts.extend(part.memories.iter().map(memory));
        facts.extend(part.tables.iter().map(table));
        let label = format!("{:1$}{kind}{name}", "", depth.saturating_sub(1) * 2);
        self.line(1, &format!("{label:<38} {}", facts.join(", ")));
        part.parts.iter().for_each(|inside| self.part(depth + 1, inside));
    }

    fn world(&mut self, world: &str) {
        self.line(0, "\nWorld");
        world
            .lines()
            .for_each(|line| self.line(if line.is_empty() { 0 } else { 1 }, line));
    }
}

fn granted_by(group: &Group) -> String {
    match (
        group.authority,
        group.authority.is_granted_by_default(),
        group.flags.is_empty(),
    ) {
        (Authority::Service, ..) => "no flag grants this".to_owned(),
        (_, true, true) => "always there".to_owned(),
        (_, true, false) => format!("granted unless {} says otherwise", group.flags.join(", ")),
        (..) => group.flags.join(", "),
    }
}

fn tools(description: &Description) -> String {
    let tools: Vec<String> = description
        .producers
        .iter()
        .filter(|producer| producer.field != "language")
        .map(|producer| {
            format!("{} {}", producer.name, producer.version)
                .trim_end()
                .to_owned()
        })
        .collect();
    tools.join(", ")
}

fn memory(memory: &Memory) -> String {
    let mut text = String::new();
    if memory.is_imported {
        text.push_str("imported ");
    }
    if memory.is_shared {
        text.push_str("shared ");
    }
    text.push_str(if memory.is_64 { "64-bit memory " } else { "memory " });
    text.push_str(&show_bytes(memory.bytes_min));
    if let Some(max) = memory.bytes_max {
        text.push_str(&format!(" to {}", show_bytes(max)));
    }
    text
}

fn table(table: &Table) -> String {
    let imported = if table.is_imported { "imported " } else { "" };
    let grows_to = table.elements_max.filter(|max| *max != table.elements_min);
    let max = grows_to.map_or(String::new(), |max| format!(" to {max}"));
    format!("{imported}table of {}{max} {}", table.elements_min, table.element)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str, functions: bool) -> String {
        let mut page = Page {
            text: String::new(),
            functions,
        };
        page.whole("sample", &describe(text.as_bytes()).unwrap());
        visible(&page.text)
    }

    #[test]
    fn a_page_names_the_flag_for_each_authority() {
        let page = page(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open" (func (param i32)))
                (import "wasi_snapshot_preview1" "random_get" (func (param i32)))
                (memory 1 2) (func (export "_start")))"#,
            false,
        );
        assert!(
            page.contains("kind       core module (text), command of WASI preview 1"),
            "{page}"
        );
        assert!(
            page.contains("files and directories      --dir HOST[::GUEST][:rw]\n    path_open\n"),
            "{page}"
        );
        assert!(
            page.contains("randomness                 granted unless --random RANDOM says otherwise"),
            "{page}"
        );
        assert!(page.contains("\nOffers\n  _start: ()\n"), "{page}");
        assert!(page.contains("memory 64 KiB to 128 KiB"), "{page}");
    }

    #[test]
    fn names_in_a_file_cannot_steer_the_terminal() {
        let page = page(
            r#"(module (import "a\1b[2J" "b\0anothing" (func)) (func (export "\u{202e}x")))"#,
            true,
        );
        assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'), "{page}");
    }
}
