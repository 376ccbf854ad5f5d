//! Calls and values as text: WAVE, the text format of component values, and plain numbers for core modules.
//!
//! The text comes from a person or a script, the types from a program that may be hostile; both are bounded
//! here before anything recurses over them.

use std::fmt::{self, Write};

use wasmtime::component::Val;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::wasm_wave::wasm::{DisplayFuncArgs, DisplayFuncResults, DisplayType};
use wasmtime::{FuncType, ValType};

/// Brackets that may be open at the same time in a call.
const NESTING_MAX: usize = 100;
/// Types that may be nested in a parameter or result.
const TYPE_DEPTH_MAX: usize = 200;

/// A call as somebody wrote it: `function(arguments)` or `package:name/interface#function(arguments)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The interface that exports the function, if one was named.
    pub interface: Option<String>,
    /// The function.
    pub function: String,
    /// The arguments with their parentheses.
    arguments: String,
}

/// A call that cannot be made as it is written.
#[derive(Debug, thiserror::Error)]
pub enum WaveError {
    /// The text is not a call.
    #[error("`{text}` is not a call such as `add(1, 2)`: {problem}")]
    NotACall {
        /// The text.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An argument cannot be read, or does not fit its type.
    #[error("the arguments of `{function}` do not fit `{signature}`: {problem}")]
    Misfit {
        /// The function.
        function: String,
        /// Its parameters.
        signature: String,
        /// What is wrong.
        problem: String,
    },
    /// The function takes or returns something that has no text form.
    #[error("`{function}` cannot be called from here: {place} is {what}, which has no text form")]
    NoTextForm {
        /// The function.
        function: String,
        /// Which parameter or result.
        place: String,
        /// The kind of the value.
        what: &'static str,
    },
}

impl Call {
    /// Reads a call. Parentheses may be left out where there are no arguments.
    ///
    /// # Errors
    /// When there is no function name, something follows the arguments, or brackets nest too deep.
    pub fn parse(text: &str) -> Result<Self, WaveError> {
        let text = text.trim();
        let error = |problem| WaveError::NotACall {
            text: shorten(text),
            problem,
        };
        let open = text.find('(').unwrap_or(text.len());
        let (name, arguments) = text.split_at(open);
        let (interface, function) = match name.trim().rsplit_once('#') {
            Some((interface, function)) => (Some(interface), function),
            None => (None, name.trim()),
        };
        if function.is_empty() || interface.is_some_and(str::is_empty) {
            return Err(error("the name of the function is missing"));
        }
        if nesting(arguments) > NESTING_MAX {
            return Err(error("its brackets nest more than 100 deep"));
        }
        let arguments = if arguments.is_empty() { "()" } else { arguments };
        if !arguments.ends_with(')') {
            return Err(error("the closing parenthesis is missing"));
        }
        Ok(Self {
            interface: interface.map(str::to_owned),
            function: function.to_owned(),
            arguments: arguments.to_owned(),
        })
    }

    /// The function with its interface.
    pub fn full_name(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.function),
            None => self.function.clone(),
        }
    }

    fn inner(&self) -> &str {
        self.arguments
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or_default()
    }
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The deepest that brackets nest, not counting those in string and character literals.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut quote, mut escaped) = (0_usize, 0, None, false);
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '"' | '\'' => quote = Some(c),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Reads the arguments of a component's function.
pub(crate) fn read_arguments(call: &Call, ty: &ComponentFunc) -> Result<Vec<Val>, WaveError> {
    let function = &call.function;
    for (name, parameter) in ty.params() {
        check_text_form(
            function,
            format!("parameter `{name}`"),
            &parameter,
            TYPE_DEPTH_MAX,
        )?;
    }
    for result in ty.results() {
        check_text_form(function, "its result".to_owned(), &result, TYPE_DEPTH_MAX)?;
    }
    let types: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    let misfit = |problem: String| WaveError::Misfit {
        function: function.clone(),
        signature: signature(ty),
        problem: problem.chars().filter(|c| !c.is_control()).collect(),
    };
    // The parser wants a name; what the function is really called need not be a name in WAVE.
    let source = format!("f{}", call.arguments);
    let parsed = UntypedFuncCall::parse(&source).map_err(|error| misfit(error.to_string()))?;
    parsed
        .to_wasm_params(&types)
        .map_err(|error| misfit(error.to_string()))
}

