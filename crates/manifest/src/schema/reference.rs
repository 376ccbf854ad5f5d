//! The reference page of the manifest.

use std::fmt::Write as _;

use super::{Key, Kind, Presence, Table, keys};
use crate::bounds::{COMPONENTS_MAX, ENTRIES_MAX, MANIFEST_BYTES_MAX, VALUE_BYTES_MAX};

const BEGIN: &str = "\
# The manifest

<!-- Written from `crates/manifest/src/schema` by `BLESS=1 cargo test -p weft-manifest`. -->

`weft.toml` describes an app in [TOML](https://toml.io).
An app of one component takes four lines:

```toml
[component.main]
source = \"main.wasm\"
[component.main.grants]
stdio = \"all\"
```

Two components, of which one renders what the other reads:

```toml
[component.main]
source = \"main.wasm\"

[component.main.grants]
dir = [\"./data::/data\"]
stdio = \"all\"

[component.main.links]
\"docs:markup/render\" = \"parser\"

[component.parser]
source = { folder = \"parser\", build = \"make\", file = \"parser.wasm\" }

[component.parser.limits]
memory = \"64MiB\"
```

Paths are relative to the folder of the manifest; they may be absolute and may leave the folder, since the manifest's author decides what is read.
A key that is not on this page is refused; what is accepted but was probably not meant is warned of.
Editors complete the keys with [`weft.schema.json`](weft.schema.json), as [apps.md](apps.md#in-an-editor) says.
";

const LOCK: &str = "
## The lock file

`weft.lock` stands beside the manifest and is written by Weft: for each component the digest of its bytes, the imports that it asks for and the exports that it offers.
Keep it with the manifest.

| what changed since it was written | what happens |
|---|---|
| the bytes of a component, but not what it asks for | accepted, and the lock file is updated |
| a component asks for less, or exports something else | accepted, and the lock file is updated |
| a component was added to the manifest, or removed from it | accepted, and the lock file is updated |
| a component imports something that it did not import before | refused until `weft update` accepts it |

Another version of an interface is another import: a component that is rebuilt against a newer interface asks anew.
";

/// The reference page of `weft.toml`, as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = BEGIN.to_owned();
    for table in keys::TABLES {
        write_table(&mut page, table);
    }
    let _ = write!(
        page,
        "\n## Bounds\n\nA manifest has at most {} MiB and {COMPONENTS_MAX} components; a list or a table at most {ENTRIES_MAX} entries; a value at most {} KiB.\n",
        MANIFEST_BYTES_MAX >> 20,
        VALUE_BYTES_MAX >> 10,
    );
    page.push_str(LOCK);
    page
}

fn write_table(page: &mut String, table: &Table) {
    let _ = write!(page, "\n## `{}`\n\n{}\n\n", table.header, table.doc);
    page.push_str("| key | value | left out |\n|---|---|---|\n");
    for key in table.keys {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            key.name,
            kind(&key.kind),
            match key.presence {
                Presence::Required => "refused",
                Presence::Default(default) => default,
            },
        );
    }
    for key in table.keys {
        write_key(page, key);
    }
}

fn write_key(page: &mut String, key: &Key) {
    let _ = write!(page, "\n### `{}`\n\n{}\n", key.name, key.doc);
    if let Kind::Choice(choices) = &key.kind {
        page.push('\n');
        for choice in *choices {
            let _ = writeln!(page, "* `\"{}\"`: {}", choice.word, choice.doc);
        }
    }
    let _ = write!(page, "\n```toml\n{}\n```\n", key.example);
}

/// What may stand as a value, in the words of the table.
fn kind(of: &Kind) -> String {
    match of {
        Kind::Text(form) => format!("text: {}", form.name),
        Kind::Choice(choices) => {
            let words: Vec<String> = choices
                .iter()
                .map(|choice| format!("`\"{}\"`", choice.word))
                .collect();
            words.join(" or ")
        }
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Whole => "whole number".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::List(Kind::Either(kinds)) => {
            let items: Vec<String> = kinds.iter().map(kind).collect();
            format!("list of these: {}", items.join(", or "))
        }
        Kind::List(item) => format!("list of {}", kind(item)),
        Kind::Map(map) => match &map.value {
            Kind::Table(table) => format!("tables `{}`", table.header),
            value => format!("table: {} = {}", map.key, kind(value)),
        },
        Kind::Table(table) => format!("table `{}`", table.header),
        Kind::Either(kinds) => kinds.iter().map(kind).collect::<Vec<_>>().join(", or "),
    }
}
