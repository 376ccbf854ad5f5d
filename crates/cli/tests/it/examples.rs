//! The apps in `examples/`, run as their READMEs say.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use weft_testing::weft::{Outcome, Run};
use weft_testing::{Scratch, guests};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// `weft COMMAND examples/NAME`.
fn weft(command: &str, name: &str) -> Run {
    crate::with_rust(crate::weft().arg(command).arg(folder(name)))
}

fn up(name: &str, words: &[&str]) -> Run {
    weft("up", name).arg("--").args(words)
}

#[test]
fn reading_a_neighbours_environment_files_and_arguments_finds_nothing() {
    let outcome = up("curious", &["Ada"]).run().with_code(0);
    assert_eq!(
        outcome.stdout(),
        "main has a token of 13 letters and a note of 25\n\
         hello, Ada! greeter found 0 variables, 0 files, and the command line [\"greeter\"]\n"
    );
}

#[test]
fn calling_out_from_a_dependency_ends_the_app() {
    let outcome = up("curious", &["network"]).run().with_code(134);
    let said = outcome.stderr();
    assert!(
        said.contains("component `greeter` was refused: call `create-tcp-socket`"),
        "{said}"
    );
    assert!(said.contains("wasi:sockets"), "{said}");
    assert!(
        !outcome.stdout().contains("the network was there"),
        "{}",
        outcome.stdout()
    );
}

/// The example that is partly in C, where there is a compiler for it.
fn report(command: &str) -> Option<Run> {
    let compiler = guests::c_compiler().ok()?;
    let run = weft(command, "report")
        .env("WASM_CC", compiler.command)
        .env("ZIG_GLOBAL_CACHE_DIR", &compiler.cache)
        .env("ZIG_LOCAL_CACHE_DIR", compiler.cache.join("local"));
    Some(run)
}

const PLANETS: &str = "\
planet   moons  discovered by
-------  -----  -------------------------
Mercury  0
Jupiter  97     Galilei, Galileo
Saturn   274    Huygens, Christiaan
Neptune  16     Galle, Johann \"Gottfried\"
";

#[test]
fn a_program_in_rust_shows_what_a_parser_in_c_has_read() {
    let Some(up) = report("up") else { return };
    let outcome = up.args(["--", "--title", "Planets"]).run().with_code(0);
    assert_eq!(outcome.stdout(), format!("Planets\n\n{PLANETS}"));
}

#[test]
fn a_parser_with_no_grant_can_do_nothing_at_worst() {
    let Some(check) = report("check") else { return };
    let outcome = check.args(["--build", "--explain", "parser"]).run().with_code(0);
    assert_eq!(
        outcome.stdout(),
        "what `parser` could do at worst\n  by itself\n    nothing of the host\n  within its limits\n    \
         32 MiB of memory\n    100000 elements of tables\n"
    );
    let Some(graph) = report("graph") else { return };
    let drawn = graph.arg("--build").run().with_code(0).stdout();
    assert!(drawn.contains("└─ parser\n     memory 32 MiB"), "{drawn}");
}

#[test]
fn a_hostile_file_is_a_message_with_its_line_and_markup_in_it_is_text() {
    let said = |text: &[u8]| -> Option<Outcome> {
        let up = report("up")?;
        Some(up.args(["--", "--html", "-"]).stdin(text).run())
    };
    for (text, expected) in [
        (
            &b"a,b\n1,\"2\n"[..],
            "error: -, line 2: a quote is opened and never closed\n",
        ),
        (
            b"a,b\n1,2\n1,2,3\n",
            "error: -, line 3: the row has another number of cells than the first\n",
        ),
        (
            b"\"a\"b\n",
            "error: -, line 1: behind a closing quote comes more of the cell\n",
        ),
        (
            b"a\nb\"c\n",
            "error: -, line 2: a quote stands inside a cell that does not begin with one\n",
        ),
        (b"", "error: -, line 1: the text is empty\n"),
        (b"\xff\xfe", "error: `-` is not UTF-8 text\n"),
    ] {
        let Some(outcome) = said(text) else { return };
        let outcome = outcome.with_code(1);
        assert!(outcome.stderr().ends_with(expected), "{outcome}");
        assert_eq!(outcome.stdout(), "");
    }
    let Some(outcome) = said(b"name\r\n\"<script>\nalert(\"\"hi\"\")</script>\"\r\n") else {
        return;
    };
    let page = outcome.with_code(0).stdout();
    assert!(
        page.contains("<tr><td>&lt;script&gt;\nalert(&quot;hi&quot;)&lt;/script&gt;</td></tr>"),
        "{page}"
    );
    // As much as the program passes on, in the form that makes the largest table of it.
    for text in [vec![b'\n'; 1 << 20], vec![b','; 1 << 20]] {
        let Some(outcome) = said(&text) else { return };
        assert!(outcome.with_code(0).stdout_bytes.len() > text.len());
    }
}

