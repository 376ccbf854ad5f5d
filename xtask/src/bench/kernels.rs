//! `cargo xtask bench kernels`: how fast guest code computes, and what each way of stopping it costs.
//!
//! The kernels are `guests/c/kernels.c`. A kernel is run once and several times; the difference of the two, divided by
//! the difference of the counts, is what one run of it takes, whatever starting costs.

use std::path::Path;

use anyhow::{Result, ensure};
use clap::Args;
use weft_testing::guests::{self, Form, Guest, Language, Recipe};

use super::command::Line;
use super::contestants::{Contestants, Programs};
use super::numbers::{Sample, geometric_mean};
use super::table::Table;
use crate::guests::c;

const KERNELS: [&str; 8] = [
    "gemm",
    "fib",
    "sha256",
    "nbody",
    "mandelbrot",
    "json",
    "heapsort",
    "sieve",
];

/// More than any kernel uses up.
const FUEL: &str = "1000000000000000";

/// Compute kernels: the same C, run by both.
#[derive(Debug, Args)]
pub(super) struct Kernels {
    /// How often each kernel is measured under each engine.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    repetitions: u32,

    /// How often a kernel runs in the longer of the two processes that make one measurement.
    #[arg(long, default_value_t = 9, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..))]
    rounds: u32,

    /// Only this kernel.
    #[arg(long, value_name = "NAME")]
    kernel: Option<String>,

    /// Leave the peer out, and see only what Weft's own ways of stopping a guest cost.
    #[arg(long)]
    without_peer: bool,

    #[command(flatten)]
    programs: Programs,
}

/// Whose engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Weft,
    Wasmtime,
}

/// An engine with its settings.
#[derive(Debug)]
struct Setting {
    name: &'static str,
    contestant: Contestant,
    /// Whether it can be held against the others: nothing in the guest's code lets it be stopped or counted.
    unchecked: bool,
    compile: &'static [&'static str],
    run: &'static [&'static str],
}

/// Everything that `wasmtime` offers and that could make these kernels faster: functions inlined, memories that never
/// move and need no check at all, tables filled before they are used.
const BEST_FLAGS: &str = "-Cinlining=y";
const BEST_MEMORY_FLAGS: &str =
    "-Omemory-may-move=n,memory-reservation=4294967296,memory-guard-size=4294967296,table-lazy-init=n";

const SETTINGS: [Setting; 8] = [
    Setting {
        name: "weft",
        contestant: Contestant::Weft,
        unchecked: true,
        compile: &[],
        run: &[],
    },
    Setting {
        name: "weft --fuel",
        contestant: Contestant::Weft,
        unchecked: false,
        compile: &["--metered"],
        run: &["--fuel", FUEL],
    },
    Setting {
        name: "weft counted",
        contestant: Contestant::Weft,
        unchecked: false,
        compile: &["--interruption", "counted"],
        run: &[],
    },
    Setting {
        name: "weft epochs",
        contestant: Contestant::Weft,
        unchecked: false,
        compile: &["--interruption", "epochs"],
        run: &[],
    },
    Setting {
        name: "wasmtime",
        contestant: Contestant::Wasmtime,
        unchecked: true,
        compile: &[],
        run: &[],
    },
    Setting {
        name: "wasmtime inlining",
        contestant: Contestant::Wasmtime,
        unchecked: true,
        compile: &[BEST_FLAGS],
        run: &[BEST_FLAGS],
    },
    Setting {
        name: "wasmtime inlining, memory",
        contestant: Contestant::Wasmtime,
        unchecked: true,
        compile: &[BEST_FLAGS, BEST_MEMORY_FLAGS],
        run: &[BEST_FLAGS, BEST_MEMORY_FLAGS],
    },
    Setting {
        name: "wasmtime -Wtimeout",
        contestant: Contestant::Wasmtime,
        unchecked: false,
        compile: &["-Wepoch-interruption=y"],
        run: &["-Wtimeout=10000s"],
    },
];

/// One kernel under one setting.
#[derive(Debug)]
struct Race {
    kernel: &'static str,
    setting: usize,
    line: Line,
    time: Sample,
}

impl Race {
    /// Milliseconds of processor time that one run of the kernel takes.
    fn measure(&self, rounds: u32) -> Result<f64> {
        let short = self.rounds(1).measure()?.processor;
        let long = self.rounds(rounds).measure()?.processor;
        Ok((long - short) / f64::from(rounds - 1))
    }

    fn rounds(&self, rounds: u32) -> Line {
        self.line.clone().arg(rounds.to_string()).arg(self.kernel)
    }
}

/// Measures and prints.
pub(super) fn run(arguments: &Kernels) -> Result<()> {
    let contestants = if arguments.without_peer {
        arguments.programs.weft.find()?
    } else {
        arguments.programs.find()?
    };
    let settings: Vec<usize> = (0..SETTINGS.len())
        .filter(|setting| !arguments.without_peer || is_weft(*setting))
        .collect();
    let program = kernels()?;
    let chosen: Vec<&str> = KERNELS
        .into_iter()
        .filter(|name| arguments.kernel.as_deref().is_none_or(|kernel| kernel == *name))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "there is no such kernel; there are {}",
        KERNELS.join(", ")
    );
    let mut races = Vec::new();
    for (setting, described) in SETTINGS.iter().enumerate() {
        if !settings.contains(&setting) {
            continue;
        }
        let line = prepare(&contestants, described, &program)?;
        races.extend(chosen.iter().map(|kernel| Race {
            kernel,
            setting,
            line: line.clone(),
            time: Sample::default(),
        }));
    }
    races.sort_by_key(|race| KERNELS.iter().position(|kernel| *kernel == race.kernel));
    check_answers(&races)?;
    for _ in 0..arguments.repetitions {
        for race in &mut races {
            let time = race.measure(arguments.rounds)?;
            race.time.push(time);
        }
    }
    print(&chosen, &settings, &races);
    Ok(())
}

