//! What callers are to get for calls that fail, checked before anything runs: the values that a manifest writes down
//! must be results of the functions that they stand for.

use std::collections::{BTreeMap, BTreeSet};

use wac_types::{DefinedType, FuncTypeId, ItemKind, PrimitiveType, Types, ValueType};
use wasm_wave::value::{Type, Value};
use wasm_wave::wasm::WasmTypeKind;
use weft_app::link::{Idempotent, Isolation, OnFailure};

use crate::context::Context;
use crate::plan::isolation;
use crate::problem::{Problem, Reason, Subject, enumerate};
use crate::resolve::{Chosen, Links, Mode};

/// The longest text or type that is shown whole.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// Everything that is wrong with what the links of components that are reached say of failures.
pub(crate) fn check(context: &Context<'_>, links: &Links, reached: &BTreeSet<usize>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for component in reached {
        // One rule may decide about several imports: a function that it speaks of is one of any of them.
        let mut rules: BTreeMap<usize, (&Isolation, Vec<OfImport<'_>>)> = BTreeMap::new();
        for (import, link) in links.get(*component).into_iter().flatten().enumerate() {
            let Some(link) = link.filter(|link| link.mode == Mode::Isolated) else {
                continue;
            };
            let (Some(isolation), Chosen::Rule(rule)) = (isolation(context, *component, &link), link.chosen)
            else {
                continue;
            };
            let Some(item) = context.surfaces.import(*component, import) else {
                continue;
            };
            let (_, imports) = rules.entry(rule).or_insert((isolation, Vec::new()));
            imports.push(OfImport {
                types: &context.surfaces.types,
                subject: Subject::Link {
                    component: context.name(*component),
                    rule,
                },
                import: item.name.clone(),
                functions: functions(&context.surfaces.types, &item.name, item.kind),
            });
        }
        for (isolation, imports) in rules.into_values() {
            problems.extend(unknown(isolation, &imports));
            for import in imports {
                import.check(isolation, &mut problems);
            }
        }
    }
    problems
}

/// Functions that a rule speaks of, and that none of its imports has.
fn unknown(isolation: &Isolation, imports: &[OfImport<'_>]) -> Vec<Problem> {
    let mut written: BTreeSet<&String> = isolation.functions.keys().collect();
    if let Idempotent::Named(names) = &isolation.idempotent {
        written.extend(names);
    }
    let known: BTreeSet<&str> = imports.iter().flat_map(OfImport::names).collect();
    let unknown = written.into_iter().filter(|name| !known.contains(name.as_str()));
    let problem = |function: &String| {
        let reason = Reason::FunctionUnknown {
            imports: enumerate(imports.iter().map(|of| &of.import)),
            function: function.clone(),
        };
        let subject = imports.first()?.subject.clone();
        let hint = if known.is_empty() {
            "there is no function in it".to_owned()
        } else {
            format!("there is {}", enumerate(known.iter().take(8)))
        };
        Some(Problem::new(subject, reason).hint(hint))
    };
    unknown.filter_map(problem).collect()
}

/// The functions of an import, by their names; one without is called as the import is.
fn functions(types: &Types, import: &str, kind: ItemKind) -> Vec<(String, FuncTypeId)> {
    match kind {
        ItemKind::Func(function) => vec![(import.to_owned(), function)],
        ItemKind::Instance(interface) => {
            let exports = types[interface].exports.iter();
            let functions = exports.filter_map(|(name, kind)| match kind {
                ItemKind::Func(function) => Some((name.clone(), *function)),
                _ => None,
            });
            functions.collect()
        }
        _ => Vec::new(),
    }
}

/// An import that a rule decides about.
struct OfImport<'a> {
    types: &'a Types,
    subject: Subject,
    import: String,
    functions: Vec<(String, FuncTypeId)>,
}

