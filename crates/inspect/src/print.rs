//! A binary written as WebAssembly text.

use std::io::{self, Write};
use std::thread;

use wasmparser::{BinaryReaderError, ConstExpr, DataKind, ElementKind, Parser, Payload, TableInit};
use wasmprinter::{Config, Print};

use crate::contain::{Cause, contained};
use crate::{bounds, text};

/// The longest function body or initial value that is written folded.
const FOLDED_BYTES_MAX: usize = 128 * 1024;

/// Folding calls itself once for each operand inside an operand: this is enough for the longest body.
const FOLDING_STACK_BYTES: usize = 192 * 1024 * 1024;

/// How the text is to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// What is written of functions and data.
    pub detail: Detail,
    /// How instructions are written.
    pub shape: Shape,
}

/// What is written of functions and data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Everything; the text stands for the same program.
    #[default]
    Whole,
    /// The bodies of functions and the bytes of data are replaced by `...`.
    Skeleton,
}

/// How instructions are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// One instruction on each line.
    #[default]
    Flat,
    /// Operands inside the parentheses of what uses them.
    Folded,
}

/// Why the text could not be written, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes have no binary form.
    #[error(transparent)]
    Unreadable(#[from] text::Error),
    /// The file is nested too deep or divided into too many pieces.
    #[error(transparent)]
    Bounds(#[from] bounds::Error),
    /// A function is too long to be folded.
    #[error(
        "the code at offset {offset:#x} is {bytes} bytes long, more than the {FOLDED_BYTES_MAX} that are written folded"
    )]
    TooLongToFold {
        /// Where it begins.
        offset: usize,
        /// How long it is.
        bytes: usize,
    },
    /// What reads the text went away or is full.
    #[error("the text cannot be written")]
    Output(#[source] std::io::Error),
    /// The binary does not read.
    #[error("the binary cannot be printed")]
    Unprintable {
        /// What the printer says.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Writes a binary as text. Text is read first, and so comes out in the shape of the printer.
///
/// The file need not be valid. What comes before the place that does not read has been written by then.
///
/// # Errors
/// The bytes are no WebAssembly, do not read, are too deep or too long to fold, or `output` fails.
///
/// # Limits
/// The text is never held in memory. It can be far longer than the file; whoever reads it decides when to stop.
pub fn text(bytes: &[u8], options: Options, output: &mut (dyn Write + Send)) -> Result<(), Error> {
    let wasm = text::to_binary(bytes)?;
    bounds::check(&wasm)?;
    if options.shape == Shape::Flat {
        return print(&wasm, options, output);
    }
    check_foldable(&wasm)?;
    let printed = thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(FOLDING_STACK_BYTES);
        let worker = builder.spawn_scoped(scope, || print(&wasm, options, output));
        worker.map(|worker| worker.join())
    });
    match printed {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Error::Unprintable {
            cause: "the printer stopped".into(),
        }),
        Err(cause) => Err(Error::Unprintable {
            cause: Box::new(cause),
        }),
    }
}

fn print(wasm: &[u8], options: Options, output: &mut (dyn Write + Send)) -> Result<(), Error> {
    let mut config = Config::new();
    config.print_skeleton(options.detail == Detail::Skeleton);
    config.fold_instructions(options.shape == Shape::Folded);
    let printed = contained(|| {
        let printed = config.print(wasm, &mut Harmless(output));
        printed.map_err(|error| match error.downcast::<std::io::Error>() {
            Ok(error) => Box::new(error) as Cause,
            Err(error) => error.into(),
        })?;
        output.write_all(b"\n").map_err(Cause::from)
    });
    printed.map_err(|cause| match cause.downcast::<std::io::Error>() {
        Ok(error) => Error::Output(*error),
        Err(cause) => Error::Unprintable { cause },
    })
}

/// What reads the text, kept from what would make a terminal act, a text look like another one, or a reader of
/// text refuse it. The printer escapes such characters in strings, but it also writes comments about sections
/// that do not read, with names from the file.
struct Harmless<'a>(&'a mut (dyn Write + Send));

impl Print for Harmless<'_> {
    fn write_str(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_harmful(*c)) {
            let (before, from) = rest.split_at(at);
            self.0.write_all(before.as_bytes())?;
            write!(self.0, "{}", c.escape_unicode())?;
            rest = from.get(c.len_utf8()..).unwrap_or_default();
        }
        self.0.write_all(rest.as_bytes())
    }
}

fn is_harmful(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => true,
        c => c.is_control(),
    }
}

/// Refuses code that would need more stack to fold than there is.
///
/// A binary that does not read passes: the printer stops where this stops.
fn check_foldable(wasm: &[u8]) -> Result<(), Error> {
    for payload in Parser::new(0).parse_all(wasm) {
        let Ok(payload) = payload else { return Ok(()) };
        match longest_code(payload) {
            Ok(Some((offset, bytes))) if bytes > FOLDED_BYTES_MAX => {
                return Err(Error::TooLongToFold { offset, bytes });
            }
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// The place and length of the longest piece of code in a section, if there is any.
fn longest_code(payload: Payload<'_>) -> Result<Option<(usize, usize)>, BinaryReaderError> {
    let mut pieces = Vec::new();
    let expression = |code: &ConstExpr<'_>| {
        let range = code.get_binary_reader().range();
        (range.start, range.len())
    };
    match payload {
        Payload::CodeSectionEntry(body) => pieces.push((body.range().start, body.range().len())),
        Payload::GlobalSection(section) => {
            for global in section {
                pieces.push(expression(&global?.init_expr));
            }
        }
        Payload::TableSection(section) => {
            for table in section {
                if let TableInit::Expr(code) = table?.init {
                    pieces.push(expression(&code));
                }
            }
        }
        Payload::DataSection(section) => {
            for data in section {
                if let DataKind::Active { offset_expr, .. } = data?.kind {
                    pieces.push(expression(&offset_expr));
                }
            }
        }
        Payload::ElementSection(section) => {
            for element in section {
                let element = element?;
                pieces.push((element.range.start, element.range.len()));
                if let ElementKind::Active { offset_expr, .. } = element.kind {
                    pieces.push(expression(&offset_expr));
                }
            }
        }
        _ => {}
    }
    Ok(pieces.into_iter().max_by_key(|(_, bytes)| *bytes))
}
