//! `cargo xtask guests`: builds the guest programs that tests and benches run.
//!
//! Which guests there are, and how Rust and text ones are made, is in `weft_testing::guests`, because tests build those
//! themselves. Here are the tool chains of other languages: one file each, versions pinned, installed into a cache
//! folder of the person's and nowhere else. A tool chain that cannot be had skips its guests, with the reason.

mod assemblyscript;
pub(crate) mod c;
mod component;
mod go;
mod javascript;
mod python;
pub(crate) mod toolchain;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Error, Result, bail};
use clap::Args;
use weft_testing::guests::{self, ALL_GUESTS_VARIABLE, Form, Guest, Language, Recipe, State, announce};

use toolchain::Unavailable;

/// Build the guest programs that tests and benches run.
///
/// Without names: those in Rust and text, which need nothing but Rust, and those in C. Whatever is up to date is left
/// alone. Binaries lie in `target/guests`.
#[derive(Debug, Args)]
pub(crate) struct Guests {
    /// Build those of every language: downloads their tool chains, which takes minutes the first time.
    #[arg(long, conflicts_with = "names")]
    all: bool,

    /// Only say which guests there are, and which of them are up to date.
    #[arg(long)]
    list: bool,

    /// Build only these.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Does what the arguments ask for.
///
/// Ends with 1 where a guest could not be built, and also where one was skipped that was asked for by name or that
/// `WEFT_ALL_GUESTS=1` demands.
pub(crate) fn run(arguments: &Guests) -> Result<ExitCode> {
    let chosen = choose(arguments)?;
    if arguments.list {
        return list(&chosen);
    }
    let skips_fail = !arguments.names.is_empty()
        || std::env::var_os(ALL_GUESTS_VARIABLE).is_some_and(|value| value == "1");
    let mut code = ExitCode::SUCCESS;
    // Asking for the same tool chain again would only take as long again.
    let mut without = Vec::new();
    for guest in &chosen {
        let Some(failure) = build_unless(guest, &mut without) else {
            continue;
        };
        let reason = failure.downcast_ref::<Unavailable>();
        match reason {
            Some(reason) => announce(&format!("SKIPPED guest {}: {reason}", guest.name)),
            None => announce(&format!("error: {failure:#}")),
        }
        if reason.is_none() || skips_fail {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Builds a guest, unless its language is one of those whose tool chain could not be had; notes those.
fn build_unless(guest: &Guest, without: &mut Vec<Language>) -> Option<Error> {
    let language = language(guest);
    if let Some(language) = language.filter(|language| without.contains(language)) {
        let reason = format!("the tool chain of {language} cannot be had, see above");
        return Some(Unavailable::because(reason).into());
    }
    let failure = build(guest).err()?;
    if failure.is::<Unavailable>() {
        without.extend(language);
    }
    Some(failure)
}

fn choose(arguments: &Guests) -> Result<Vec<Guest>> {
    if !arguments.names.is_empty() {
        return arguments.names.iter().map(|name| guests::find(name)).collect();
    }
    let mut chosen = guests::list()?;
    if !arguments.all && !arguments.list {
        chosen.retain(|guest| matches!(language(guest), None | Some(Language::C)));
    }
    Ok(chosen)
}

fn language(guest: &Guest) -> Option<Language> {
    match guest.recipe {
        Recipe::Foreign { language, .. } => Some(language),
        Recipe::Rust { .. } | Recipe::Text { .. } => None,
    }
}

fn list(chosen: &[Guest]) -> Result<ExitCode> {
    for guest in chosen {
        let state = match guest.state()? {
            State::Current => "up to date",
            State::Missing => "missing",
            State::Stale => "stale",
        };
        println!("{:28} {:22} {state}", guest.name, guest.recipe.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn build(guest: &Guest) -> Result<()> {
    match &guest.recipe {
        Recipe::Rust { .. } | Recipe::Text { .. } => guest.build()?,
        Recipe::Foreign {
            language,
            source,
            form,
        } => {
            let source = guests::sources().join(language.folder()).join(source);
            guest.build_with(|binary| build_foreign(*language, &source, *form, binary))?
        }
    };
    Ok(())
}

/// Each tool chain makes one form by itself; commands of preview 1 become components through the adapter.
fn build_foreign(language: Language, source: &Path, form: Form, binary: &Path) -> Result<()> {
    match (language, form) {
        (Language::C, _) => c::compile(source, c::Aim::Size, binary)?,
        (Language::Go, _) => go::compile(source, binary)?,
        (Language::AssemblyScript, _) => assemblyscript::compile(source, binary)?,
        (Language::JavaScript, Form::Component) => return javascript::componentize(source, binary),
        (Language::Python, Form::Component) => return python::componentize(source, binary),
        (Language::JavaScript | Language::Python, Form::Module) => bail!("{language} has no core modules"),
    }
    match form {
        Form::Module => Ok(()),
        Form::Component => component::adapt(binary),
    }
}