impl OfImport<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(|(name, _)| name.as_str())
    }

    fn check(&self, isolation: &Isolation, problems: &mut Vec<Problem>) {
        for (name, function) in &self.functions {
            if isolation.retries_of(name) > 0 && self.has_handles(*function) {
                let reason = Reason::RetryOfHandles {
                    import: self.import.clone(),
                    function: name.clone(),
                };
                let hint = "name the functions that may be called again: `idempotent = [\"…\"]`";
                problems.push(self.problem(reason).hint(hint));
            }
            if let Err((text, problem)) = self.fits(*function, isolation.on_failure_of(name)) {
                let reason = Reason::OnFailure {
                    import: self.import.clone(),
                    function: name.clone(),
                    text,
                    problem,
                };
                let hint = format!(
                    "say what `{name}` is to give by itself: `functions = {{ {name} = {{ on-failure = … }} }}`"
                );
                problems.push(self.problem(reason).hint(hint));
            }
        }
    }

    fn problem(&self, reason: Reason) -> Problem {
        Problem::new(self.subject.clone(), reason)
    }

    fn has_handles(&self, function: FuncTypeId) -> bool {
        let function = &self.types[function];
        let mut values = function.params.values().chain(&function.result);
        values.any(|value| wave(self.types, *value).is_none())
    }

    /// Whether what stands for the results of a function is one; else what was written and what is wrong.
    fn fits(&self, function: FuncTypeId, on_failure: &OnFailure) -> Result<(), (String, String)> {
        let (text, is_error) = match on_failure {
            OnFailure::Trap => return Ok(()),
            OnFailure::Error(text) => (text, true),
            OnFailure::Value(text) => (text, false),
        };
        let refused = |problem: String| Err((shorten(text), problem));
        let Some(result) = self.types[function].result else {
            return refused("the function returns nothing".to_owned());
        };
        let wanted = match (is_error, self.result(result)) {
            (false, _) => Some(result),
            (true, Some((_, error))) => match error {
                Some(error) => Some(error),
                None if text.is_empty() => return Ok(()),
                None => return refused("the error of the function carries nothing".to_owned()),
            },
            (true, None) => {
                return refused("the function returns no `result`, so it has no error".to_owned());
            }
        };
        let Some(ty) = wanted.and_then(|wanted| wave(self.types, wanted)) else {
            return refused("handles cannot be written down".to_owned());
        };
        match wasm_wave::from_str::<Value>(&ty, text) {
            Ok(_) => Ok(()),
            Err(error) => {
                let ty = shorten(&ty.to_string());
                refused(format!("it must be a `{ty}`: {}", shorten(&error.to_string())))
            }
        }
    }

    /// What a `result` holds on either side.
    fn result(&self, value: ValueType) -> Option<(Option<ValueType>, Option<ValueType>)> {
        match self.types.resolve_value_type(value) {
            ValueType::Defined(defined) => match &self.types[defined] {
                DefinedType::Result { ok, err } => Some((*ok, *err)),
                DefinedType::Alias(value) => self.result(*value),
                _ => None,
            },
            _ => None,
        }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The same type for the text format; none where it has handles or what else has no text.
fn wave(types: &Types, value: ValueType) -> Option<Type> {
    let defined = match types.resolve_value_type(value) {
        ValueType::Primitive(primitive) => return Type::simple(primitive_kind(primitive)?),
        ValueType::Own(_) | ValueType::Borrow(_) => return None,
        ValueType::Defined(defined) => defined,
    };
    let maybe = |value: &Option<ValueType>| match value {
        None => Some(None),
        Some(value) => wave(types, *value).map(Some),
    };
    match &types[defined] {
        DefinedType::List(part) => Some(Type::list(wave(types, *part)?)),
        DefinedType::Option(part) => Some(Type::option(wave(types, *part)?)),
        DefinedType::Alias(part) => wave(types, *part),
        DefinedType::Result { ok, err } => Some(Type::result(maybe(ok)?, maybe(err)?)),
        DefinedType::Tuple(parts) => {
            let parts: Option<Vec<Type>> = parts.iter().map(|part| wave(types, *part)).collect();
            Type::tuple(parts?)
        }
        DefinedType::Record(record) => {
            let fields = record
                .fields
                .iter()
                .map(|(name, value)| Some((name.as_str(), wave(types, *value)?)));
            Type::record(fields.collect::<Option<Vec<_>>>()?)
        }
        DefinedType::Variant(variant) => {
            let cases = variant
                .cases
                .iter()
                .map(|(name, value)| Some((name.as_str(), maybe(value)?)));
            Type::variant(cases.collect::<Option<Vec<_>>>()?)
        }
        DefinedType::Enum(names) => Type::enum_ty(names.0.iter().map(String::as_str)),
        DefinedType::Flags(names) => Type::flags(names.0.iter().map(String::as_str)),
        DefinedType::Map(..) | DefinedType::FixedSizeList(..) => None,
        DefinedType::Stream(_) | DefinedType::Future(_) => None,
    }
}

fn primitive_kind(primitive: PrimitiveType) -> Option<WasmTypeKind> {
    Some(match primitive {
        PrimitiveType::Bool => WasmTypeKind::Bool,
        PrimitiveType::S8 => WasmTypeKind::S8,
        PrimitiveType::U8 => WasmTypeKind::U8,
        PrimitiveType::S16 => WasmTypeKind::S16,
        PrimitiveType::U16 => WasmTypeKind::U16,
        PrimitiveType::S32 => WasmTypeKind::S32,
        PrimitiveType::U32 => WasmTypeKind::U32,
        PrimitiveType::S64 => WasmTypeKind::S64,
        PrimitiveType::U64 => WasmTypeKind::U64,
        PrimitiveType::F32 => WasmTypeKind::F32,
        PrimitiveType::F64 => WasmTypeKind::F64,
        PrimitiveType::Char => WasmTypeKind::Char,
        PrimitiveType::String => WasmTypeKind::String,
        PrimitiveType::ErrorContext => return None,
    })
}
