//! `weft serve FOLDER`: components that are loaded when somebody asks for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use weft_testing::{Scratch, guest};

use crate::serve::{Served, source};

/// A folder with a component of each kind.
fn folder() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("hello.wat", source("hello world"));
    for (name, of) in [("web", "web"), ("web-next", "web_p3")] {
        scratch.file(format!("{name}.wasm"), fs_err::read(guest(of)).unwrap());
    }
    scratch
}

#[test]
fn every_component_of_a_folder_answers_below_its_name() {
    let scratch = folder();
    let served = Served::start(scratch.path(), &[]);
    assert_eq!(served.get("/hello").body, "hello world");
    assert_eq!(served.get("/hello/and/more?of=it").body, "hello world");
    for name in ["web", "web-next"] {
        assert!(
            served.get(&format!("/{name}")).body.contains("hello world"),
            "{name}"
        );
    }
    for path in ["/", "/other", "/hello.wat", "/../hello", "//hello", "/%68ello"] {
        assert!([400, 404].contains(&served.get(path).status), "{path}");
    }
    let said = served.end().with_code(0).stderr();
    assert!(said.contains("has 3 functions"), "{said}");
    assert!(!said.contains("failed"), "{said}");
}

#[test]
fn a_component_that_is_put_into_the_folder_answers_at_once() {
    let scratch = folder();
    let mut served = Served::start(scratch.path(), &[]);
    assert_eq!(served.get("/later").status, 404);
    scratch.file("later.wat", source("hello later"));
    assert_eq!(served.get("/later").body, "hello later");
    // One that has been loaded stays as it was until somebody says so.
    scratch.file("later.wat", source("hello again"));
    assert_eq!(served.get("/later").body, "hello later");
    served.running.hang_up();
    served.running.wait_for_stderr("reloaded");
    assert_eq!(served.get("/later").body, "hello again");
    served.end().with_code(0);
}

#[test]
fn a_server_is_found_by_what_it_serves_and_told_to_reload() {
    let scratch = folder();
    let home = std::sync::Arc::new(Scratch::new());
    let reload = |path: &std::path::Path| crate::weft().home(&home).arg("reload").arg(path).run();
    let said = reload(scratch.path()).with_code(1).stderr();
    assert!(said.contains("nobody serves"), "{said}");
    let running = crate::weft()
        .home(&home)
        .args(["serve", "--addr", "127.0.0.1:0"])
        .arg(scratch.path())
        .start();
    let mut served = Served::listening(running);
    assert_eq!(served.get("/hello").body, "hello world");
    scratch.file("hello.wat", source("hello again"));
    assert!(
        reload(scratch.path())
            .with_code(0)
            .stderr()
            .contains("asked process")
    );
    served.running.wait_for_stderr("reloaded");
    assert_eq!(served.get("/hello").body, "hello again");
    // Another folder is served by nobody, and after its end this one is not either.
    reload(Scratch::new().path()).with_code(1);
    served.end().with_code(0);
    reload(scratch.path()).with_code(1);
}

#[test]
fn a_file_that_is_no_component_harms_nobody_else() {
    let scratch = folder();
    scratch.file("broken.wasm", "no component");
    scratch.file("module.wat", "(module)");
    scratch.file("Badly_named.wasm", "");
    let served = Served::start(scratch.path(), &[]);
    for path in ["/broken", "/module", "/broken"] {
        let response = served.get(path);
        assert_eq!(response.status, 500, "{path}");
        assert!(!response.body.contains("component"), "{response:?}");
    }
    assert_eq!(served.get("/hello").body, "hello world");
    let said = served.end().with_code(0).stderr();
    assert!(said.contains("function `broken` cannot be loaded"), "{said}");
    assert!(said.contains("Badly_named.wasm` answers nothing"), "{said}");
}

#[test]
fn more_components_than_may_stay_loaded_answer_all_the_same() {
    let scratch = Scratch::new();
    for number in 0..6 {
        scratch.file(format!("f{number}.wat"), source(&format!("hello no. {number}")));
    }
    let served = Served::start(scratch.path(), &["--loaded", "2"]);
    for round in 0..3 {
        for number in 0..6 {
            let expected = format!("hello no. {number}");
            assert_eq!(served.get(&format!("/f{number}")).body, expected, "{round}");
        }
    }
    served.end().with_code(0);
}

#[test]
fn many_who_ask_for_what_is_not_compiled_yet_wait_for_one_compiler() {
    let scratch = folder();
    let served = Served::start(scratch.path(), &[]);
    let address = &served.address;
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream
                    .write_all(b"GET /web HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                    .unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.contains("hello world"), "{answer}");
            });
        }
    });
    served.end().with_code(0);
}

#[test]
fn what_flags_grant_is_granted_to_each_component_and_nothing_else() {
    // This guest does what its whole path says, and this is the folder's and its path.
    let scratch = Scratch::new();
    scratch.file("env.wasm", fs_err::read(guest("web")).unwrap());
    scratch.file("slow.wasm", fs_err::read(guest("web")).unwrap());
    let mut served = Served::start(scratch.path(), &["--env", "TOWN=Ulm", "--clock", "none"]);
    assert!(served.get("/env").body.contains("TOWN=Ulm"));
    assert_eq!(served.get("/slow?ms=1").status, 500);
    served.running.wait_for_stderr("--clock");
    served.end().with_code(0);
}

#[test]
fn a_refusal_is_told_when_it_first_happens() {
    let mut served = Served::start(&guest("web"), &["--clock", "none"]);
    for _ in 0..3 {
        assert_eq!(served.get("/slow?ms=1").status, 500);
    }
    served.running.wait_for_stderr("denied: ");
    let said = served.end().with_code(0).stderr();
    assert!(said.contains("--clock real"), "{said}");
    assert_eq!(said.matches("denied: ").count(), 1, "{said}");
}

#[test]
fn compiled_functions_are_served_without_their_source() {
    let scratch = Scratch::new();
    let made = crate::weft()
        .args(["compile", "--serving", "-o"])
        .arg(scratch.path().join("hello.cwasm"))
        .arg(guest("http-hello.wat"))
        .timeout(Duration::from_secs(60));
    let home = std::sync::Arc::new(Scratch::new());
    made.home(&home).run().with_code(0);
    let running = crate::weft()
        .home(&home)
        .args(["serve", "--addr", "127.0.0.1:0"])
        .arg(scratch.path())
        .start();
    let served = Served::listening(running);
    assert_eq!(served.get("/hello").body, "hello world");
    served.end().with_code(0);
}
