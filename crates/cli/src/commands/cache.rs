//! `weft cache`: the artifacts that were kept, and room made for others.

use std::time::SystemTime;

use clap::Subcommand;
use serde_json::json;
use weft_app::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};
use weft_runtime::cache::{Cache, Entry, Which};
use weft_runtime::{Concurrency, EngineOptions, Inlining, Interruption, Profile, Stop};

use super::Format;
use crate::exit_code::Code;
use crate::flags::CompileArguments;
use crate::input;
use crate::load::{self, CACHE_BYTES_MAX, LoadOptions};
use crate::output::Output;
use crate::report::Report;
use crate::settings::Settings;
use crate::watch::Watch;

/// Look at the cache of compiled programs, and clean it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  weft cache clean --unused 30d")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what is kept, the most recently used first.
    List {
        /// How to show it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Remove artifacts: all of them, or those that the flags name.
    Clean(Clean),
    /// Compile components for serving ahead of time, so that `weft serve` only has to load them.
    Warm(Warm),
    /// Print the folder.
    Path,
}

#[derive(Debug, clap::Args)]
struct Warm {
    /// The components.
    #[arg(value_name = "FILE", required = true)]
    programs: Vec<std::path::PathBuf>,

    #[command(flatten)]
    compile: CompileArguments,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Clean {
    /// Only what this version of Weft on this machine cannot run.
    #[arg(long)]
    other_engines: bool,
    /// Only what was not used for this long.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    unused: Option<std::time::Duration>,
    /// Only the least recently used, until this much is left.
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    to_size: Option<u64>,
}

pub(crate) fn run(arguments: Arguments, settings: &Settings, output: &Output) -> Result<Code, Report> {
    let root = settings.cache.as_ref().ok_or_else(|| {
        Report::failed("there is no folder for a cache").hint("set `HOME` or `WEFT_CACHE_DIR`")
    })?;
    let failed = |error: weft_runtime::cache::Error| Report::failed("cannot use the cache").caused_by(error);
    let cache = Cache::open(root, CACHE_BYTES_MAX).map_err(failed)?;
    match arguments.command {
        Command::Path => output.data(&format!("{}\n", root.display()))?,
        Command::List { format } => {
            let listing = cache.list().map_err(failed)?;
            let text = match format {
                Format::Json => as_json(&listing.entries, listing.damaged, listing.artifact_bytes),
                Format::Text => as_text(&listing.entries, listing.artifact_bytes),
            };
            output.data(&text)?;
        }
        Command::Warm(warm) => warm.run(settings, output)?,
        Command::Clean(clean) => {
            let report = cache.clean(clean.which()?).map_err(failed)?;
            let text = format!(
                "removed {} artifacts, {}\n",
                report.entries,
                show_bytes(report.bytes)
            );
            output.data(&text)?;
        }
    }
    Ok(Code::DONE)
}

impl Warm {
    fn run(&self, settings: &Settings, output: &Output) -> Result<(), Report> {
        let watch = Watch::start(Stop::new(), *output)?;
        for program in &self.programs {
            let options = LoadOptions {
                profile: Profile::Serving(Concurrency::Off),
                engine: EngineOptions {
                    // Nothing is run here.
                    instances_max: 1,
                    interruption: self.compile.interruption,
                    ..EngineOptions::default()
                },
                compile: self.compile.bounds(),
                use_cache: true,
                trust_artifact: false,
            };
            let input = input::read(program, self.compile.program_size)?;
            load::load(input, options, settings, output, &watch)?.stored()?;
        }
        Ok(())
    }
}

impl Clean {
    fn which(&self) -> Result<Which, Report> {
        Ok(match (self.other_engines, self.unused, self.to_size) {
            (true, _, _) => Which::OtherEngines(own_engines()?),
            (_, Some(unused), _) => Which::Unused(unused),
            (_, _, Some(size)) => Which::ToSize(size),
            _ => Which::All,
        })
    }
}

/// What this version of Weft makes artifacts for.
fn own_engines() -> Result<Vec<u64>, Report> {
    let mut own = Vec::new();
    for profile in Profile::all() {
        let ways = Interruption::ALL.into_iter().filter(|one| profile.allows(*one));
        for interruption in ways {
            for inlining in [Inlining::On, Inlining::Off] {
                let options = EngineOptions {
                    inlining,
                    instances_max: 1,
                    interruption: Some(interruption),
                    ..EngineOptions::default()
                };
                own.push(load::new_engine(profile, options)?.compatibility());
            }
        }
    }
    Ok(own)
}

fn as_json(entries: &[Entry], damaged: usize, bytes: u64) -> String {
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    };
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            json!({
                "name": entry.meta.name,
                "component": format!("blake3:{}", entry.key.component()),
                "profile": entry.key.profile(),
                "engine": entry.meta.engine_version,
                "bytes": entry.length,
                "created": seconds(entry.created),
                "last_used": seconds(entry.last_used),
                "path": entry.path,
            })
        })
        .collect();
    format!(
        "{:#}\n",
        json!({ "entries": entries, "damaged": damaged, "bytes": bytes, "bytes_max": CACHE_BYTES_MAX })
    )
}

fn as_text(entries: &[Entry], bytes: u64) -> String {
    let mut text = String::new();
    for entry in entries {
        let age = SystemTime::now()
            .duration_since(entry.last_used)
            .unwrap_or_default();
        let age = std::time::Duration::from_secs(age.as_secs());
        text.push_str(&format!(
            "{:>9}  {:<20}  used {:>8} ago  {}\n",
            show_bytes(entry.length),
            entry.key.profile(),
            show_duration(age),
            entry.meta.name,
        ));
    }
    text.push_str(&format!(
        "{} artifacts, {} of {}\n",
        entries.len(),
        show_bytes(bytes),
        show_bytes(CACHE_BYTES_MAX)
    ));
    text
}
