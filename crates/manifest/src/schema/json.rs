//! The JSON Schema of a manifest, by which editors complete and check it.

use serde_json::{Map as Object, Value, json};

use super::{Form, Key, Kind, Presence, Table, keys};
use crate::bounds::ENTRIES_MAX;

/// The JSON Schema (draft 7) of `weft.toml`, as text that ends in a line break.
///
/// It is wider than the truth where the truth cannot be said in it: that a link leads to a component which
/// exists, for example.
#[must_use]
pub fn json_schema() -> String {
    let mut schema = table(&keys::MANIFEST);
    schema.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    schema.insert("title".to_owned(), json!("weft.toml"));
    let mut text = format!("{:#}", Value::Object(sorted(schema)));
    text.push('\n');
    text
}

fn table(table: &Table) -> Object<String, Value> {
    let properties: Object<String, Value> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| matches!(key.presence, Presence::Required))
        .map(|key| key.name)
        .collect();
    let mut schema = Object::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("description".to_owned(), json!(one_line(table.doc)));
    schema.insert("properties".to_owned(), Value::Object(sorted(properties)));
    schema.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    sorted(schema)
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    let mut description = one_line(key.doc);
    if let Presence::Default(default) = key.presence {
        description = format!("{description} Default: {default}.");
    }
    schema.insert("description".to_owned(), json!(description));
    Value::Object(sorted(schema))
}

fn kind(of: &Kind) -> Object<String, Value> {
    let schema = match of {
        Kind::Text(Form { pattern: None, .. }) => json!({ "type": "string" }),
        Kind::Text(Form {
            pattern: Some(pattern),
            ..
        }) => json!({ "pattern": pattern, "type": "string" }),
        Kind::Choice(choices) => {
            let words: Vec<&str> = choices.iter().map(|choice| choice.word).collect();
            json!({ "enum": words })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Whole => json!({ "minimum": 0, "type": "integer" }),
        Kind::Number => json!({ "minimum": 0, "type": "number" }),
        Kind::List(item) => json!({ "items": kind(item), "maxItems": ENTRIES_MAX, "type": "array" }),
        Kind::Map(map) => {
            let mut schema = Object::new();
            schema.insert("additionalProperties".to_owned(), Value::Object(kind(&map.value)));
            schema.insert("maxProperties".to_owned(), json!(map.entries_max));
            if let Some(pattern) = map.key_pattern {
                schema.insert("propertyNames".to_owned(), json!({ "pattern": pattern }));
            }
            schema.insert("type".to_owned(), json!("object"));
            Value::Object(schema)
        }
        Kind::Table(known) => Value::Object(table(known)),
        Kind::Either(kinds) => {
            let kinds: Vec<Value> = kinds.iter().map(|one| Value::Object(kind(one))).collect();
            json!({ "anyOf": kinds })
        }
    };
    match schema {
        Value::Object(object) => sorted(object),
        _ => Object::new(),
    }
}

fn one_line(doc: &str) -> String {
    doc.replace('\n', " ")
}

/// The same, sorted by name: whether `serde_json` keeps an order depends on who else is built with it.
fn sorted(object: Object<String, Value>) -> Object<String, Value> {
    let mut entries: Vec<(String, Value)> = object.into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.into_iter().collect()
}
