//! The same facts for programs: the shape of `--format json`.
//!
//! This is a promise to whoever reads it: keys are added, never renamed. Sizes are in bytes and named so.

use serde_json::{Value, json};

use crate::authority::Group;
use crate::description::{Description, Export, Function, Import};
use crate::structure::{Memory, Part, PartKind, Producer, Table};
use crate::validate::{self, Invalid, Summary};
use crate::{kind::Kind, text};

/// A description.
#[must_use]
pub fn description(description: &Description) -> Value {
    let Description { sizes, .. } = description;
    json!({
        "kind": kind(description.kind),
        "form": if description.is_text { "text" } else { "binary" },
        "roles": description.roles.iter().map(|role| json!({ "id": role.id(), "text": role.to_string() }))
            .collect::<Vec<_>>(),
        "digest": description.digest,
        "bytes": description.bytes,
        "imports": description.imports.iter().map(group).collect::<Vec<_>>(),
        "exports": description.exports.iter().map(export).collect::<Vec<_>>(),
        "sizes": {
            "code_bytes": sizes.code_bytes,
            "data_bytes": sizes.data_bytes,
            "custom_bytes": sizes.custom_bytes,
            "memory_bytes_min": sizes.memory_bytes_min,
            "functions": sizes.functions,
        },
        "features": description.features,
        "producers": description.producers.iter().map(producer).collect::<Vec<_>>(),
        "languages": description.languages.iter()
            .map(|language| json!({ "name": language.name, "sign": language.sign })).collect::<Vec<_>>(),
        "root": part(&description.root),
        "undecoded": description.undecoded,
    })
}

/// The result of a validation, valid or not.
#[must_use]
pub fn validation(result: &Result<Summary, validate::Error>) -> Value {
    match result {
        Ok(summary) => json!({
            "valid": true,
            "kind": kind(summary.kind),
            "bytes": summary.bytes,
            "components": summary.components,
            "modules": summary.modules,
            "functions": summary.functions,
        }),
        Err(error) => json!({ "valid": false, "message": error.to_string(), "error": fault(error) }),
    }
}

fn fault(error: &validate::Error) -> Value {
    match error {
        validate::Error::Invalid(Invalid { offset, path, reason }) => json!({
            "offset": offset,
            "path": path.iter().map(|step| json!({
                "into": step.into.to_string(), "index": step.index, "name": step.name,
            })).collect::<Vec<_>>(),
            "reason": reason,
        }),
        validate::Error::Unreadable(text::Error::Syntax { line, column, reason }) => {
            json!({ "line": line, "column": column, "reason": reason })
        }
        other => json!({ "reason": other.to_string() }),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Component => "component",
        Kind::CoreModule => "core-module",
        Kind::Text => "text",
        Kind::Artifact => "artifact",
    }
}

fn group(group: &Group) -> Value {
    json!({
        "authority": group.authority.id(),
        "service": group.service,
        "flags": group.flags,
        "granted_by_default": group.authority.is_granted_by_default(),
        "imports": group.imports.iter().map(import).collect::<Vec<_>>(),
    })
}

fn import(import: &Import) -> Value {
    json!({
        "module": import.module,
        "name": import.name,
        "kind": import.kind,
        "functions": import.functions.iter().map(function).collect::<Vec<_>>(),
    })
}

fn export(export: &Export) -> Value {
    json!({
        "name": export.name,
        "kind": export.kind,
        "functions": export.functions.iter().map(function).collect::<Vec<_>>(),
    })
}

fn function(function: &Function) -> Value {
    json!({ "name": function.name, "signature": function.signature })
}

fn producer(producer: &Producer) -> Value {
    json!({ "field": producer.field, "name": producer.name, "version": producer.version })
}

/// Recursive, but [`crate::bounds`] bounds the depth.
fn part(shown: &Part) -> Value {
    json!({
        "kind": match shown.kind { PartKind::Component => "component", PartKind::Module => "core-module" },
        "name": shown.name,
        "offset": shown.range.start,
        "bytes": shown.bytes(),
        "code_bytes": shown.code_bytes,
        "data_bytes": shown.data_bytes,
        "functions": shown.functions,
        "custom_sections": shown.custom_sections,
        "memories": shown.memories.iter().map(memory).collect::<Vec<_>>(),
        "tables": shown.tables.iter().map(table).collect::<Vec<_>>(),
        "producers": shown.producers.iter().map(producer).collect::<Vec<_>>(),
        "features": shown.features,
        "parts": shown.parts.iter().map(part).collect::<Vec<_>>(),
    })
}

fn memory(memory: &Memory) -> Value {
    json!({
        "bytes_min": memory.bytes_min,
        "bytes_max": memory.bytes_max,
        "is_64": memory.is_64,
        "is_shared": memory.is_shared,
        "is_imported": memory.is_imported,
    })
}

fn table(table: &Table) -> Value {
    json!({
        "element": table.element,
        "elements_min": table.elements_min,
        "elements_max": table.elements_max,
        "is_64": table.is_64,
        "is_imported": table.is_imported,
    })
}