#[test]
fn the_report_and_the_redactor_are_components_for_any_host_too() {
    let scratch = Scratch::new();
    if let Some(compose) = report("compose") {
        let path = scratch.path().join("report.wasm");
        compose.args(["--standard", "-o"]).arg(&path).run().with_code(0);
        let data = crate::dir(&folder("report").join("data"), "::/data");
        let outcome = crate::weft()
            .args(["run", "--dir", &data])
            .arg(&path)
            .args(["--title", "Planets"])
            .run()
            .with_code(0);
        assert_eq!(outcome.stdout(), format!("Planets\n\n{PLANETS}"));
        let asked = crate::weft().arg("wit").arg(&path).run().with_code(0).stdout();
        assert!(!asked.contains("main:") && !asked.contains("parser:"), "{asked}");
    }
    // Not so where components may do different things with one interface: such a host cannot tell them apart.
    let path = scratch.path().join("redact.wasm");
    let said = weft("compose", "redact")
        .args(["--standard", "-o"])
        .arg(&path)
        .run()
        .with_code(1)
        .stderr();
    assert!(said.contains("wasi:cli/environment"), "{said}");
}

const LOG: &str = "\
2026-11-24T08:00:01Z login [hidden] from 192.0.2.7
2026-11-24T08:00:04Z report sent to [hidden], copy to [hidden]
2026-11-24T08:01:11Z disk at 71 % @ node 3
";

#[test]
fn a_stream_of_0_2_is_handed_to_components_that_can_open_none() {
    let outcome = up("redact", &["access.log"]).run().with_code(0);
    assert_eq!(outcome.stdout(), LOG);
    assert!(
        outcome
            .stderr()
            .ends_with("3 lines, 157 bytes, CRC-32 6a598432\n"),
        "{outcome}"
    );
    let worst = weft("check", "redact")
        .args(["--explain", "redactor"])
        .run()
        .with_code(0)
        .stdout();
    assert!(
        worst.contains("by itself\n    nothing of the host\n")
            && worst.contains("with handles that `main` and `tally` may hand to it"),
        "{worst}"
    );
}

#[test]
fn a_stream_of_0_3_flows_through_two_components() {
    let text = "one fish\ntwo\nred fish\nblue";
    let outcome = up("pipeline", &["fish"]).stdin(text).run().with_code(0);
    assert_eq!(outcome.stdout(), "     1  one fish\n     2  red fish\n");
    let outcome = up("pipeline", &[]).run().with_code(1);
    assert!(outcome.stderr().ends_with("usage: WORD\n"), "{outcome}");
}

/// Bytes that are pushed through; no component may have a tenth of it as memory.
const INPUT_BYTES: usize = 64 << 20;
/// Bytes that may be on their way between one end and the other while nobody reads.
const UNDERWAY_BYTES_MAX: u64 = 4 << 20;

/// What came out, and what was said, when `INPUT_BYTES` of a line went through an app.
struct Pushed {
    output: Vec<u8>,
    outcome: Outcome,
}

/// Pushes lines through an app: first while nobody reads, until it takes no more, and then to the end. Memory must
/// not grow with what goes through.
fn push(run: Run, line: &str) -> Pushed {
    let piece = line.repeat(INPUT_BYTES / 64 / line.len());
    let (running, mut stdin, mut stdout) = run.start_with_pipes();
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let writer = thread::spawn(move || {
        for _ in 0..64 {
            for part in piece.as_bytes().chunks(64 * 1024) {
                stdin.write_all(part).unwrap();
                counter.fetch_add(part.len() as u64, Ordering::Relaxed);
            }
        }
    });
    let mut output = vec![0; 1];
    stdout.read_exact(&mut output).unwrap();
    let stuck = wait_until_still(&taken);
    assert!(
        stuck < UNDERWAY_BYTES_MAX,
        "{stuck} bytes were taken while nobody read"
    );
    let before = running.peak_memory_bytes();
    (&mut stdout)
        .take(INPUT_BYTES as u64 / 4 * 3)
        .read_to_end(&mut output)
        .unwrap();
    let after = running.peak_memory_bytes();
    assert!(
        after < before + (8 << 20),
        "memory grew from {before} to {after} bytes"
    );
    stdout.read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    Pushed {
        output,
        outcome: running.ended().with_code(0),
    }
}

