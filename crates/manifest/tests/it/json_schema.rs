//! The JSON Schema accepts what is valid and refuses what it can see to be wrong.
//!
//! The validator here knows the few words of JSON Schema that are used: a whole one would bring seventy crates.

use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

use crate::ui::manifests;

fn schema() -> Value {
    serde_json::from_str(&weft_manifest::json_schema()).unwrap()
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
        DeValue::Float(number) => json!(number.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(value) => json!(value),
        DeValue::Datetime(moment) => json!({ "moment": moment.to_string() }),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => table_to_json(table),
    }
}

fn table_to_json(table: &DeTable<'_>) -> Value {
    let entries = table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())));
    Value::Object(entries.collect())
}

/// What of the value the schema refuses. Patterns are not matched: they help people while they type.
fn refused(value: &Value, schema: &Value, path: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "title" | "description" | "pattern" | "properties" | "propertyNames" => {}
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    other => panic!("a type that the validator does not know: {other}"),
                };
                if !fits {
                    problems.push(format!("{path} is not {rule}"));
                }
            }
            "minimum" => {
                if value
                    .as_f64()
                    .is_some_and(|number| number < rule.as_f64().unwrap())
                {
                    problems.push(format!("{path} is too small"));
                }
            }
            "maxItems" => {
                if value
                    .as_array()
                    .is_some_and(|items| items.len() as u64 > rule.as_u64().unwrap())
                {
                    problems.push(format!("{path} is too long"));
                }
            }
            "maxProperties" => {
                if value
                    .as_object()
                    .is_some_and(|table| table.len() as u64 > rule.as_u64().unwrap())
                {
                    problems.push(format!("{path} is too large"));
                }
            }
            "enum" => {
                if !rule.as_array().unwrap().contains(value) {
                    problems.push(format!("{path} is no such word"));
                }
            }
            "required" => {
                for key in rule.as_array().unwrap() {
                    if value.is_object() && value.get(key.as_str().unwrap()).is_none() {
                        problems.push(format!("{path} has no {key}"));
                    }
                }
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    problems.extend(refused(item, rule, &format!("{path}[]")));
                }
            }
            "anyOf" => {
                let kinds = rule.as_array().unwrap();
                if kinds.iter().all(|kind| !refused(value, kind, path).is_empty()) {
                    problems.push(format!("{path} fits nothing"));
                }
            }
            "additionalProperties" => {
                for (key, entry) in value.as_object().into_iter().flatten() {
                    let known = schema.get("properties").and_then(|known| known.get(key));
                    let path = format!("{path}.{key}");
                    match (known, rule) {
                        (Some(known), _) => problems.extend(refused(entry, known, &path)),
                        (None, Value::Bool(false)) => problems.push(format!("{path} is not known")),
                        (None, rule) => problems.extend(refused(entry, rule, &path)),
                    }
                }
            }
            other => panic!("a word that the validator does not know: {other}"),
        }
    }
    problems
}

#[test]
fn valid_manifests_satisfy_the_schema() {
    let schema = schema();
    for (path, text) in manifests("valid") {
        let value = table_to_json(DeTable::parse(&text).unwrap().get_ref());
        let problems = refused(&value, &schema, "");
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
}

#[test]
fn mistakes_that_an_editor_can_see_break_the_schema() {
    let schema = schema();
    for (text, expected) in [
        (
            "[component.a]\nsource = 'x'\ngrant = 1",
            ".component.a.grant is not known",
        ),
        ("[component.a]\n", ".component.a has no \"source\""),
        ("[app]\nname = 'x'", " has no \"component\""),
        ("component.a.source = 1", ".component.a.source fits nothing"),
        (
            "component.a = {source = 'x', grant-on-use = 'never'}",
            ".component.a.grant-on-use is no such word",
        ),
        (
            "component.a = {source = 'x', limits.tables = -1}",
            ".component.a.limits.tables is too small",
        ),
    ] {
        let value = table_to_json(DeTable::parse(text).unwrap().get_ref());
        assert_eq!(refused(&value, &schema, ""), [expected], "{text}");
    }
}
