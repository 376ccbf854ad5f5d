//! The WIT of a component: what it imports and exports, in the language that such things are written in.

use wasmparser::{Parser, Payload, WasmFeatures};
use wit_component::{DecodedWasm, OutputToString, WitPrinter};
use wit_parser::{PackageId, Resolve, WorldId, WorldItem};

use crate::contain::{Cause, contained};
use crate::kind::{self, Kind};
use crate::{bounds, signature, surface, text};

/// The longest WIT that is written.
pub const WIT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The beginning of the names of sections in which guest tools leave the WIT of a module.
const EMBEDDED: &str = "component-type";

/// How much of the WIT is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Selection {
    /// The package of the file and every package that it uses.
    #[default]
    Everything,
    /// Only the package of the file itself: the world of a component.
    WorldOnly,
}

/// Why there is no WIT to show.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes have no binary form.
    #[error(transparent)]
    Unreadable(#[from] text::Error),
    /// The file is nested too deep or divided into too many pieces.
    #[error(transparent)]
    Bounds(#[from] bounds::Error),
    /// A core module has none.
    #[error(
        "a core module has no WIT, and this one carries no `component-type` section either; only components have WIT"
    )]
    CoreModule,
    /// The file does not decode.
    #[error("the WIT of the file cannot be decoded")]
    Undecodable {
        /// What the decoder says.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Written out, the types would be longer than [`WIT_BYTES_MAX`].
    #[error("the WIT would be about {bytes} bytes long, more than the {WIT_BYTES_MAX} allowed")]
    TooLong {
        /// About how long it would be.
        bytes: u64,
    },
}

/// The WIT of a file, decoded.
pub(crate) struct Decoded {
    pub(crate) resolve: Resolve,
    pub(crate) package: PackageId,
    /// The world of a component; a WIT package has none of its own.
    pub(crate) world: Option<WorldId>,
}

/// Writes the WIT of a component, of a WIT package in binary form, or that which guest tools left in a core
/// module. Text is read as the binary that it stands for.
///
/// # Errors
/// The bytes are no WebAssembly, are an ordinary core module, do not decode, or would make too long a text.
///
/// # Limits
/// At most [`WIT_BYTES_MAX`] bytes of WIT, from at most 100 000 declarations.
pub fn world(bytes: &[u8], selection: Selection) -> Result<String, Error> {
    let wasm = text::to_binary(bytes)?;
    let decoded = match kind::recognise(&wasm).map_err(text::Error::from)? {
        Kind::CoreModule => decode_embedded(&wasm)?,
        _ => decode(&wasm)?,
    };
    print(&decoded, selection)
}

/// Which side of a component something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What it asks for.
    Import,
    /// What it offers.
    Export,
}

/// Writes the WIT of one import or export of a component, such as `wasi:cli/stdin@0.2.3` or a plain name.
///
/// # Errors
/// The bytes are no component, do not decode, have nothing of that name, or would make too long a text.
///
/// # Limits
/// Those of [`world`].
pub fn item(component: &[u8], side: Side, name: &str) -> Result<String, Error> {
    let Decoded { resolve, world, .. } = decode(component)?;
    let undecodable = |cause: Cause| Error::Undecodable { cause };
    let items = world
        .and_then(|world| resolve.worlds.get(world))
        .map(|world| match side {
            Side::Import => &world.imports,
            Side::Export => &world.exports,
        });
    let item = items
        .into_iter()
        .flatten()
        .find(|(key, _)| resolve.name_world_key(key) == name)
        .map(|(_, item)| item)
        .ok_or_else(|| undecodable(format!("there is no `{name}` in its world").into()))?;
    let bytes = signature::printed_bytes(&resolve);
    if bytes > WIT_BYTES_MAX {
        return Err(Error::TooLong { bytes });
    }
    match item {
        WorldItem::Function(function) => {
            let signature = signature::of_function(&resolve, function);
            Ok(format!("{name}: {signature};\n"))
        }
        WorldItem::Type { .. } => Ok(format!("type {name};\n")),
        WorldItem::Interface { id, .. } => {
            let body = contained(|| {
                let mut printer = WitPrinter::new(OutputToString::default());
                printer.emit_docs(false);
                printer.print_interface(&resolve, *id).map_err(Cause::from)?;
                Ok::<String, Cause>(printer.output.to_string())
            });
            let body = body.map_err(undecodable)?;
            let indented: String = body
                .lines()
                .filter(|line| !line.is_empty())
                .map(|line| format!("  {line}\n"))
                .collect();
            Ok(format!("interface {name} {{\n{indented}}}\n"))
        }
    }
}

/// Decodes a component or a WIT package in binary form.
pub(crate) fn decode(wasm: &[u8]) -> Result<Decoded, Error> {
    bounds::check(wasm)?;
    let decoded = contained(|| {
        surface::check(wasm, WasmFeatures::all())?;
        wit_component::decode(wasm).map_err(Cause::from)
    })
    .map_err(|cause| Error::Undecodable { cause })?;
    let package = decoded.package();
    Ok(match decoded {
        DecodedWasm::WitPackage(resolve, _) => Decoded {
            resolve,
            package,
            world: None,
        },
        DecodedWasm::Component(resolve, world) => Decoded {
            resolve,
            package,
            world: Some(world),
        },
    })
}

/// Decodes what guest tools left in a core module for the tool that makes a component of it.
fn decode_embedded(wasm: &[u8]) -> Result<Decoded, Error> {
    bounds::check(wasm)?;
    let mut found = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|cause| Error::Undecodable {
            cause: Box::new(cause),
        })?;
        if let Payload::CustomSection(section) = payload
            && section.name().starts_with(EMBEDDED)
        {
            found = true;
            check_embedded(section.data())?;
        }
    }
    if !found {
        return Err(Error::CoreModule);
    }
    let (_, bindings) = contained(|| wit_component::metadata::decode(wasm).map_err(Cause::from))
        .map_err(|cause| Error::Undecodable { cause })?;
    let (resolve, world) = (bindings.resolve, bindings.world);
    let package = resolve
        .worlds
        .get(world)
        .and_then(|world| world.package)
        .ok_or(Error::CoreModule)?;
    Ok(Decoded {
        resolve,
        package,
        world: Some(world),
    })
}

/// The section holds a component, or in an older form the name of a world and then a component.
fn check_embedded(section: &[u8]) -> Result<(), Error> {
    let undecodable = |cause: Cause| Error::Undecodable { cause };
    let start = section
        .windows(8)
        .position(|window| kind::recognise(window) == Ok(Kind::Component))
        .ok_or_else(|| undecodable("the section `component-type` holds no component".into()))?;
    let component = section.get(start..).unwrap_or_default();
    bounds::check(component)?;
    contained(|| surface::check(component, WasmFeatures::all())).map_err(undecodable)
}

fn print(decoded: &Decoded, selection: Selection) -> Result<String, Error> {
    let Decoded { resolve, package, .. } = decoded;
    let bytes = signature::printed_bytes(resolve);
    if bytes > WIT_BYTES_MAX {
        return Err(Error::TooLong { bytes });
    }
    let others: Vec<PackageId> = match selection {
        Selection::Everything => resolve
            .packages
            .iter()
            .map(|(id, _)| id)
            .filter(|id| id != package)
            .collect(),
        Selection::WorldOnly => Vec::new(),
    };
    let written = contained(|| {
        let mut printer = WitPrinter::new(OutputToString::default());
        printer.print(resolve, *package, &others).map_err(Cause::from)?;
        Ok::<String, Cause>(printer.output.to_string())
    });
    written.map_err(|cause| Error::Undecodable { cause })
}
