//! The specification's scripts with every module in them rewritten as `weft_countdown` does it.

use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective, Wat};

/// A script with its modules and components rewritten, and how many there were. What does not encode or validate is
/// left as it is: such modules stand there to be refused.
pub(super) fn rewrite(script: &[u8]) -> (Vec<u8>, usize) {
    let Ok(script) = std::str::from_utf8(script) else {
        return (script.to_vec(), 0);
    };
    let mut rewritten = String::with_capacity(script.len());
    let (mut count, mut end) = (0, 0);
    for form in forms(script) {
        rewritten.push_str(&script[end..form.start]);
        end = form.end;
        let form = &script[form];
        match counted(form) {
            Some(binary) => {
                rewritten.push_str(&binary);
                count += 1;
            }
            None => rewritten.push_str(form),
        }
    }
    rewritten.push_str(&script[end..]);
    (rewritten.into_bytes(), count)
}

/// The form of a module with its code counted, if it is one.
fn counted(form: &str) -> Option<String> {
    let buffer = ParseBuffer::new(form).ok()?;
    let mut wast = parser::parse::<Wast<'_>>(&buffer).ok()?;
    let (definition, module) = match wast.directives.first_mut()? {
        WastDirective::Module(module) => ("", module),
        WastDirective::ModuleDefinition(module) => ("definition ", module),
        _ => return None,
    };
    let kind = match module {
        QuoteWat::Wat(Wat::Module(_)) | QuoteWat::QuoteModule(..) => "module",
        QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..) => "component",
    };
    let name = module
        .name()
        .map(|id| format!("$\"{}\" ", id.name()))
        .unwrap_or_default();
    let counted = weft_countdown::rewrite(&module.encode().ok()?).ok()?;
    let bytes: String = counted.iter().map(|byte| format!("\\{byte:02x}")).collect();
    Some(format!("({kind} {definition}{name}binary \"{bytes}\")"))
}

/// Where the outermost parentheses of a script stand.
fn forms(script: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = script.as_bytes();
    let (mut found, mut depth, mut start, mut at) = (Vec::new(), 0, 0, 0);
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest {
            [b'"', ..] => string(rest),
            [b';', b';', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
            [b'(', b';', ..] => comment(rest),
            [b'(', ..] => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
                1
            }
            [b')', ..] => {
                depth -= 1;
                if depth == 0 {
                    found.push(start..at + 1);
                }
                1
            }
            _ => 1,
        };
    }
    found
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    loop {
        at += match rest.get(at) {
            Some(b'"') | None => return at + 1,
            Some(b'\\') => 2,
            Some(_) => 1,
        };
    }
}

fn comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match rest.get(at..at + 2) {
            Some(b"(;") => (depth, at) = (depth + 1, at + 2),
            Some(b";)") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
            None => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}
