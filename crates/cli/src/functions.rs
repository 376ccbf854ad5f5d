//! The functions of a folder: `NAME.wasm`, `NAME.cwasm` or `NAME.wat` answers below `/NAME`.

use std::io;
use std::path::{Path, PathBuf};

use weft_app::Name;
use weft_inspect::kind::Kind;
use weft_node::functions::{Found, Source};

use crate::input;
use crate::output::Output;
use crate::report::Report;
use crate::serving::{Alone, Loader};

/// What a function's file may be called behind its name, in the order in which they are looked for.
const ENDINGS: [&str; 3] = ["wasm", "cwasm", "wat"];

/// A folder of components that all may do the same.
pub(crate) struct FunctionFolder {
    pub(crate) folder: PathBuf,
    pub(crate) program_bytes_max: u64,
    pub(crate) alone: Alone,
    pub(crate) loader: Loader,
}

impl FunctionFolder {
    /// The file of a function, if it is there.
    fn file(&self, name: &Name) -> Option<PathBuf> {
        ENDINGS
            .iter()
            .map(|ending| self.folder.join(format!("{name}.{ending}")))
            .find(|path| path.is_file())
    }

    fn find(&self, name: &Name) -> Result<Found, Report> {
        let Some(path) = self.file(name) else {
            return Ok(Found::Absent);
        };
        let input = input::read(&path, self.program_bytes_max)?;
        let program = match input.kind {
            Kind::Artifact => Some(self.loader.load(input)?),
            Kind::Text | Kind::Component | Kind::CoreModule => self.loader.cached(input)?,
        };
        match program {
            Some(program) => self.alone.link(name, &path, &program).map(Found::Ready),
            None => Ok(Found::Unprepared),
        }
    }
}

impl Source for FunctionFolder {
    fn load(&self, name: &Name) -> Result<Found, String> {
        self.find(name).map_err(|report| in_one_line(&report))
    }

    fn prepare(&self, name: &Name) -> Result<(), String> {
        let path = self.file(name).ok_or("its file is gone")?;
        self.loader.warm(&path).map_err(|report| in_one_line(&report))
    }
}

fn in_one_line(report: &Report) -> String {
    let mut parts = vec![report.message.clone()];
    parts.extend(report.causes.iter().cloned());
    parts.join(": ")
}

/// Counts the functions of a folder, and says which files are none that could be asked for.
pub(crate) fn survey(folder: &Path, output: &Output) -> Result<usize, Report> {
    let failed =
        |error: io::Error| Report::failed(format!("cannot read `{}`", folder.display())).caused_by(error);
    let mut count = 0;
    for entry in fs_err::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().unwrap_or_default();
        if !ENDINGS.iter().any(|known| ending == *known) {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if stem.parse::<Name>().is_ok() {
            count += 1;
        } else {
            output.warn(&format!(
                "`{}` answers nothing: names are words of lower-case letters and digits, joined by hyphens",
                path.display()
            ));
        }
    }
    Ok(count)
}
