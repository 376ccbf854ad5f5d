//! `cargo xtask bench start`: how long a whole process takes that runs a small program, and what it costs.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use weft_testing::guests;

use super::command::{Cost, Line};
use super::contestants::{Contestants, Programs};
use super::numbers::Sample;
use super::table::Table;

/// The most that a cached start may take, as a part of what `wasmtime` takes for a precompiled one.
const CACHED_RATIO_MAX: f64 = 0.6;

/// The guests, and the arguments that make them end with 0.
const GUESTS: [(&str, &[&str]); 4] = [
    ("hello.wat", &[]),
    ("hello.p1", &[]),
    ("hello.p2", &[]),
    ("probe.p2", &["args", "one", "two"]),
];

/// Whole processes: cold, from the cache, precompiled.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// How often each command is run.
    #[arg(long, default_value_t = 40, value_name = "COUNT")]
    runs: u32,

    /// Only this guest.
    #[arg(long, value_name = "NAME")]
    guest: Option<String>,

    #[command(flatten)]
    programs: Programs,
}

/// How a program gets to its machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing but the process itself: `--version`.
    Floor,
    /// Compiled in this very process.
    Cold,
    /// From the program's own cache.
    Cached,
    /// From a file that was compiled before.
    Precompiled,
}

impl Way {
    const ALL: [Self; 3] = [Self::Cold, Self::Cached, Self::Precompiled];

    fn name(self) -> &'static str {
        match self {
            Self::Floor => "`--version`",
            Self::Cold => "cold",
            Self::Cached => "cached",
            Self::Precompiled => "precompiled",
        }
    }
}

/// The same thing done by both, and what it took.
#[derive(Debug)]
struct Match {
    guest: &'static str,
    way: Way,
    weft: Side,
    wasmtime: Side,
}

#[derive(Debug)]
struct Side {
    line: Line,
    wall: Sample,
    processor: Sample,
    peak: Sample,
}

impl Side {
    fn new(line: Line) -> Self {
        Self {
            line,
            wall: Sample::default(),
            processor: Sample::default(),
            peak: Sample::default(),
        }
    }

    fn measure(&mut self) -> Result<()> {
        let Cost {
            wall,
            processor,
            peak,
        } = self.line.measure()?;
        self.wall.push(wall);
        self.processor.push(processor);
        self.peak.push(peak);
        Ok(())
    }
}

/// Measures and prints.
pub(super) fn run(arguments: &Start) -> Result<()> {
    let contestants = arguments.programs.find()?;
    let mut matches = vec![floor(&contestants)];
    for (guest, words) in GUESTS
        .iter()
        .filter(|(name, _)| arguments.guest.as_deref().is_none_or(|g| g == *name))
    {
        matches.extend(matches_of(&contestants, guest, words)?);
    }
    ensure!(
        matches.len() > 1,
        "there is no such guest here; there are {}",
        GUESTS.map(|(name, _)| name).join(", ")
    );
    // The first run of each shows what is wrong with it, and fills the caches.
    for Match { weft, wasmtime, .. } in &matches {
        weft.line.output()?;
        wasmtime.line.output()?;
    }
    for _ in 0..arguments.runs {
        for each in &mut matches {
            each.weft.measure()?;
            each.wasmtime.measure()?;
        }
    }
    print(&matches);
    Ok(())
}

fn floor(contestants: &Contestants) -> Match {
    Match {
        guest: "none",
        way: Way::Floor,
        weft: Side::new(contestants.weft().arg("--version")),
        wasmtime: Side::new(contestants.wasmtime().arg("--version")),
    }
}

fn matches_of(contestants: &Contestants, guest: &'static str, words: &[&str]) -> Result<Vec<Match>> {
    let program = guests::find(guest)?.build()?;
    let artifact = |by: &str| contestants.file(&format!("{guest}.{by}.cwasm"));
    let (weft_artifact, wasmtime_artifact) = (artifact("weft"), artifact("wasmtime"));
    contestants
        .weft()
        .arg("compile")
        .arg(&program)
        .arg("-o")
        .arg(&weft_artifact)
        .output()?;
    contestants
        .wasmtime()
        .arg("compile")
        .arg(&program)
        .arg("-o")
        .arg(&wasmtime_artifact)
        .output()?;
    let side = |line: Line, flags: &[&str], file: &PathBuf| {
        Side::new(line.arg("run").args(flags).arg(file).args(words))
    };
    let weft = |way| match way {
        Way::Floor => Side::new(contestants.weft().arg("--version")),
        Way::Cold => side(contestants.weft(), &["--no-cache"], &program),
        Way::Cached => side(contestants.weft(), &[], &program),
        Way::Precompiled => side(contestants.weft(), &[], &weft_artifact),
    };
    let wasmtime = |way| match way {
        Way::Floor => Side::new(contestants.wasmtime().arg("--version")),
        Way::Cold => side(contestants.wasmtime(), &["-Ccache=n"], &program),
        Way::Cached => side(contestants.wasmtime(), &["-Ccache=y"], &program),
        Way::Precompiled => side(
            contestants.wasmtime(),
            &["--allow-precompiled"],
            &wasmtime_artifact,
        ),
    };
    Ok(Way::ALL
        .into_iter()
        .map(|way| Match {
            guest,
            way,
            weft: weft(way),
            wasmtime: wasmtime(way),
        })
        .collect())
}

fn print(matches: &[Match]) {
    println!(
        "Milliseconds of wall-clock time (least / median), of processor time (median), and peak mebibytes.\n"
    );
    let mut table = Table::new([
        "guest",
        "way",
        "weft",
        "weft CPU",
        "weft MiB",
        "wasmtime",
        "wasmtime CPU",
        "wasmtime MiB",
        "ratio",
    ]);
    for Match {
        guest,
        way,
        weft,
        wasmtime,
    } in matches
    {
        let mut row = vec![(*guest).to_owned(), way.name().to_owned()];
        row.extend(cells(weft));
        row.extend(cells(wasmtime));
        row.push(ratio(weft, wasmtime));
        table.push(row);
    }
    println!("{table}");
    println!("What counts: `weft run` from its cache against precompiled `wasmtime` (least / median).\n");
    let mut bar = Table::new(["guest", "ratio", "bar", "held"]);
    for cached in matches.iter().filter(|each| each.way == Way::Cached) {
        let same = |each: &&Match| each.guest == cached.guest && each.way == Way::Precompiled;
        let Some(precompiled) = matches.iter().find(same) else {
            continue;
        };
        let held = cached.weft.wall.median() <= CACHED_RATIO_MAX * precompiled.wasmtime.wall.median();
        bar.push([
            cached.guest.to_owned(),
            ratio(&cached.weft, &precompiled.wasmtime),
            format!("{CACHED_RATIO_MAX:.2}"),
            if held { "yes" } else { "no" }.to_owned(),
        ]);
    }
    println!("{bar}");
}

fn cells(side: &Side) -> [String; 3] {
    [
        format!("{:.2} / {:.2}", side.wall.min(), side.wall.median()),
        format!("{:.2}", side.processor.median()),
        format!("{:.1}", side.peak.max()),
    ]
}

fn ratio(weft: &Side, wasmtime: &Side) -> String {
    let (least, median) = (
        weft.wall.min() / wasmtime.wall.min(),
        weft.wall.median() / wasmtime.wall.median(),
    );
    format!("{least:.2} / {median:.2}")
}
