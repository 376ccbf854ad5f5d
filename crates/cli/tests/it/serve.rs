//! `weft serve`: requests in, responses out, and what happens when guests, clients or signals misbehave.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use weft_testing::weft::{Outcome, Running};
use weft_testing::{Scratch, guest};

use crate::weft;

/// One guest for each release of WASI; the path of a request says what they do.
const GUESTS: [&str; 2] = ["web", "web_p3"];

/// A served program.
pub(crate) struct Served {
    pub(crate) running: Running,
    pub(crate) address: String,
}

/// What stands behind a text on the line that says it.
fn told_after(running: &mut Running, text: &str) -> String {
    running.wait_for_stderr(text);
    let said = running.stderr();
    said.split(text)
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap()
        .to_owned()
}

impl Served {
    pub(crate) fn start(program: &Path, flags: &[&str]) -> Self {
        let running = weft()
            .args(["serve", "--addr", "127.0.0.1:0"])
            .args(flags)
            .arg(program)
            .start();
        Self::listening(running)
    }

    pub(crate) fn listening(mut running: Running) -> Self {
        let address = told_after(&mut running, "on http://");
        Self { running, address }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n"
        ))
    }

    pub(crate) fn send(&self, request: &str) -> Response {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        Response::read(stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    pub(crate) fn end(self) -> Outcome {
        self.running.terminate();
        self.running.ended()
    }
}

/// Everything that came until the connection was closed.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    /// Without the frames of its chunks: whether a body is sent in chunks hangs on how soon its guest ends it.
    pub(crate) body: String,
    /// Whether the body's end was seen and not only the connection's.
    whole: bool,
}

impl Response {
    fn read(mut stream: impl std::io::Read) -> Self {
        let mut all = Vec::new();
        // A response that is cut off ends the connection in whatever way.
        let _ = stream.read_to_end(&mut all);
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, framed) = end.map_or((&all[..], &[][..]), |end| (&all[..end], &all[end + 4..]));
        let head = String::from_utf8_lossy(head).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (body, whole) = if head.contains("transfer-encoding: chunked") {
            without_chunks(framed)
        } else {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
            (framed.to_vec(), length == Some(framed.len()))
        };
        Self {
            status: status.unwrap_or(0),
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
            whole,
        }
    }
}

/// What the chunks hold, and whether the last of them came.
fn without_chunks(mut framed: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = framed.windows(2).position(|two| two == b"\r\n") {
        let size = str::from_utf8(&framed[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let rest = &framed[end + 2..];
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        framed = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

#[test]
fn a_component_answers_requests() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        let response = served.get("/hello");
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert!(response.body.contains("hello world"), "{name}: {response:?}");
        assert!(response.head.contains("x-request-id: "), "{response:?}");
        let head = served.get("/headers").body;
        assert!(
            head.contains("authority example.com") && head.contains("scheme http\n"),
            "{head}"
        );
        served.end().with_code(0);
    }
}

#[test]
fn text_is_served_too() {
    let served = Served::start(&guest("http-hello.wat"), &[]);
    assert_eq!(served.get("/").body, "hello world");
    served.end().with_code(0);
}

#[test]
fn a_trap_is_a_500_whose_details_stay_in_the_log() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        let response = served.get("/trap");
        assert_eq!(response.status, 500, "{response:?}");
        assert!(!response.body.contains("trap"), "{response:?}");
        let id = response
            .head
            .split("x-request-id: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        assert!(response.body.contains(&id), "{response:?}");
        // The next request has an instance of its own.
        assert_eq!(served.get("/hello").status, 200);
        let said = served.end().with_code(0).stderr();
        assert!(said.contains(&id) && said.contains("unreachable"), "{said}");
    }
}

#[test]
fn a_developer_sees_what_went_wrong() {
    let served = Served::start(&guest("web"), &["--dev"]);
    let response = served.get("/trap");
    assert_eq!(response.status, 500);
    assert!(response.body.contains("unreachable"), "{response:?}");
    served.end().with_code(0);
}

#[test]
fn a_guest_that_never_answers_is_cut_at_its_deadline_and_stalls_nobody() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &["--response-timeout", "700ms", "--threads", "1"]);
        let mut spinning = served.connect();
        spinning
            .write_all(b"GET /spin HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")
            .unwrap();
        let started = Instant::now();
        for _ in 0..3 {
            assert_eq!(served.get("/hello").status, 200);
        }
        assert_eq!(served.get("/slow?ms=60000").status, 504);
        assert_eq!(Response::read(spinning).status, 504, "{name}");
        assert!(started.elapsed() < Duration::from_secs(20));
        assert_eq!(served.get("/hello").status, 200);
        served.end().with_code(0);
    }
}

