//! A server under test: started, waited for, watched, ended.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::command::standard_folders;

/// How long a server may take until it accepts connections, has done what a signal asked for, or has ended.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How a server is started. The word `PORT` in its arguments stands for the port.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// What is asked for under load.
    pub(super) path: String,
    pub(super) home: PathBuf,
}

#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    name: String,
    path: String,
    address: SocketAddr,
    /// The lines of its standard error.
    told: mpsc::Receiver<String>,
}

impl Server {
    /// Starts a server on a free port, and waits until it accepts connections.
    pub(super) fn start(launch: &Launch) -> Result<Self> {
        Self::start_on(launch, free_port()?)
    }

    /// Starts a server on a port, and waits until it accepts connections.
    pub(super) fn start_on(launch: &Launch, port: u16) -> Result<Self> {
        let mut command = Command::new(&launch.program);
        command
            .args(
                launch
                    .arguments
                    .iter()
                    .map(|word| word.replace("PORT", &port.to_string())),
            )
            .env_clear()
            .env("HOME", &launch.home)
            .envs(standard_folders(&launch.home))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (teller, told) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                // The thread ends with the server, or with whoever listens.
                let lines = BufReader::new(stderr).lines().map_while(Result::ok);
                for line in lines {
                    if teller.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut server = Self {
            child,
            name: launch.name.clone(),
            path: launch.path.clone(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            told,
        };
        server.wait()?;
        Ok(server)
    }

    fn wait(&mut self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "`{}` ended with {status} before it accepted connections: {}",
                    self.name,
                    self.told.iter().collect::<Vec<_>>().join("\n")
                );
            }
            if started.elapsed() > WAIT_MAX {
                bail!("`{}` accepts no connections after {WAIT_MAX:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the processors have spent on it.
    pub(super) fn processor_seconds(&self) -> Result<f64> {
        let stat = fs_err::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold anything; user and system time are fields 14 and 15 of all.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_, after)| after.split_whitespace().collect())
            .unwrap_or_default();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
        let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
            bail!("`/proc/{}/stat` has another form than expected", self.child.id());
        };
        // Linux counts hundredths of a second here on every machine of today.
        Ok((user + system) / 100.0)
    }

    /// The most memory that it had.
    pub(super) fn peak_mib(&self) -> Result<f64> {
        Ok(self.memory_kib("VmHWM:")? / 1024.0)
    }

    /// The memory that it has now.
    pub(super) fn resident_kib(&self) -> Result<f64> {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, which: &str) -> Result<f64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.with_context(|| format!("the kernel does not tell `{which}`"))
    }

    /// Asks it for something.
    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(
            process.context("the server has no number")?,
            signal,
        )?)
    }

    /// Waits until it tells a line that contains this.
    pub(super) fn wait_until_told(&self, text: &str) -> Result<()> {
        let until = Instant::now() + WAIT_MAX;
        let mut before = Vec::new();
        loop {
            match self
                .told
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return Ok(()),
                Ok(line) => before.push(line),
                Err(_) => bail!("`{}` never told `{text}`, but `{}`", self.name, before.join("\n")),
            }
        }
    }

    /// Waits until it has ended by itself.
    pub(super) fn wait_for_end(mut self) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > WAIT_MAX {
                bail!("`{}` has not ended after {WAIT_MAX:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on at the moment. The system does not choose it, since the ports that it chooses are also
/// those of clients: one that connects while the server is away would take the port, and find itself there.
pub(super) fn free_port() -> Result<u16> {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    let start = u16::try_from(std::process::id() % u32::from(COUNT))?;
    (0..COUNT)
        .map(|number| FIRST + (start + number) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no port is free")
}