/// The kernels, compiled for speed; no guest of tests, and therefore in no catalogue.
fn kernels() -> Result<std::path::PathBuf> {
    let source = guests::sources().join(Language::C.folder()).join("kernels.c");
    let recipe = Recipe::Foreign {
        language: Language::C,
        source: "kernels.c",
        form: Form::Module,
    };
    let guest = Guest {
        name: "kernels.c".to_owned(),
        recipe,
    };
    guest.build_with(|binary| c::compile(&source, c::Aim::Speed, binary))
}

/// Compiles the kernels under a setting, so that no run has to.
fn prepare(contestants: &Contestants, setting: &Setting, program: &Path) -> Result<Line> {
    let artifact = contestants.file(&format!("{}.cwasm", setting.name));
    let start = || match setting.contestant {
        Contestant::Weft => contestants.weft(),
        Contestant::Wasmtime => contestants.wasmtime(),
    };
    start()
        .arg("compile")
        .args(setting.compile)
        .arg(program)
        .arg("-o")
        .arg(&artifact)
        .output()?;
    let run = match setting.contestant {
        Contestant::Weft => start().arg("run"),
        Contestant::Wasmtime => start().args(["run", "--allow-precompiled"]),
    };
    Ok(run.args(setting.run).arg(artifact))
}

/// All engines must compute the same; a fast wrong answer is worth nothing.
fn check_answers(races: &[Race]) -> Result<()> {
    for race in races {
        let answer = race.rounds(1).output()?;
        let Some(first) = races.iter().find(|other| other.kernel == race.kernel) else {
            continue;
        };
        let expected = first.rounds(1).output()?;
        ensure!(
            answer == expected,
            "{} computes {answer}, expected {expected}",
            race.line
        );
    }
    Ok(())
}

fn print(chosen: &[&str], settings: &[usize], races: &[Race]) {
    let best = best_peer(chosen, settings, races);
    println!(
        "Milliseconds of processor time for one run of a kernel (median), and Weft's ratio to the best flags of"
    );
    println!(
        "the peer, or of Weft without one: `{}` (least / median).\n",
        name(best)
    );
    let mut table = Table::new(
        ["kernel"]
            .into_iter()
            .chain(settings.iter().map(|setting| name(*setting)))
            .chain(["ratio"]),
    );
    for kernel in chosen {
        let mut row = vec![(*kernel).to_owned()];
        let times = settings
            .iter()
            .map(|setting| time(races, kernel, *setting, Sample::median));
        row.extend(times.map(|time| format!("{time:.2}")));
        row.push(ratios(races, &[kernel], WEFT, best));
        table.push(row);
    }
    let mut bases = vec![(WEFT, "geometric mean to `weft`")];
    if !is_weft(best) {
        bases.push((best, "geometric mean to the peer's best"));
    }
    for (base, what) in bases {
        let mut mean = vec![what.to_owned()];
        mean.extend(
            settings
                .iter()
                .map(|setting| ratios(races, chosen, *setting, base)),
        );
        mean.push(ratios(races, chosen, WEFT, base));
        table.push(mean);
    }
    println!("{table}");
}

/// The setting of Weft that everything is about.
const WEFT: usize = 0;

fn is_weft(setting: usize) -> bool {
    SETTINGS
        .get(setting)
        .is_some_and(|setting| setting.contestant == Contestant::Weft)
}

fn name(setting: usize) -> &'static str {
    SETTINGS.get(setting).map_or("", |setting| setting.name)
}

/// The peer's setting that is fastest over all kernels.
fn best_peer(chosen: &[&str], settings: &[usize], races: &[Race]) -> usize {
    let candidates = SETTINGS.iter().enumerate().filter(|(index, setting)| {
        settings.contains(index) && setting.contestant == Contestant::Wasmtime && setting.unchecked
    });
    let total = |setting| {
        let times: Vec<f64> = chosen
            .iter()
            .map(|kernel| time(races, kernel, setting, Sample::median))
            .collect();
        geometric_mean(&times)
    };
    let indices = candidates.map(|(index, _)| index);
    indices
        .min_by(|one, other| total(*one).total_cmp(&total(*other)))
        .unwrap_or_default()
}

fn time(races: &[Race], kernel: &str, setting: usize, of: fn(&Sample) -> f64) -> f64 {
    races
        .iter()
        .find(|race| race.kernel == kernel && race.setting == setting)
        .map_or(f64::NAN, |race| of(&race.time))
}

/// The geometric mean over kernels of one setting's time by another's, from the least times and from the medians.
fn ratios(races: &[Race], kernels: &[&str], setting: usize, to: usize) -> String {
    let mean = |of: fn(&Sample) -> f64| {
        let each = kernels
            .iter()
            .map(|kernel| time(races, kernel, setting, of) / time(races, kernel, to, of));
        geometric_mean(&each.collect::<Vec<f64>>())
    };
    format!("{:.2} / {:.2}", mean(Sample::min), mean(Sample::median))
}