#[test]
fn memory_beyond_the_limit_is_a_500_and_says_so_in_the_log() {
    let served = Served::start(&guest("web"), &["--memory", "8MiB"]);
    assert_eq!(served.get("/memory?mib=4").status, 200);
    assert_eq!(served.get("/memory?mib=40").status, 500);
    let said = served.end().with_code(0).stderr();
    assert!(said.contains("its limit is 8 MiB"), "{said}");
}

#[test]
fn a_response_that_breaks_off_is_not_taken_for_a_whole_one() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        let response = served.get("/late-trap");
        assert!(
            !response.whole,
            "{name}: a response that was cut off looks whole: {response:?}"
        );
        let short = served.get("/short");
        assert!(short.status != 200 || short.body.len() < 100, "{short:?}");
        served.end().with_code(0);
    }
}

#[test]
fn requests_share_nothing_unless_instances_are_reused() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        for _ in 0..3 {
            assert!(served.get("/count").body.contains("1\n"), "{name}");
        }
        served.end().with_code(0);
        let served = Served::start(
            &guest(name),
            &["--reuse", "2", "--reuse-idle", "1m", "--threads", "1"],
        );
        let counts: Vec<bool> = (0..4)
            .map(|_| served.get("/count").body.contains("2\n"))
            .collect();
        assert_eq!(counts, [false, true, false, true], "{name}");
        served.end().with_code(0);
    }
}

#[test]
fn a_served_program_has_only_what_was_granted() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        assert!(!served.get("/env").body.contains('='), "{name}");
        served.end().with_code(0);
        let served = Served::start(&guest(name), &["--env", "SECRET=42"]);
        assert!(served.get("/env").body.contains("SECRET=42"), "{name}");
        served.end().with_code(0);
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_ends() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        let mut slow = served.connect();
        slow.write_all(b"GET /slow?ms=1000 HTTP/1.1\r\nhost: example.com\r\n\r\n")
            .unwrap();
        // An idle connection is no reason to wait.
        let _idle = served.connect();
        std::thread::sleep(Duration::from_millis(300));
        served.running.terminate();
        let response = Response::read(slow);
        assert_eq!(response.status, 200, "{name}: {response:?}");
        served.running.ended().with_code(0);
    }
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let served = Served::start(&guest("web"), &[]);
    let mut slow = served.connect();
    slow.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nhost: example.com\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut running = served.running;
    running.terminate();
    running.wait_for_stderr("draining");
    let started = Instant::now();
    running.terminate();
    running.ended().with_code(143);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_changed_program_is_swapped_in_without_losing_a_request() {
    let scratch = Scratch::new();
    let program = scratch.file("site.wat", source("hello world"));
    let mut served = Served::start(&program, &[]);
    assert_eq!(served.get("/").body, "hello world");
    scratch.file("site.wat", source("hello weft!"));
    served.running.hang_up();
    served.running.wait_for_stderr("reloaded");
    assert_eq!(served.get("/").body, "hello weft!");
    // What cannot be served changes nothing.
    scratch.file("site.wat", "(component");
    served.running.hang_up();
    served.running.wait_for_stderr("was not reloaded");
    assert_eq!(served.get("/").body, "hello weft!");
    served.end().with_code(0);
}

/// The smallest guest, with other words of the same length.
pub(crate) fn source(words: &str) -> String {
    assert_eq!(words.len(), 11);
    let text = include_str!("../../../../guests/wat/http-hello.wat");
    text.replace("\"hello world\"", &format!("\"{words}\""))
}

#[test]
fn a_unix_socket_is_listened_on_and_removed() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("site.sock");
    let mut running = weft()
        .args(["serve", "--addr", &format!("unix:{}", socket.display())])
        .arg(guest("web"))
        .start();
    running.wait_for_stderr("on unix:");
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(Response::read(stream).status, 200);
    running.terminate();
    running.ended().with_code(0);
    assert!(!socket.exists());
}

