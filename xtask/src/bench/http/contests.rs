//! Who is compared with whom, and with which bars.

use std::path::Path;

use anyhow::Result;
use weft_testing::guests;

use super::super::contestants::{Contestants, release};
use super::super::server::Launch;

/// Settings of the peer's pool that keep memory between requests.
const KEEP: &str = "-Opooling-memory-keep-resident=1048576,pooling-table-keep-resident=65536,\
    pooling-async-stack-keep-resident=131072,pooling-max-unused-warm-slots=1000";
const PAGEMAP: &str = "-Opooling-pagemap-scan=y";
/// No guard pages: growing a memory then changes no protection.
const UNGUARDED: &str = "-Osignals-based-traps=n,memory-reservation=67108864,memory-guard-size=0,pooling-max-memory-size=67108864";

/// Servers that answer the same requests, the bare one first.
#[derive(Debug)]
pub(super) struct Contest {
    pub(super) name: &'static str,
    pub(super) entrants: Vec<Entrant>,
    /// The least part of hyper, of the peer's defaults, and of the peer's best.
    hyper_min: f64,
    defaults_min: Option<f64>,
    best_min: Option<f64>,
}

/// One server.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) launch: Launch,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bare,
    Weft,
    PeerDefaults,
    PeerTuned,
}

/// All contests.
pub(super) fn contests(programs: &Contestants) -> Result<Vec<Contest>> {
    let tiny = guests::find("http-hello.wat")?.build()?;
    let web = guests::find("web")?.build()?;
    let web_p3 = guests::find("web_p3")?.build()?;
    let make = Makers { programs };
    let isolated: [(&str, &[&str]); 3] = [
        ("keep", &[KEEP]),
        ("keep, pagemap", &[KEEP, PAGEMAP]),
        ("keep, pagemap, unguarded", &[KEEP, PAGEMAP, UNGUARDED]),
    ];
    let reused: [(&str, &[&str]); 2] = [
        ("keep, pagemap", &[KEEP, PAGEMAP]),
        (
            "keep, pagemap, reuse without end",
            &[
                KEEP,
                PAGEMAP,
                "--max-instance-reuse-count=1000000",
                "--max-instance-concurrent-reuse-count=64",
            ],
        ),
    ];
    Ok(vec![
        Contest {
            name: "WASI 0.2, tiny guest, a fresh instance for each request",
            entrants: make.all(&tiny, "/", &[], &isolated)?,
            hyper_min: 0.55,
            defaults_min: Some(4.0),
            best_min: Some(2.0),
        },
        Contest {
            name: "WASI 0.2, guest of Rust, a fresh instance for each request",
            entrants: make.all(&web, "/hello", &[], &isolated)?,
            hyper_min: 0.3,
            defaults_min: Some(4.0),
            best_min: Some(1.5),
        },
        Contest {
            name: "WASI 0.3, guest of Rust, instances reused",
            entrants: make.all(&web_p3, "/hello", &["--reuse=1000000"], &reused)?,
            hyper_min: 0.65,
            defaults_min: None,
            best_min: Some(1.3),
        },
        Contest {
            name: "WASI 0.2, tiny guest, instances reused",
            entrants: make.all(&tiny, "/", &["--reuse=1000000"], &[])?,
            hyper_min: 0.65,
            defaults_min: None,
            best_min: None,
        },
    ])
}

struct Makers<'a> {
    programs: &'a Contestants,
}

impl Makers<'_> {
    fn all(
        &self,
        guest: &Path,
        path: &'static str,
        weft: &[&str],
        tuned: &[(&str, &[&str])],
    ) -> Result<Vec<Entrant>> {
        let bare = release("xtask")?;
        let mut entrants = vec![
            self.entrant(Kind::Bare, "hyper", &bare, words(&["bare-hyper", "PORT"], None)),
            self.weft(guest, weft),
            self.peer(Kind::PeerDefaults, "wasmtime serve", guest, &[]),
        ];
        for (name, flags) in tuned {
            let name = format!("wasmtime serve, {name}");
            entrants.push(self.peer(Kind::PeerTuned, &name, guest, flags));
        }
        for entrant in &mut entrants {
            path.clone_into(&mut entrant.launch.path);
        }
        Ok(entrants)
    }

    fn weft(&self, guest: &Path, flags: &[&str]) -> Entrant {
        let mut all = vec!["serve", "--addr", "127.0.0.1:PORT"];
        all.extend(flags);
        let name: Vec<&str> = ["weft serve"].into_iter().chain(flags.iter().copied()).collect();
        let program = self.programs.weft_path();
        self.entrant(Kind::Weft, &name.join(" "), program, words(&all, Some(guest)))
    }

    fn peer(&self, kind: Kind, name: &str, guest: &Path, flags: &[&str]) -> Entrant {
        let mut all = vec!["serve", "-Scli=y", "--addr", "127.0.0.1:PORT"];
        all.extend(flags);
        self.entrant(
            kind,
            name,
            self.programs.wasmtime_path(),
            words(&all, Some(guest)),
        )
    }

    fn entrant(&self, kind: Kind, name: &str, program: &Path, arguments: Vec<String>) -> Entrant {
        Entrant {
            launch: Launch {
                name: name.to_owned(),
                program: program.to_path_buf(),
                arguments,
                path: "/".to_owned(),
                home: self.programs.home().to_path_buf(),
            },
            kind,
        }
    }
}

/// Words of a command line, the guest last.
fn words(words: &[&str], guest: Option<&Path>) -> Vec<String> {
    let guest = guest.map(|guest| guest.display().to_string());
    words.iter().map(|word| (*word).to_owned()).chain(guest).collect()
}

impl Contest {
    /// Each bar with what was reached, given the rate of each entrant.
    pub(super) fn bars(&self, rate: impl Fn(usize) -> Option<f64>) -> Vec<String> {
        let best = |wanted: &[Kind]| {
            let rates = self.entrants.iter().enumerate();
            let rates = rates.filter(|(_, entrant)| wanted.contains(&entrant.kind));
            rates.filter_map(|(at, _)| rate(at)).fold(f64::NAN, f64::max)
        };
        let weft = best(&[Kind::Weft]);
        let bars = [
            ("of hyper", best(&[Kind::Bare]), Some(self.hyper_min)),
            (
                "times the peer's defaults",
                best(&[Kind::PeerDefaults]),
                self.defaults_min,
            ),
            (
                "times the peer's best",
                best(&[Kind::PeerDefaults, Kind::PeerTuned]),
                self.best_min,
            ),
        ];
        let line = |(what, other, min): (&str, f64, Option<f64>)| {
            let (min, reached) = (min?, weft / other);
            let held = if reached >= min { "held" } else { "missed" };
            Some(format!("{reached:.2} {what}; the bar is {min:.2}: {held}"))
        };
        bars.into_iter().filter_map(line).collect()
    }
}
