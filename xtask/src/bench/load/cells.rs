//! Isolated links in a served app: what one costs on the way of a request, and what hostile callees do to others.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use weft_testing::guests;

use super::super::numbers::Sample;
use super::super::server::{Launch, Server, free_port};
use super::client::{Connection, get};
use super::pace::Pace;
use super::turns::Turns;
use super::{Bench, Row};

/// Requests per second with one isolated link, as a share of those of the same app fused.
const BARS: [(&str, &str, f64, &str); 3] = [
    ("request", "a fresh cell for each request", 0.70, "≥ 0.70"),
    ("pooled", "pooled cells", 0.92, "≥ 0.92"),
    ("shared", "one shared cell", 0.0, ""),
];
/// What the latency beside hostile callees may be, as a multiple of what it is without.
const TAIL: (f64, &str) = (2.0, "≤ 2");
/// What the memory may be after them, as a multiple of what it was before.
const MEMORY: f64 = 1.1;
/// How long a server rests before its memory is looked at.
const REST: Duration = Duration::from_secs(60);
/// What a hostile callee does, as the last digit of the path that leads to it.
const HOSTILE: [u32; 6] = [1, 2, 3, 4, 6, 7];
/// Clients that ask for hostile callees, each again as soon as it was answered.
const ATTACKERS: usize = 8;

pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let mut rows = edge(bench)?;
    rows.extend(beside(bench)?);
    rows.extend(faults(bench)?);
    Ok(rows)
}

/// Requests per second of the same app, fused and isolated, in turns.
fn edge(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let fused = launch(bench, "fused", &front("fused", "mode = \"fused\"", "", "0"))?;
    let mut cases = Vec::new();
    for (lifetime, what, bar, shown) in BARS {
        let cell = format!("cell = {{ lifetime = \"{lifetime}\" }}");
        let app = launch(
            bench,
            lifetime,
            &front(lifetime, "mode = \"isolated\"", &cell, "0"),
        )?;
        cases.push((app, what, bar, shown, Sample::default()));
    }
    let mut base = Sample::default();
    for _ in 0..bench.arguments.rounds {
        base.push(bench.peak(&start(&fused)?)?);
        for (app, .., rates) in &mut cases {
            rates.push(bench.peak(&start(app)?)?);
        }
    }
    let mut rows = vec![Row::new(
        "requests per second of two fused components",
        format!("{:.0}", base.median()),
    )];
    for (_, what, bar, shown, rates) in &cases {
        let ratio = rates.median() / base.median();
        let row = Row::new(
            format!("the same with {what}"),
            format!("{:.0}, {ratio:.2} of it", rates.median()),
        );
        rows.push(if shown.is_empty() {
            row
        } else {
            row.bar(shown, ratio >= *bar)
        });
    }
    Ok(rows)
}