/// Waits until a number has not changed for a second, and says what it is.
fn wait_until_still(number: &AtomicU64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut last, mut since) = (number.load(Ordering::Relaxed), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        assert!(
            Instant::now() < deadline,
            "{last} bytes, and still more are taken"
        );
        thread::sleep(Duration::from_millis(20));
        let now = number.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

#[test]
fn sixty_four_mebibytes_flow_over_links_of_0_2_through_components_of_two() {
    let line = "an ordinary line of sixty-four bytes, sent by ada@example.com..\n";
    let pushed = push(up("redact", &[]), line);
    let hidden = line.replace("ada@example.com", "[hidden]");
    let lines = INPUT_BYTES / line.len();
    assert_eq!(pushed.output.len(), lines * hidden.len());
    assert!(
        pushed
            .output
            .chunks(hidden.len())
            .all(|part| part == hidden.as_bytes())
    );
    let said = pushed.outcome.stderr();
    assert!(said.contains(&format!("{lines} lines, ")), "{said}");
}

#[test]
fn sixty_four_mebibytes_flow_over_links_of_0_3_through_components_of_two() {
    lines_come_numbered(up("pipeline", &["fish"]));
}

/// Pushes lines with a fish through the pipeline: all of them come, each with its number.
fn lines_come_numbered(pipeline: Run) {
    let line = "an ordinary line of sixty-four bytes with a fish in the middle.\n";
    let pushed = push(pipeline, line);
    let lines = INPUT_BYTES / line.len();
    let mut expected = Vec::with_capacity(pushed.output.len());
    for number in 1..=lines {
        write!(expected, "{number:>6}  {line}").unwrap();
    }
    assert!(pushed.output == expected, "{} bytes", pushed.output.len());
}

#[test]
fn the_same_flows_over_isolated_links() {
    let readme = fs_err::read_to_string(folder("pipeline").join("README.md")).unwrap();
    let links = readme
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let manifest = fs_err::read_to_string(folder("pipeline").join("weft.toml")).unwrap();
    let here = format!("folder = \"{}/", folder("pipeline").display());
    let scratch = Scratch::new();
    scratch.file("weft.toml", manifest.replace("folder = \"", &here) + "\n" + links);
    let isolated = |word| {
        let up = crate::weft().arg("up").arg(scratch.path());
        crate::with_rust(up.args(["--", word]))
    };
    let outcome = isolated("fish").stdin("one fish\ntwo\nred fish\nblue").run();
    assert_eq!(
        outcome.with_code(0).stdout(),
        "     1  one fish\n     2  red fish\n"
    );
    lines_come_numbered(isolated("fish"));
}

/// The guestbook in a folder of its own, on a port of its own, with a book that nobody has written in.
fn guestbook() -> Scratch {
    let scratch = Scratch::new();
    let from = folder("guestbook");
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "book/Cargo.toml",
        "book/src/lib.rs",
        "book/wit/world.wit",
        "book/wit/deps/keyvalue/atomic.wit",
        "book/wit/deps/keyvalue/batch.wit",
        "book/wit/deps/keyvalue/store.wit",
        "book/wit/deps/keyvalue/watch.wit",
        "book/wit/deps/keyvalue/world.wit",
        "public/index.html",
        "public/style.css",
        "public/book.js",
    ] {
        scratch.file(file, fs_err::read(from.join(file)).unwrap());
    }
    let manifest = fs_err::read_to_string(from.join("weft.toml")).unwrap();
    scratch.file("weft.toml", manifest.replace("127.0.0.1:8080", "127.0.0.1:0"));
    scratch
}

fn open_guestbook(scratch: &Scratch) -> crate::serve::Served {
    let up = crate::weft().arg("up").arg(scratch.path());
    let up = up.env("WEFT_DATA_DIR", scratch.path().join("own"));
    crate::serve::Served::listening(crate::with_rust(up).start())
}