#[test]
fn what_answers_no_requests_is_not_served() {
    let refused = weft()
        .args(["serve", "--addr", "127.0.0.1:0"])
        .arg(guest("hello.p2"))
        .run();
    let said = refused.with_code(1).stderr();
    assert!(said.contains("wasi:http/incoming-handler"), "{said}");
    let refused = weft()
        .args(["serve", "--addr", "no address"])
        .arg(guest("web"))
        .run();
    let said = refused.with_code(2).stderr();
    assert!(said.contains("127.0.0.1:8080"), "{said}");
}

#[test]
fn a_second_server_on_the_same_port_is_told_so() {
    let served = Served::start(&guest("web"), &[]);
    let refused = weft()
        .args(["serve", "--addr", &served.address])
        .arg(guest("web"))
        .run()
        .with_code(1)
        .stderr();
    assert!(refused.contains("cannot listen on"), "{refused}");
    served.end().with_code(0);
}

#[test]
fn health_and_numbers_are_shown_elsewhere() {
    let served = Served::start(&guest("web"), &["--admin", "127.0.0.1:0"]);
    let mut running = served.running;
    let admin = told_after(&mut running, "health and numbers on http://");
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&admin).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        Response::read(stream)
    };
    assert_eq!(ask("/livez").status, 200);
    assert_eq!(ask("/readyz").status, 200);
    assert!(ask("/metrics").body.contains("weft_"), "{:?}", ask("/metrics"));
    running.terminate();
    running.ended().with_code(0);
}