/// Reads one value of a type, as a manifest has it.
pub(crate) fn read_value(ty: &Type, text: &str) -> Result<Val, WaveError> {
    const WHERE: &str = "on-failure";
    check_text_form(WHERE, "the value".to_owned(), ty, TYPE_DEPTH_MAX)?;
    let misfit = |problem: String| WaveError::Misfit {
        function: WHERE.to_owned(),
        signature: DisplayType(ty).to_string(),
        problem: problem.chars().filter(|c| !c.is_control()).collect(),
    };
    if nesting(text) > NESTING_MAX {
        return Err(misfit("its brackets nest more than 100 deep".to_owned()));
    }
    let source = format!("f({text})");
    let parsed = UntypedFuncCall::parse(&source).map_err(|error| misfit(error.to_string()))?;
    let values = parsed.to_wasm_params(std::slice::from_ref(ty));
    let mut values: Vec<Val> = values.map_err(|error| misfit(error.to_string()))?;
    values.pop().ok_or_else(|| misfit("it is empty".to_owned()))
}

/// The parameters of a function, for a message.
fn signature(ty: &ComponentFunc) -> String {
    let mut shown = Bounded("(".to_owned());
    let written = ty.params().enumerate().try_for_each(|(position, (name, ty))| {
        let separator = if position == 0 { "" } else { ", " };
        write!(shown, "{separator}{name}: {}", DisplayType(&ty))
    });
    shown.0.push_str(if written.is_ok() { ")" } else { "…)" });
    shown.0
}

/// Text that refuses to grow beyond what a message can hold. A type that is used twice is written twice, so a
/// small program can have a type whose text fills the memory of the machine.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        const BYTES_MAX: usize = 2000;
        if self.0.len() + text.len() > BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn check_text_form(function: &str, place: String, ty: &Type, depth: usize) -> Result<(), WaveError> {
    let refuse = |what| {
        Err(WaveError::NoTextForm {
            function: function.to_owned(),
            place: place.clone(),
            what,
        })
    };
    let Some(depth) = depth.checked_sub(1) else {
        return refuse("a type nested too deep");
    };
    let check = |inner: &Type| check_text_form(function, place.clone(), inner, depth);
    match ty {
        Type::Own(_) | Type::Borrow(_) => refuse("a resource"),
        Type::Stream(_) => refuse("a stream"),
        Type::Future(_) => refuse("a future"),
        Type::ErrorContext => refuse("an error context"),
        Type::Map(_) => refuse("a map"),
        Type::List(list) => check(&list.ty()),
        Type::FixedLengthList(list) => check(&list.ty()),
        Type::Option(option) => check(&option.ty()),
        Type::Record(record) => record.fields().try_for_each(|field| check(&field.ty)),
        Type::Tuple(tuple) => tuple.types().try_for_each(|ty| check(&ty)),
        Type::Variant(variant) => variant
            .cases()
            .filter_map(|case| case.ty)
            .try_for_each(|ty| check(&ty)),
        Type::Result(result) => [result.ok(), result.err()]
            .into_iter()
            .flatten()
            .try_for_each(|ty| check(&ty)),
        _ => Ok(()),
    }
}

/// The arguments of a component's function as text, with their parentheses.
pub(crate) fn show_arguments(arguments: &[Val]) -> String {
    DisplayFuncArgs(arguments).to_string()
}

/// The results of a component's function as text.
pub(crate) fn show_results(results: &[Val]) -> String {
    if results.is_empty() {
        return String::new();
    }
    DisplayFuncResults(results).to_string()
}

/// Reads the arguments of a core function: numbers, `null` for references.
pub(crate) fn read_core_arguments(call: &Call, ty: &FuncType) -> Result<Vec<wasmtime::Val>, WaveError> {
    let types: Vec<String> = ty.params().map(|ty| ty.to_string()).collect();
    let misfit = |problem: String| WaveError::Misfit {
        function: call.function.clone(),
        signature: format!("({})", types.join(", ")),
        problem,
    };
    let inner = call.inner().trim();
    let texts: Vec<&str> = if inner.is_empty() {
        Vec::new()
    } else {
        inner.split(',').map(str::trim).collect()
    };
    if texts.len() != ty.params().len() {
        return Err(misfit(format!(
            "it takes {} arguments, {} are given",
            ty.params().len(),
            texts.len()
        )));
    }
    texts
        .iter()
        .zip(ty.params())
        .map(|(text, ty)| {
            read_core_value(text, &ty)
                .ok_or_else(|| misfit(format!("`{}` is not of type {ty}", shorten(text))))
        })
        .collect()
}