fn sign(served: &crate::serve::Served, text: &str) -> u16 {
    let request = format!(
        "POST /api/entries HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    served.send(&request).status
}

#[test]
fn a_guestbook_keeps_what_visitors_write() {
    let scratch = guestbook();
    let served = open_guestbook(&scratch);
    assert!(served.get("/").body.contains("<h1>Guestbook</h1>"));
    assert_eq!(served.get("/api/entries").body, "");
    assert_eq!(sign(&served, "  Ada was\nhere "), 201);
    assert_eq!(sign(&served, " \n"), 400);
    assert_eq!(sign(&served, &"x".repeat(20_000)), 413);
    assert!(served.get("/api/entries").body.contains("Ada was here\n"));
    assert_eq!(served.get("/../weft.toml").status, 404);
    served.end().with_code(0);
    assert!(scratch.path().join("own/apps/guestbook/stores/entries").is_dir());
    let served = open_guestbook(&scratch);
    assert_eq!(sign(&served, "Grace too"), 201);
    assert!(
        served
            .get("/api/entries")
            .body
            .contains("Ada was here\nGrace too\n")
    );
    served.end().with_code(0);
}

#[test]
fn one_line_moves_the_guestbook_to_redis() {
    let Some(server) = weft_testing::redis::Redis::start() else {
        return;
    };
    let scratch = guestbook();
    let line = format!("[store.entries]\nurl = \"{}\"\n", server.address());
    let manifest = scratch.read("weft.toml");
    assert!(manifest.contains("[store.entries]\n"));
    scratch.file("weft.toml", manifest.replace("[store.entries]\n", &line));
    let served = open_guestbook(&scratch);
    assert_eq!(sign(&served, "Ada was here"), 201);
    assert!(served.get("/api/entries").body.contains("Ada was here\n"));
    served.end().with_code(0);
    assert!(!scratch.path().join("own/apps").exists());
}

#[test]
fn one_line_moves_the_guestbook_to_postgres() {
    let Some(server) = weft_testing::postgres::Postgres::start() else {
        return;
    };
    let scratch = guestbook();
    let line = format!("[store.entries]\nurl = \"{}\"\n", server.address());
    let manifest = scratch.read("weft.toml");
    scratch.file("weft.toml", manifest.replace("[store.entries]\n", &line));
    let served = open_guestbook(&scratch);
    assert_eq!(sign(&served, "Ada was here"), 201);
    assert!(served.get("/api/entries").body.contains("Ada was here\n"));
    served.end().with_code(0);
    assert!(!scratch.path().join("own/apps").exists());
}

/// The example whose library has mistakes, its link in this mode.
fn preview(mode: &str) -> (Scratch, crate::serve::Served) {
    let scratch = Scratch::new();
    let from = folder("preview");
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "page/Cargo.toml",
        "page/src/lib.rs",
        "markup/Cargo.toml",
        "markup/src/lib.rs",
        "wit/preview.wit",
        "public/index.html",
    ] {
        scratch.file(file, fs_err::read(from.join(file)).unwrap());
    }
    let manifest = fs_err::read_to_string(from.join("weft.toml")).unwrap();
    let manifest = manifest.replace("127.0.0.1:8080", "127.0.0.1:0");
    let lines = manifest
        .lines()
        .filter(|line| mode == "isolated" || !line.starts_with("on-failure"));
    let manifest: String = lines
        .map(|line| line.replace("\"isolated\"", &format!("\"{mode}\"")) + "\n")
        .collect();
    scratch.file(
        "weft.toml",
        manifest.replace("body-size", "response-timeout = \"2s\"\nbody-size"),
    );
    let up = crate::with_rust(crate::weft().arg("up").arg(scratch.path()));
    let served = crate::serve::Served::listening(up.start());
    (scratch, served)
}

fn shown(served: &crate::serve::Served, text: &str) -> (u16, String) {
    let response = served.send(&format!(
        "POST /api/preview HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    ));
    (response.status, response.body)
}

#[test]
fn a_library_loops_traps_and_eats_memory_and_the_page_says_so() {
    let (_scratch, served) = preview("isolated");
    let deep = ">".repeat(100_000);
    for text in ["never *closed", "][ ", "[100000000 x]", &deep] {
        let (status, body) = shown(&served, text);
        assert_eq!(status, 422, "{body}");
        assert!(body.contains("the library failed on this text"), "{body}");
        let (status, body) = shown(&served, "> *fine*");
        assert_eq!(status, 200);
        assert!(body.contains("<blockquote><p> <em>fine</em></p>"), "{body}");
    }
    assert_eq!(
        shown(&served, " ").1.matches("there is nothing to show").count(),
        1
    );
    let said = served.end().stderr();
    assert!(said.contains("component `markup` failed"), "{said}");
}

#[test]
fn the_same_library_fused_takes_the_page_along() {
    let (_scratch, served) = preview("fused");
    assert_eq!(shown(&served, "> *fine*").0, 200);
    assert_eq!(shown(&served, "][ ").0, 500);
    assert_eq!(shown(&served, "never *closed").0, 504);
    served.end();
}

#[test]
fn a_browser_shows_the_guestbook_and_entries_only_as_text() {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| std::process::Command::new(name).arg("--version").output().is_ok())
    else {
        eprintln!("skipped: there is no Chromium to look with");
        return;
    };
    let scratch = guestbook();
    let served = open_guestbook(&scratch);
    assert_eq!(sign(&served, "Ada was here"), 201);
    assert_eq!(sign(&served, "<b onclick=alert(1)>Mallory</b>"), 201);
    let profile = scratch.folder("profile");
    let page = std::process::Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://{}/", served.address))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&page.stdout);
    assert!(shown.contains("<li>Ada was here</li>"), "{shown}");
    assert!(
        shown.contains("<li>&lt;b onclick=alert(1)&gt;Mallory&lt;/b&gt;</li>"),
        "{shown}"
    );
    served.end().with_code(0);
}
