//! The reference page and the JSON Schema are what the schema says.

use std::path::Path;

use crate::ui::{expect, read};

fn docs(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

#[test]
fn the_reference_page_is_up_to_date() {
    let difference = expect(&docs("manifest.md"), &weft_manifest::reference_markdown());
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

#[test]
fn the_json_schema_is_up_to_date() {
    let difference = expect(&docs("weft.schema.json"), &weft_manifest::json_schema());
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

#[test]
fn whole_manifests_on_the_reference_page_are_valid() {
    let page = weft_manifest::reference_markdown();
    let manifests: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|text| text.starts_with("[component.main]\nsource") && text.contains("stdio"))
        .collect();
    assert_eq!(manifests.len(), 2);
    for text in manifests {
        let manifest = read(text).unwrap();
        assert!(manifest.warnings.is_empty());
    }
}

/// Every example of a key, put where the key belongs.
#[test]
fn every_example_on_the_reference_page_is_accepted() {
    let page = weft_manifest::reference_markdown();
    let mut section = String::new();
    let mut tried = 0;
    for part in page.split("\n## `").skip(1) {
        let header = part.split('`').next().unwrap();
        section.clear();
        section.push_str(header);
        for example in part
            .split("```toml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
        {
            let text = place(&section, example);
            if let Err(problems) = read(&text) {
                panic!("{section}: {example}\n{}", problems[0].render("example", &text));
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

/// A whole manifest around an example.
fn place(section: &str, example: &str) -> String {
    let parser = "[component.parser]\nsource = \"p.wasm\"\n";
    let main = "[component.main]\nsource = \"m.wasm\"\n";
    let header = section.replace("NAME", "main");
    match section {
        "weft.toml" if example.starts_with("[component.main]") => example.to_owned(),
        "weft.toml" => format!("{main}{example}"),
        "[component.NAME]" if example.starts_with("source") => format!("[component.main]\n{example}"),
        "[component.NAME]" => format!("{main}{example}{parser}"),
        "[component.NAME.source]" | "[component.NAME.reuse]" if !example.starts_with("source") => {
            format!("{main}{example}")
        }
        "[component.NAME.source]" => format!("[component.main]\n{example}"),
        "[component.NAME.links.\"IMPORT\"]" => format!("{main}[component.main.links]\n{example}{parser}"),
        "[component.NAME.links.\"IMPORT\".on-failure]"
        | "[component.NAME.links.\"IMPORT\".functions.FUNCTION]" => {
            let link = "[component.main.links.\"a:b/c\"]\ncomponent = \"parser\"\nmode = \"isolated\"\n";
            format!("{main}{link}{example}{parser}")
        }
        "[component.NAME.cell]" => {
            let pooled = ["uses", "idle"].iter().any(|key| example.starts_with(key));
            let shared = ["restarts", "period", "backoff"]
                .iter()
                .any(|key| example.starts_with(key));
            let lifetime = match (pooled, shared) {
                (true, _) => "lifetime = \"pooled\"\n",
                (_, true) => "lifetime = \"shared\"\n",
                _ => "",
            };
            format!("{main}{header}\n{lifetime}{example}")
        }
        "[component.NAME.grants]" if example.starts_with("keyvalue") => {
            format!("{main}{header}\n{example}[store.carts]\n")
        }
        "[component.NAME.grants]" if example.starts_with("blobstore") => {
            format!("{main}{header}\n{example}[blobstore.photos]\n")
        }
        "[component.NAME.grants]" if example.starts_with("messaging") => {
            format!("{main}{header}\n{example}[queue.orders]\n")
        }
        "[component.NAME.grants]" if example.starts_with("sql") => {
            format!("{main}{header}\n{example}[database.orders]\n")
        }
        "[component.NAME.grants.sql.DATABASE]" => {
            let database = if example.starts_with("database") {
                ""
            } else {
                "database = \"orders\"\n"
            };
            let header = header.replace("DATABASE", "mine");
            format!("{main}{header}\n{database}{example}[database.orders]\n")
        }
        "[database.NAME]" if example.starts_with("connections") || example.starts_with("authorities") => {
            format!("{main}{header}\nurl = \"postgres://127.0.0.1\"\n{example}")
        }
        "[component.NAME.grants.messaging.CLIENT]" => {
            let queue = if example.starts_with("queue") {
                ""
            } else {
                "queue = \"orders\"\n"
            };
            format!("{main}{header}\n{queue}{example}[queue.orders]\n")
        }
        "[trigger]" if example.contains("message") => format!("{main}{example}\n[queue.orders]\n"),
        "[trigger]" if example.contains("keyvalue") => {
            format!("{main}{example}\n[component.main.grants]\nkeyvalue = [\"carts\"]\n[store.carts]\n")
        }
        "[trigger.keyvalue.NAME]" => {
            let beside = ["component = \"main\"\n", "store = \"carts\"\n"];
            let others = beside
                .into_iter()
                .filter(|line| line.split(' ').next() != example.split(' ').next());
            let others: String = others.collect();
            let granted = "[component.main.grants]\nkeyvalue = [\"carts\"]\n[store.carts]\n";
            format!("{main}{header}\n{others}{example}{granted}")
        }
        "[trigger.message.NAME]" | "[trigger.schedule.NAME]" => {
            let mut beside = vec!["component = \"main\"\n"];
            if section.contains("message") {
                beside.push("queue = \"orders\"\n");
            } else if !example.starts_with("cron") {
                beside.push("every = \"1m\"\n");
            }
            let others = beside
                .into_iter()
                .filter(|line| line.split(' ').next() != example.split(' ').next());
            let others: String = others.collect();
            format!("{main}{header}\n{others}{example}[queue.orders]\n")
        }
        "[component.NAME.grants.keyvalue.BUCKET]" => {
            let store = if example.starts_with("store") {
                ""
            } else {
                "store = \"orders\"\n"
            };
            format!("{main}{header}\n{store}{example}[store.orders]\n")
        }
        "[store.NAME]" if example.starts_with("table") => {
            format!("{main}{header}\nurl = \"postgres://127.0.0.1\"\n{example}")
        }
        "[store.NAME]" if example.starts_with("bucket") || example.starts_with("replicas") => {
            format!("{main}{header}\nurl = \"nats://127.0.0.1\"\n{example}")
        }
        "[store.NAME]"
            if ["backend", "prefix", "timeout", "authorities"]
                .iter()
                .any(|key| example.starts_with(key)) =>
        {
            format!("{main}{header}\nurl = \"redis://127.0.0.1\"\n{example}")
        }
        "[queue.NAME]"
            if ["stream", "replicas", "timeout", "authorities"]
                .iter()
                .any(|key| example.starts_with(key)) =>
        {
            format!("{main}{header}\nurl = \"nats://127.0.0.1\"\n{example}")
        }
        "[component.NAME.grants.blobstore.CONTAINER]" => {
            let store = if example.starts_with("store") {
                ""
            } else {
                "store = \"photos\"\n"
            };
            let header = header.replace("CONTAINER", "pictures");
            format!("{main}{header}\n{store}{example}[blobstore.photos]\n")
        }
        "[blobstore.NAME]" => {
            let beside: &[(&str, &str)] = match example.split(' ').next() {
                Some("path" | "durability" | "size" | "backend") => &[],
                _ => &[
                    ("url", "url = \"http://127.0.0.1\"\n"),
                    ("bucket", "bucket = \"photos\"\n"),
                    ("key-id-variable", "key-id-variable = \"PHOTOS_KEY_ID\"\n"),
                    ("key-variable", "key-variable = \"PHOTOS_KEY\"\n"),
                ],
            };
            let others: String = beside
                .iter()
                .filter(|(key, _)| example.split(' ').next() != Some(key))
                .map(|(_, line)| *line)
                .collect();
            format!("{main}{header}\n{others}{example}")
        }
        "[trigger]" => format!("{main}{example}"),
        "[trigger.command]" if !example.starts_with("component") => {
            format!("{main}{header}\ncomponent = \"main\"\n{example}")
        }
        "[trigger.http.listen]" if !example.starts_with("address") => {
            let files = ["certificate = \"c.pem\"\n", "key = \"k.pem\"\n"];
            let others = files
                .into_iter()
                .filter(|line| line.split(' ').next() != example.split(' ').next());
            let others: String = others.collect();
            format!("{main}{header}\naddress = \"127.0.0.1:1\"\n{others}{example}")
        }
        "[trigger.http.route.ROUTE]" => {
            let header = header.replace("ROUTE", "api");
            let is_target = example.starts_with("component") || example.starts_with("files");
            let target = if is_target { "" } else { "component = \"main\"\n" };
            format!("{main}{header}\n{target}{example}")
        }
        _ => format!("{main}{header}\n{example}"),
    }
}
