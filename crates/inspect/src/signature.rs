//! Types of functions in the words of WIT, for people to read.
//!
//! Types share parts, so that a small file can describe a text of gigabytes: every text written here has a
//! bound, and [`printed_bytes`] tells how long a whole description would get before anybody prints it.

use std::collections::HashMap;

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind, TypeId, WorldItem};

/// The longest signature that is shown whole.
const SIGNATURE_BYTES_MAX: usize = 2000;

/// Writes the type of a function, such as `func(name: string) -> u32`.
///
/// # Limits
/// A signature longer than 2000 bytes is cut off and ends in `…`.
pub(crate) fn of_function(resolve: &Resolve, function: &Function) -> String {
    let mut writer = Writer {
        resolve,
        text: String::new(),
    };
    writer.function(function);
    writer.finish()
}

struct Writer<'a> {
    resolve: &'a Resolve,
    text: String,
}

impl Writer<'_> {
    fn finish(mut self) -> String {
        if self.is_full() {
            let end = self.text.floor_char_boundary(SIGNATURE_BYTES_MAX);
            self.text.truncate(end);
            self.text.push('…');
        }
        self.text
    }

    fn is_full(&self) -> bool {
        self.text.len() > SIGNATURE_BYTES_MAX
    }

    fn function(&mut self, function: &Function) {
        if function.kind.is_async() {
            self.text.push_str("async ");
        }
        self.text.push_str("func(");
        for (position, parameter) in function.params.iter().enumerate() {
            if self.is_full() {
                return;
            }
            if position > 0 {
                self.text.push_str(", ");
            }
            self.text.push_str(&parameter.name);
            self.text.push_str(": ");
            self.of_type(&parameter.ty);
        }
        self.text.push(')');
        if let Some(result) = &function.result {
            self.text.push_str(" -> ");
            self.of_type(result);
        }
    }

    /// Recursive, but never deeper than the validator lets types be nested (100 levels).
    fn of_type(&mut self, ty: &Type) {
        if self.is_full() {
            return;
        }
        let resolve = self.resolve;
        let Type::Id(id) = ty else {
            self.text.push_str(primitive(ty));
            return;
        };
        let Some(definition) = resolve.types.get(*id) else {
            return;
        };
        if let Some(name) = &definition.name {
            self.text.push_str(name);
            return;
        }
        match &definition.kind {
            TypeDefKind::Type(inner) => self.of_type(inner),
            TypeDefKind::Handle(Handle::Own(resource)) => self.of_type(&Type::Id(*resource)),
            TypeDefKind::Handle(Handle::Borrow(resource)) => {
                self.generic("borrow", &[Some(&Type::Id(*resource))]);
            }
            TypeDefKind::Tuple(tuple) => {
                self.generic("tuple", &tuple.types.iter().map(Some).collect::<Vec<_>>());
            }
            TypeDefKind::Option(inner) => self.generic("option", &[Some(inner)]),
            TypeDefKind::Result(both) => match (&both.ok, &both.err) {
                (None, Some(error)) => {
                    self.text.push_str("result<_, ");
                    self.of_type(error);
                    self.text.push('>');
                }
                (ok, error) => self.generic("result", &[ok.as_ref(), error.as_ref()]),
            },
            TypeDefKind::List(inner) => self.generic("list", &[Some(inner)]),
            TypeDefKind::Map(key, value) => self.generic("map", &[Some(key), Some(value)]),
            TypeDefKind::FixedLengthList(inner, length) => {
                self.text.push_str("list<");
                self.of_type(inner);
                self.text.push_str(&format!(", {length}>"));
            }
            TypeDefKind::Future(inner) => self.generic("future", &[inner.as_ref()]),
            TypeDefKind::Stream(inner) => self.generic("stream", &[inner.as_ref()]),
            other => self.text.push_str(other.as_str()),
        }
    }

    /// Writes `name<a, b>`, or just `name` where there is nothing inside.
    fn generic(&mut self, name: &str, inside: &[Option<&Type>]) {
        self.text.push_str(name);
        let mut separator = "<";
        for ty in inside.iter().flatten() {
            self.text.push_str(separator);
            separator = ", ";
            self.of_type(ty);
        }
        if separator != "<" {
            self.text.push('>');
        }
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(_) => "",
    }
}