fn read_core_value(text: &str, ty: &ValType) -> Option<wasmtime::Val> {
    match ty {
        ValType::I32 => {
            let value = read_integer(text)?;
            let bits = i32::try_from(value)
                .or_else(|_| u32::try_from(value).map(u32::cast_signed))
                .ok()?;
            Some(wasmtime::Val::I32(bits))
        }
        ValType::I64 => {
            let value = read_integer(text)?;
            let bits = i64::try_from(value)
                .or_else(|_| u64::try_from(value).map(u64::cast_signed))
                .ok()?;
            Some(wasmtime::Val::I64(bits))
        }
        ValType::F32 => text
            .parse::<f32>()
            .ok()
            .map(|value| wasmtime::Val::F32(value.to_bits())),
        ValType::F64 => text
            .parse::<f64>()
            .ok()
            .map(|value| wasmtime::Val::F64(value.to_bits())),
        ValType::V128 => {
            let digits = text.strip_prefix("0x")?;
            u128::from_str_radix(digits, 16)
                .ok()
                .map(|value| wasmtime::Val::V128(value.into()))
        }
        ValType::Ref(reference) if text == "null" && reference.is_nullable() => {
            Some(wasmtime::Val::null_ref(reference.heap_type()))
        }
        ValType::Ref(_) => None,
    }
}

fn read_integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16),
        None => digits.parse(),
    };
    value.ok().map(|value| sign * i128::from(value))
}

/// The results of a core function as text.
pub(crate) fn show_core_results(results: &[wasmtime::Val]) -> String {
    let shown: Vec<String> = results.iter().map(show_core_value).collect();
    match shown.as_slice() {
        [single] => single.clone(),
        [] => String::new(),
        several => format!("({})", several.join(", ")),
    }
}

/// A value of a core function as text.
pub(crate) fn show_core_value(value: &wasmtime::Val) -> String {
    match value {
        wasmtime::Val::I32(value) => value.to_string(),
        wasmtime::Val::I64(value) => value.to_string(),
        wasmtime::Val::F32(bits) => show_float(
            f64::from(f32::from_bits(*bits)),
            f32::from_bits(*bits).to_string(),
        ),
        wasmtime::Val::F64(bits) => show_float(f64::from_bits(*bits), f64::from_bits(*bits).to_string()),
        wasmtime::Val::V128(value) => format!("{:#034x}", value.as_u128()),
        value if value.ref_().is_some_and(|reference| reference.is_null()) => "null".to_owned(),
        _ => "<reference>".to_owned(),
    }
}

/// Not-a-number and infinities are spelled as in WAVE.
fn show_float(value: f64, finite: String) -> String {
    match value {
        value if value.is_nan() => "nan".to_owned(),
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        _ => finite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_an_interface_or_not() {
        let call = Call::parse("weft:shapes/area@1.0.0#of-circle(1.5)").unwrap();
        assert_eq!(call.interface.as_deref(), Some("weft:shapes/area@1.0.0"));
        assert_eq!(call.function, "of-circle");
        assert_eq!(call.inner(), "1.5");
        assert_eq!(Call::parse("f").unwrap(), Call::parse(" f() ").unwrap());
    }

    #[test]
    fn text_that_is_no_call_is_refused() {
        for text in ["", "(1)", "#f()", "f(1", "f(1))x", "f(1) g"] {
            assert!(Call::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_brackets_in_strings_do_not_count() {
        assert!(Call::parse(&format!("f({}{})", "[".repeat(200), "]".repeat(200))).is_err());
        assert!(Call::parse(&format!("f(\"{}\")", "[".repeat(200))).is_ok());
    }

    #[test]
    fn integers_cover_both_readings_of_their_bits() {
        assert!(matches!(
            read_core_value("4294967295", &ValType::I32),
            Some(wasmtime::Val::I32(-1))
        ));
        assert!(matches!(
            read_core_value("-0x10", &ValType::I64),
            Some(wasmtime::Val::I64(-16))
        ));
        assert!(read_core_value("4294967296", &ValType::I32).is_none());
        assert!(read_core_value("1e400x", &ValType::F64).is_none());
    }
}