/// Healthy requests at half of their peak, beside callees that do their worst in a loop.
fn beside(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let mut manifest = String::from(
        "[trigger.http.route.rest]\ncomponent = \"healthy\"\n[component.healthy]\ngrants = { env = [], stdio = \"all\" }\n",
    );
    let _ = writeln!(
        manifest,
        "source = '{}'",
        guests::find("http-hello.wat")?.build()?.display()
    );
    let mut paths = Vec::new();
    for (lifetime, ..) in BARS {
        for (answer, on_failure) in [("value", "on-failure = { value = \"9\" }"), ("trap", "")] {
            for what in HOSTILE {
                let name = format!("{lifetime}-{answer}-w{what}");
                let link = format!("mode = \"isolated\"\n{on_failure}");
                let cell = format!(
                    "cell = {{ lifetime = \"{lifetime}\", cpu-time = \"20ms\" }}\nlimits = {{ memory = \"4MiB\" }}"
                );
                manifest.push_str(&components(&name, &link, &cell)?);
                let _ = write!(
                    manifest,
                    "[trigger.http.route.{name}]\npath = \"/{name}/{what}\"\ncomponent = \"front-{name}\"\n"
                );
                paths.push(format!("/{name}/{what}"));
            }
        }
    }
    let app = launch(bench, "hostile", &manifest)?;
    let mut peaks = Sample::default();
    for _ in 0..bench.arguments.rounds {
        peaks.push(bench.peak(&start(&app)?)?);
    }
    let rate = peaks.median() / 2.0;
    let (mut alone, mut beside) = (Turns::default(), Turns::default());
    let (mut attacks, mut memory, mut again) = (0, Sample::default(), Sample::default());
    for _ in 0..bench.arguments.rounds {
        let server = start(&app)?;
        // Code that is loaded once stays, and is not what is asked about here.
        Attackers::start(server.address(), &paths).stop_after(paths.len() as u64)?;
        let load = |time| Pace::on(&server, bench.connections(), rate, time);
        load(Duration::from_secs(1)).run()?;
        alone.add(&load(bench.turn()).run()?)?;
        let before = server.resident_kib()?;
        let attackers = Attackers::start(server.address(), &paths);
        beside.add(&load(bench.turn()).run()?)?;
        attacks += attackers.stop()?;
        std::thread::sleep(REST);
        let after = server.resident_kib()?;
        memory.push(after / before);
        let attackers = Attackers::start(server.address(), &paths);
        std::thread::sleep(bench.turn());
        attackers.stop()?;
        std::thread::sleep(REST);
        again.push(server.resident_kib()? / after);
    }
    let kinds = paths.len();
    Ok(vec![
        alone.row(format!("a healthy route at {rate:.0}/s, half of its peak")),
        beside.row(format!(
            "the same beside {kinds} hostile callees in {attacks} requests"
        )),
        beside.row_of_ratio("its p99, as a multiple of that without", &alone, TAIL),
        beside.row_of_failures("its requests that failed"),
        Row::new(
            "memory a minute afterwards, as a multiple of before",
            format!("{:.2}", memory.median()),
        )
        .bar("≤ 1.1", memory.median() <= MEMORY),
        Row::new(
            "memory a minute after as much again, as a multiple of that",
            format!("{:.2}", again.median()),
        )
        .bar("≤ 1.1", again.median() <= MEMORY),
    ])
}

/// Calls that fail, very many of them: what they leave behind.
fn faults(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let calls = bench.arguments.faults;
    let mut rows = Vec::new();
    for (lifetime, ..) in BARS {
        let cell = format!("cell = {{ lifetime = \"{lifetime}\" }}");
        let link = "mode = \"isolated\"\non-failure = { value = \"9\" }";
        let app = launch(
            bench,
            &format!("faults-{lifetime}"),
            &front(lifetime, link, &cell, "1"),
        )?;
        let server = start(&app)?;
        let address = server.address();
        let path = server.path().to_owned();
        repeat(address, &path, calls / 10)?;
        let before = Held::of(&server)?;
        repeat(address, &path, calls)?;
        let after = Held::of(&server)?;
        let is_flat = after.kib <= before.kib * MEMORY
            && after.files == before.files
            && after.threads == before.threads;
        rows.push(
            Row::new(
                format!(
                    "{calls} faulted calls of a {lifetime} cell: memory, files and threads before and after"
                ),
                format!("{before} and {after}"),
            )
            .bar("flat", is_flat),
        );
    }
    Ok(rows)
}

/// What a server holds.
struct Held {
    kib: f64,
    files: usize,
    threads: usize,
}

impl Held {
    fn of(server: &Server) -> Result<Self> {
        std::thread::sleep(Duration::from_secs(2));
        let count = |what: &str| -> Result<usize> {
            Ok(fs_err::read_dir(format!("/proc/{}/{what}", server.id()))?.count())
        };
        Ok(Self {
            kib: server.resident_kib()?,
            files: count("fd")?,
            threads: count("task")?,
        })
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} KiB, {}, {}", self.kib, self.files, self.threads)
    }
}