/// About how many bytes the WIT of a whole file takes when it is printed, worked out without printing it.
pub(crate) fn printed_bytes(resolve: &Resolve) -> u64 {
    let mut lengths = Lengths {
        resolve,
        known: HashMap::new(),
    };
    let mut total = 0u64;
    for (id, definition) in resolve.types.iter() {
        if definition.name.is_some() {
            total = total.saturating_add(lengths.body(id));
        }
    }
    for (_, interface) in resolve.interfaces.iter() {
        for function in interface.functions.values() {
            total = total.saturating_add(lengths.function(function));
        }
    }
    for (_, world) in resolve.worlds.iter() {
        for item in world.imports.values().chain(world.exports.values()) {
            if let WorldItem::Function(function) = item {
                total = total.saturating_add(lengths.function(function));
            }
        }
    }
    total
}

/// The printed lengths of types without a name, each worked out once.
struct Lengths<'a> {
    resolve: &'a Resolve,
    known: HashMap<TypeId, u64>,
}

impl Lengths<'_> {
    fn function(&mut self, function: &Function) -> u64 {
        let mut total = function.name.len() as u64 + 16;
        for parameter in &function.params {
            total = total.saturating_add(parameter.name.len() as u64 + 4);
            total = total.saturating_add(self.mention(&parameter.ty));
        }
        total.saturating_add(function.result.as_ref().map_or(0, |result| self.mention(result)))
    }

    /// How long a type is where it is used: its name, or its whole body where it has none.
    fn mention(&mut self, ty: &Type) -> u64 {
        let Type::Id(id) = ty else { return 13 };
        if let Some(name) = self
            .resolve
            .types
            .get(*id)
            .and_then(|definition| definition.name.as_ref())
        {
            return name.len() as u64;
        }
        if let Some(length) = self.known.get(id) {
            return *length;
        }
        let length = self.body(*id);
        self.known.insert(*id, length);
        length
    }

    fn body(&mut self, id: TypeId) -> u64 {
        let resolve = self.resolve;
        let Some(definition) = resolve.types.get(id) else {
            return 0;
        };
        let named = |name: &String| name.len() as u64 + 8;
        let mut total = definition.name.as_ref().map_or(16, |name| name.len() as u64 + 16);
        let mut add = |length: u64| total = total.saturating_add(length);
        match &definition.kind {
            TypeDefKind::Record(record) => {
                for field in &record.fields {
                    add(named(&field.name));
                    add(self.mention(&field.ty));
                }
            }
            TypeDefKind::Variant(variant) => {
                for case in &variant.cases {
                    add(named(&case.name));
                    add(case.ty.as_ref().map_or(0, |ty| self.mention(ty)));
                }
            }
            TypeDefKind::Flags(flags) => flags.flags.iter().for_each(|flag| add(named(&flag.name))),
            TypeDefKind::Enum(cases) => cases.cases.iter().for_each(|case| add(named(&case.name))),
            TypeDefKind::Tuple(tuple) => tuple.types.iter().for_each(|ty| add(self.mention(ty))),
            TypeDefKind::Result(both) => {
                both.ok
                    .iter()
                    .chain(&both.err)
                    .for_each(|ty| add(self.mention(ty)));
            }
            TypeDefKind::Map(key, value) => {
                add(self.mention(key));
                add(self.mention(value));
            }
            TypeDefKind::Option(inner)
            | TypeDefKind::List(inner)
            | TypeDefKind::FixedLengthList(inner, _)
            | TypeDefKind::Type(inner) => add(self.mention(inner)),
            TypeDefKind::Future(inner) | TypeDefKind::Stream(inner) => {
                add(inner.as_ref().map_or(0, |ty| self.mention(ty)));
            }
            TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => add(self.mention(&Type::Id(*id))),
            TypeDefKind::Resource | TypeDefKind::Unknown => {}
        }
        total
    }
}
