//! `weft schema`: the JSON Schema of manifests.

use crate::exit_code::Code;
use crate::output::Output;
use crate::report::Report;

/// Print the JSON Schema of `weft.toml`, by which editors complete and check it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  weft schema > weft.schema.json

With `#:schema weft.schema.json` as the first line of `weft.toml` editors that use Taplo find it.")]
pub(crate) struct Arguments {}

pub(crate) fn run(Arguments {}: Arguments, output: &Output) -> Result<Code, Report> {
    output.data(&weft_manifest::json_schema())?;
    Ok(Code::DONE)
}
