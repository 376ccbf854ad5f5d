//! A server under test: started, waited for, watched, ended.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::contests::Entrant;

/// How long a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    name: String,
    url: String,
}

impl Server {
    /// Starts a server on a free port, and waits until it accepts connections.
    pub(super) fn start(entrant: &Entrant) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(&entrant.program);
        command
            .args(
                entrant
                    .arguments
                    .iter()
                    .map(|word| word.replace("PORT", &port.to_string())),
            )
            .env_clear()
            .env("HOME", &entrant.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self {
            child,
            name: entrant.name.clone(),
            url: format!("http://127.0.0.1:{port}{}", entrant.path),
        };
        server.wait(port)?;
        Ok(server)
    }

    fn wait(&mut self, port: u16) -> Result<()> {
        let started = Instant::now();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "`{}` ended with {status} before it accepted connections",
                    self.name
                );
            }
            if started.elapsed() > START_MAX {
                bail!("`{}` accepts no connections after {START_MAX:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> &str {
        &self.url
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

    pub(super) fn peak_mib(&self) -> Result<f64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.context("the kernel does not tell the peak memory")? / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