/// Asks so often, one request after the other on a few connections.
fn repeat(address: SocketAddr, path: &str, count: u64) -> Result<()> {
    const CONNECTIONS: u64 = 4;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let one = || {
            Box::pin(async {
                let mut connection = Connection::open(address).await?;
                for _ in 0..count / CONNECTIONS {
                    let response = connection.ask(&get(path)).await?;
                    ensure!(
                        response.status == 200,
                        "a faulted call answered {}",
                        response.status
                    );
                    if connection.is_closed() {
                        connection = Connection::open(address).await?;
                    }
                }
                anyhow::Ok(())
            })
        };
        let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
        a.and(b).and(c).and(d)
    })
}

/// Clients that ask for what fails.
struct Attackers {
    is_over: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Result<()>>>,
}

impl Attackers {
    fn start(address: SocketAddr, paths: &[String]) -> Self {
        let (is_over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |number: usize| {
            let (is_over, asked) = (Arc::clone(&is_over), Arc::clone(&asked));
            let own: Vec<String> = paths.iter().skip(number).step_by(ATTACKERS).cloned().collect();
            std::thread::spawn(move || attack(address, &own, &is_over, &asked))
        };
        Self {
            clients: (0..ATTACKERS).map(client).collect(),
            is_over,
            asked,
        }
    }

    /// Lets them ask so often.
    fn stop_after(self, count: u64) -> Result<u64> {
        while self.asked.load(Ordering::Relaxed) < count
            && self.clients.iter().any(|client| !client.is_finished())
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.stop()
    }

    /// How often they asked.
    fn stop(self) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(self.asked.load(Ordering::Relaxed))
    }
}

fn attack(address: SocketAddr, paths: &[String], is_over: &AtomicBool, asked: &AtomicU64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        for path in paths.iter().cycle() {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let response = Connection::open(address).await?.ask(&get(path)).await?;
            let expected = if path.contains("-value-") { 200 } else { 500 };
            ensure!(response.status == expected, "{path} answered {}", response.status);
            asked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

/// A route to a component that calls another.
fn front(name: &str, link: &str, cell: &str, digit: &str) -> String {
    // What is missing here is told where the app is written.
    let components = components(name, link, cell).unwrap_or_default();
    format!("{components}[trigger.http.route.all]\npath = \"/{digit}\"\ncomponent = \"front-{name}\"\n")
}

fn components(name: &str, link: &str, cell: &str) -> Result<String> {
    let (front, callee) = (
        guests::find("http-calls.wat")?.build()?,
        guests::find("callee.wat")?.build()?,
    );
    Ok(format!(
        "[component.front-{name}]\nsource = '{}'\ngrant-on-use = \"trap\"\n\
         [component.front-{name}.links.\"test:cell/callee\"]\ncomponent = \"callee-{name}\"\n{link}\n\
         [component.callee-{name}]\nsource = '{}'\n{cell}\n",
        front.display(),
        callee.display()
    ))
}

/// An app in a folder of its own. Its port is chosen when it starts.
fn launch(bench: &Bench<'_>, name: &str, components: &str) -> Result<Launch> {
    let port = free_port()?;
    let path = components
        .split("path = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let path = path.filter(|path| path.len() == 2).unwrap_or("/").to_owned();
    let folder = bench.programs.file(&format!("cells-{name}"));
    fs_err::create_dir_all(&folder)?;
    let manifest = format!("{components}\n[trigger.http]\nlisten = \"127.0.0.1:{port}\"\n");
    fs_err::write(folder.join("weft.toml"), manifest)?;
    let arguments = vec!["up".to_owned(), folder.display().to_string()];
    Ok(bench.launch(
        &format!("weft up {port}"),
        bench.programs.weft_path(),
        arguments,
        &path,
    ))
}

/// Starts an app on the port that its manifest has.
fn start(launch: &Launch) -> Result<Server> {
    let port = launch.name.rsplit(' ').next().and_then(|port| port.parse().ok());
    Server::start_on(launch, port.ok_or_else(|| anyhow!("an app has no port"))?)
}
