//! Reading a program: a file or standard input, never more of it than is allowed.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use weft_app::quantity::show_bytes;
use weft_inspect::kind::{self, Kind};

use crate::report::Report;

/// Bytes of a binary program, unless a flag says otherwise.
pub(crate) const PROGRAM_BYTES_MAX: u64 = 128 << 20;
/// Bytes of a program in text form: reading text takes many times its size in memory.
const TEXT_BYTES_MAX: u64 = weft_inspect::text::TEXT_BYTES_MAX as u64;
/// Bytes that are set aside at once for a file that says it is so long.
const TRUSTED_LENGTH_MAX: u64 = 16 << 20;
/// Bytes that are read before it is looked at what a file is: more than enough for that, and all of a small one.
const HEAD_BYTES: u64 = 64 << 10;

/// A program as it was found.
#[derive(Debug)]
pub(crate) struct Input {
    /// What it is called in messages: the path, or `standard input`.
    pub(crate) name: String,
    /// The name the guest sees as its own.
    pub(crate) short_name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// All of it.
    pub(crate) bytes: Vec<u8>,
}

/// Reads a program; `-` is standard input.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Input, Report> {
    let mut bytes = Vec::new();
    let (name, short_name, mut source): (String, String, Box<dyn io::Read>) = if path == Path::new("-") {
        ("standard input".to_owned(), "-".to_owned(), Box::new(io::stdin()))
    } else {
        let short_name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned();
        let (file, length) = open(path)?;
        // One more than there is, so that the end is seen without growing; what a file says of itself is only
        // believed so far.
        bytes.reserve(usize::try_from(length.min(TRUSTED_LENGTH_MAX)).unwrap_or(0) + 1);
        (path.display().to_string(), short_name, Box::new(file))
    };
    let cannot_read = |error: io::Error| Report::failed(format!("cannot read `{name}`")).caused_by(error);
    source
        .by_ref()
        .take(HEAD_BYTES)
        .read_to_end(&mut bytes)
        .map_err(cannot_read)?;
    let kind = recognise(&name, &bytes)?;
    let max = if kind == Kind::Text {
        TEXT_BYTES_MAX.min(bytes_max)
    } else {
        bytes_max
    };
    // A short head was the end.
    if bytes.len() as u64 == HEAD_BYTES {
        source
            .take(max.saturating_add(1).saturating_sub(HEAD_BYTES))
            .read_to_end(&mut bytes)
            .map_err(cannot_read)?;
    }
    if bytes.len() as u64 > max {
        return Err(
            Report::failed(format!("`{name}` is larger than the {} allowed", show_bytes(max)))
                .hint("allow more with `--program-size SIZE` (text is never allowed more than 4 MiB)"),
        );
    }
    Ok(Input {
        name,
        short_name,
        kind,
        bytes,
    })
}

/// The file, and how long it says that it is.
fn open(path: &Path) -> Result<(fs_err::File, u64), Report> {
    let file = fs_err::File::open(path)
        .map_err(|error| Report::failed(format!("cannot read `{}`", path.display())).caused_by(error))?;
    let metadata = file
        .metadata()
        .map_err(|error| Report::failed(format!("cannot read `{}`", path.display())).caused_by(error))?;
    if metadata.is_dir() {
        return Err(Report::failed(format!(
            "`{}` is a folder, not a WebAssembly file",
            path.display()
        )));
    }
    Ok((file, metadata.len()))
}

fn recognise(name: &str, head: &[u8]) -> Result<Kind, Report> {
    kind::recognise(head)
        .map_err(|error| Report::failed(format!("`{name}` is not a WebAssembly program")).caused_by(error))
}

/// Turns text into its binary form.
pub(crate) fn assemble(input: &mut Input) -> Result<(), Report> {
    let wasm = weft_inspect::text::to_binary(&input.bytes)
        .map_err(|error| {
            Report::failed(format!("`{}` cannot be read as WebAssembly text", input.name)).caused_by(error)
        })?
        .into_owned();
    input.kind = recognise(&input.name, &wasm)?;
    input.bytes = wasm;
    Ok(())
}

/// Where a command writes a file that it makes: as named, or beside the input with another ending.
pub(crate) fn output_path(given: Option<PathBuf>, input: &Path, ending: &str) -> PathBuf {
    given.unwrap_or_else(|| input.with_extension(ending))
}