#[test]
fn a_store_that_is_away_is_seen_on_the_health_page_until_it_is_back() {
    let Some(mut server) = weft_testing::redis::Redis::start() else {
        return;
    };
    let scratch = Scratch::new();
    scratch.file(
        "weft.toml",
        format!(
            "[app]\nname = \"shop\"\n[component.page]\nsource = '{}'\n\
             grants = {{ keyvalue = [\"far\", \"near\"], stdio = \"all\", clock = \"real\", random = \"real\", env = [] }}\n\
             [store.near]\npath = \"near\"\n[store.far]\nurl = \"{}\"\ntimeout = \"200ms\"\n\
             [trigger.http]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n",
            guest("web").display(),
            server.address()
        ),
    );
    let mut running = weft().arg("up").arg(scratch.path()).start();
    let admin = told_after(&mut running, "health and numbers on http://");
    let ask = || {
        let mut stream = TcpStream::connect(&admin).unwrap();
        write!(
            stream,
            "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        Response::read(stream)
    };
    let wait_for = |status: u16, text: &str| {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let response = ask();
            if response.status == status && response.body.contains(text) {
                return;
            }
            assert!(Instant::now() < until, "{response:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait_for(200, "store far: works\nstore near: works\n");
    server.stop();
    wait_for(503, "store near: works\n");
    server.start_again();
    wait_for(200, "store far: works\nstore near: works\n");
    running.terminate();
    running.ended().with_code(0);
}

#[test]
fn a_body_is_echoed_as_it_comes() {
    for name in GUESTS {
        let served = Served::start(&guest(name), &[]);
        let mut stream = served.connect();
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
            .unwrap();
        stream.write_all(b"5\r\nfirst\r\n").unwrap();
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"first") {
            assert_eq!(
                stream.read(&mut byte).unwrap(),
                1,
                "{name}: {}",
                String::from_utf8_lossy(&seen)
            );
            seen.push(byte[0]);
        }
        stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(String::from_utf8_lossy(&rest).contains("second"), "{name}");
        served.end().with_code(0);
    }
}

/// What a process has of memory now.
fn resident_kib(process: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Connections that have had one answer each.
fn answered_connections(served: &Served, count: usize) -> Vec<TcpStream> {
    let ask = |_| {
        let mut stream = served.connect();
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n")
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello world") {
            let mut bytes = [0; 1024];
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&bytes[..length]);
        }
        stream
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_crowd_of_idle_connections_costs_little_once_it_is_idle() {
    const COUNT: usize = 600;
    let served = Served::start(&guest("http-hello.wat"), &[]);
    drop(answered_connections(&served, 50));
    let before = resident_kib(served.running.id());
    let idle = answered_connections(&served, COUNT);
    let each = || resident_kib(served.running.id()).saturating_sub(before) / COUNT as u64;
    // At first each has a parser and its buffers. These are put away, and then the memory is given back though
    // nobody asks for anything.
    let until = Instant::now() + Duration::from_secs(20);
    while each() > 10 {
        assert!(Instant::now() < until, "{} KiB for each connection", each());
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(idle);
    served.end().with_code(0);
}

#[test]
fn a_server_opens_as_many_files_as_the_system_allows_and_not_only_as_many_as_it_was_started_with() {
    let running = weft_testing::weft::Run::new("/bin/sh")
        .args([
            "-c",
            "ulimit -S -n 64 && exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_weft"),
        ])
        .args(["serve", "--addr", "127.0.0.1:0"])
        .arg(guest("http-hello.wat"))
        .start();
    let served = Served::listening(running);
    let open = answered_connections(&served, 200);
    assert_eq!(open.len(), 200);
    served.end().with_code(0);
}

#[test]
fn guests_in_the_background_stand_behind_the_server_however_nice_it_is_and_their_threads_end_with_them() {
    let running = weft_testing::weft::Run::new("/usr/bin/env")
        .args(["nice", "-n", "7", env!("CARGO_BIN_EXE_weft")])
        .args(["serve", "--addr", "127.0.0.1:0", "--response-timeout", "2s"])
        .arg(guest("web"))
        .start();
    let served = Served::listening(running);
    assert_eq!(served.get("/hello").status, 200);
    let tasks = format!("/proc/{}/task", served.running.id());
    let niceness = |name: &str| -> Vec<i32> {
        let mut found = Vec::new();
        for task in fs_err::read_dir(&tasks).unwrap() {
            // A thread may have ended meanwhile.
            let Ok(stat) = fs_err::read_to_string(task.unwrap().path().join("stat")) else {
                continue;
            };
            let (before, after) = stat.rsplit_once(')').unwrap();
            if before.contains(name) {
                found.push(after.split_whitespace().nth(16).unwrap().parse().unwrap());
            }
        }
        found
    };
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < end, "{what}: {:?}", niceness("(weft-background"));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let are_all = |name: &str, expected: i32| {
        let found = niceness(name);
        !found.is_empty() && found.iter().all(|niceness| *niceness == expected)
    };
    assert!(are_all("(serve-", 7), "{:?}", niceness("(serve-"));
    assert!(niceness("(weft-background").is_empty());
    for _ in 0..2 {
        let mut spinning = served.connect();
        spinning
            .write_all(b"GET /spin HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")
            .unwrap();
        // The threads take their place when they begin, which nobody waits for.
        until("niceness", &|| are_all("(weft-background", 17));
        assert_eq!(Response::read(spinning).status, 504);
        until("end", &|| niceness("(weft-background").is_empty());
    }
    served.end().with_code(0);
}

/// How often the threads of a process have gone to sleep by themselves.
fn times_asleep(process: u32) -> u64 {
    let mut times = 0;
    for task in fs_err::read_dir(format!("/proc/{process}/task")).unwrap() {
        let status = fs_err::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        times += line.unwrap().trim().parse::<u64>().unwrap();
    }
    times
}

#[test]
fn a_server_with_nothing_to_do_sleeps_and_wakes_for_a_guest_that_does_not_end() {
    for interruption in ["counted", "epochs"] {
        let flags = ["--interruption", interruption, "--response-timeout", "700ms"];
        let served = Served::start(&guest("web"), &[&flags[..], &["--threads", "1"]].concat());
        assert_eq!(served.get("/hello").status, 200);
        let mut fewest = u64::MAX;
        let until = Instant::now() + Duration::from_secs(30);
        // Counting guests by the clock would be a thousand times a second.
        while fewest > 30 {
            assert!(Instant::now() < until, "{interruption}: {fewest} times a second");
            let before = times_asleep(served.running.id());
            std::thread::sleep(Duration::from_secs(1));
            fewest = fewest.min(times_asleep(served.running.id()) - before);
        }
        let mut spinning = served.connect();
        spinning
            .write_all(b"GET /spin HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")
            .unwrap();
        assert_eq!(served.get("/hello").status, 200);
        assert_eq!(Response::read(spinning).status, 504);
        served.end().with_code(0);
    }
}
