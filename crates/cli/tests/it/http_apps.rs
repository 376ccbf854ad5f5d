//! Apps that answer HTTP requests: what is wrong with them, how they are shown, and what they become.

use std::path::PathBuf;

use weft_testing::weft::Run;
use weft_testing::{Scratch, guest};

use crate::serve::Served;

/// A component that answers, and grants for everything that the guests of both releases ask for.
fn answering(name: &str, source: &str) -> String {
    let source = guest(source);
    format!(
        "[component.{name}]\nsource = '{}'\ngrants = {{ env = [], stdio = \"all\", clock = \"real\", random = \"real\" }}\n",
        source.display()
    )
}

/// The same, handing requests on to another.
fn relay(name: &str, source: &str, handler: &str, next: &str) -> String {
    let source = guest(source);
    format!(
        "[component.{name}]\nsource = '{}'\nlinks = {{ \"{handler}\" = \"{next}\" }}\n",
        source.display()
    )
}

fn app(manifest: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.file("weft.toml", manifest);
    scratch
}

fn weft(command: &str, app: &Scratch) -> Run {
    crate::weft().arg(command).arg(app.path())
}

/// One component of what is entered, as other hosts take it.
fn compose(app: &Scratch, flags: &[&str]) -> PathBuf {
    let path = app.path().join("composed.wasm");
    weft("compose", app)
        .args(flags)
        .args(["--standard", "-o"])
        .arg(&path)
        .run()
        .with_code(0);
    path
}

fn shop() -> Scratch {
    let app = app(&format!(
        "{}{}{}[trigger.command]\ncomponent = \"task\"\n\
         [trigger.http]\nlisten = [\"127.0.0.1:0\", \"unix:app.sock\"]\nadmin = \"127.0.0.1:9090\"\n\
         [trigger.http.route.api]\npath = \"/api/*\"\nmethods = [\"GET\"]\ncomponent = \"api\"\n\
         [trigger.http.route.public]\npath = \"/public/*\"\nfiles = \"public\"\n\
         [trigger.http.route.rest]\ncomponent = \"site\"\n",
        answering("site", "http-hello.wat"),
        answering("api", "web_p3") + "reuse = { requests = 100, concurrent = 8 }\n",
        format_args!(
            "[component.task]\nsource = '{}'\n",
            guest("command-component.wat").display()
        ),
    ));
    app.folder("public");
    app
}

#[test]
fn a_component_and_one_header_are_an_app_that_answers() {
    let app = app(&format!(
        "{}[trigger.http]\n",
        answering("main", "http-hello.wat")
    ));
    let said = weft("check", &app).run().with_code(0).stdout();
    assert_eq!(
        said,
        format!(
            "listens on 127.0.0.1:8080\nroute `main`, /*: component `main`, a fresh instance for every request\n\
             app `{}` is fine: 1 component\n",
            said.split('`').nth(5).unwrap()
        )
    );
    let served = Served::start(&compose(&app, &[]), &[]);
    assert_eq!(served.get("/").body, "hello world");
    served.end().with_code(0);
}

#[test]
fn a_check_says_who_answers_what_and_how_instances_live() {
    let said = weft("check", &shop()).run().with_code(0).stdout();
    for part in [
        "listens on 127.0.0.1:0\n",
        "app.sock\n",
        "shows health and numbers on 127.0.0.1:9090\n",
        "route `api`, GET /api/*: component `api`, an instance for 100 requests, 8 at a time, kept 1 s without one\n",
        "route `public`, /public/*: files of `",
        "route `rest`, /*: component `site`, a fresh instance for every request\n",
        "`weft run` runs component `task`\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = weft("check", &shop())
        .args(["--explain", "api"])
        .run()
        .with_code(0)
        .stdout();
    assert!(
        said.contains("HTTP requests for GET /api/* (route `api`)"),
        "{said}"
    );
}

#[test]
fn every_form_of_drawing_shows_routes_and_files() {
    let app = shop();
    for form in ["text", "svg", "mermaid", "dot"] {
        let drawn = weft("graph", &app)
            .args(["--format", form])
            .run()
            .with_code(0)
            .stdout();
        for part in [
            "HTTP",
            "GET /api/* (api)",
            "/public/* (public)",
            "listens on 127.0.0.1:0",
            "8 at a time",
        ] {
            assert!(drawn.contains(part), "{form}: {part}: {drawn}");
        }
    }
}

#[test]
fn each_way_into_an_app_is_composed_by_its_name() {
    let app = shop();
    let whole = app.path().join("whole.wasm");
    let compose = |flags: &[&str]| weft("compose", &app).args(flags).arg("-o").arg(&whole).run();
    let said = compose(&[]).with_code(2).stderr();
    assert!(
        said.contains("entered in several ways") && said.contains("`task:command`, `api:http`, `site:http`"),
        "{said}"
    );
    let said = compose(&["--entry", "nobody"]).with_code(2).stderr();
    assert!(said.contains("no way into the app is called `nobody`"), "{said}");
    for (entry, export) in [
        ("task", "wasi:cli/run@0.2"),
        ("api:http", "wasi:http/handler@0.3"),
        ("site", "wasi:http/incoming-handler@0.2"),
    ] {
        compose(&["--entry", entry]).with_code(0);
        let wit = crate::weft().arg("wit").arg(&whole).run().with_code(0).stdout();
        let exports: Vec<&str> = wit
            .lines()
            .filter(|line| line.trim_start().starts_with("export "))
            .collect();
        assert!(exports.len() == 1 && exports[0].contains(export), "{wit}");
    }
}

#[test]
fn a_chain_of_handlers_answers_as_the_last_of_them() {
    for (relays, handler, last) in [
        ("http-relay.wat", "wasi:http/incoming-handler", "web"),
        ("http-relay-p3.wat", "wasi:http/handler", "web_p3"),
    ] {
        let app = app(&format!(
            "{}{}{}[trigger.http]\ncomponent = \"front\"\n",
            relay("front", relays, handler, "middle"),
            relay("middle", relays, handler, "site"),
            answering("site", last),
        ));
        weft("check", &app).run().with_code(0);
        let served = Served::start(&compose(&app, &[]), &[]);
        // A body of 0.3 comes in pieces.
        assert!(served.get("/hello").body.contains("hello world\n"), "{last}");
        assert_eq!(served.get("/status?code=418").status, 418, "{last}");
        assert_eq!(served.get("/trap").status, 500, "{last}");
        served.end().with_code(0);
    }
}

#[test]
fn requests_of_0_2_that_go_out_lead_to_no_component() {
    let front = format!(
        "[component.front]\nsource = '{}'\nlinks = {{ \"wasi:http/outgoing-handler\" = \"site\" }}\ngrant-on-use = \"trap\"\n",
        guest("http_client").display()
    );
    let app = app(&format!("{front}{}", answering("site", "http-hello.wat")));
    let said = weft("check", &app).run().with_code(2).stderr();
    assert!(
        said.contains("by importing `wasi:http/incoming-handler` itself"),
        "{said}"
    );
}

#[test]
fn what_a_served_app_lacks_is_told_with_its_line() {
    let head = answering("main", "http-hello.wat");
    for (manifest, parts) in [
        (
            "[trigger.http.route.a]\npath = \"/a/*\"\nfiles = \"absent\"\n[trigger.http.route.b]\ncomponent = \"main\"\n",
            &["there is no folder `", "absent", "weft.toml:6:9"][..],
        ),
        (
            "[trigger.http.route.a]\nfiles = \"weft.toml\"\n",
            &["is no folder", "weft.toml:5:9"],
        ),
        (
            "[trigger.http]\nlisten = { address = \"127.0.0.1:0\", certificate = \"c.pem\", key = \"k.pem\" }\n",
            &["there is no file `", "c.pem", "k.pem", "weft.toml:5:"],
        ),
        (
            "[component.library]\nsource = \"library.wat\"\n[trigger.http.route.a]\ncomponent = \"library\"\n",
            &[
                "route `a` leads to component `library`, which answers no HTTP requests",
                "weft.toml:6:1",
            ],
        ),
        (
            "[component.other]\nsource = \"hello.wat\"\n[trigger.http]\nadmin = \"127.0.0.1:9\"\n",
            &[
                "`main` and `other` export a handler of HTTP",
                "weft.toml:6:1",
                "component = ",
            ],
        ),
        (
            "reuse = { requests = 9, concurrent = 2 }\n[trigger.http]\n",
            &["answers one request at a time, not 2", "weft.toml:4:1"],
        ),
    ] {
        let app = app(&format!("{head}{manifest}"));
        app.file(
            "library.wat",
            fs_err::read(guest("library-component.wat")).unwrap(),
        );
        app.file("hello.wat", fs_err::read(guest("http-hello.wat")).unwrap());
        let said = weft("check", &app).run().with_code(2).stderr();
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn an_app_without_a_command_is_not_run() {
    let app = app(&answering("main", "http-hello.wat"));
    let said = weft("run", &app).run().with_code(1).stderr();
    assert!(said.contains("no command to run"), "{said}");
    weft("run", &shop()).run().with_code(0);
    let said = weft("up", &shop())
        .arg("--")
        .arg("argument")
        .run()
        .with_code(2)
        .stderr();
    assert!(said.contains("takes no arguments"), "{said}");
}

fn up(app: &Scratch, flags: &[&str]) -> Served {
    Served::listening(weft("up", app).args(flags).start())
}

/// Two components of different releases and a folder behind one listener.
fn mall() -> Scratch {
    let app = app(&format!(
        "{}{}[trigger.http]\nlisten = \"127.0.0.1:0\"\n\
         [trigger.http.route.api]\npath = \"/count\"\ncomponent = \"api\"\n\
         [trigger.http.route.public]\npath = \"/public/*\"\nfiles = \"public\"\n\
         [trigger.http.route.env]\npath = \"/env\"\ncomponent = \"api\"\n\
         [trigger.http.route.rest]\npath = \"/*\"\nmethods = [\"GET\"]\ncomponent = \"site\"\n",
        answering("site", "http-hello.wat"),
        answering("api", "web_p3").replace("env = []", "env = [\"TOWN=Ulm\"]")
            + "reuse = { requests = 100, concurrent = 8, idle = \"1m\" }\n",
    ));
    app.file("public/page.txt", "a file");
    app
}

#[test]
fn every_route_of_an_app_is_answered_by_its_own_component() {
    let app = mall();
    let served = up(&app, &[]);
    assert_eq!(served.get("/").body, "hello world");
    assert_eq!(served.get("/public/page.txt").body, "a file");
    assert_eq!(served.get("/public/../weft.toml").status, 404);
    assert!(served.get("/env").body.contains("TOWN=Ulm"));
    let refused = served.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_eq!(refused.status, 405);
    served.end().with_code(0);
}

#[test]
fn a_running_app_takes_another_version_in_when_it_is_told() {
    let app = mall();
    let mut served = up(&app, &[]);
    assert_eq!(served.get("/").body, "hello world");
    app.file("changed.wat", crate::serve::source("hello weft!"));
    let manifest = app.read("weft.toml");
    let site = guest("http-hello.wat").display().to_string();
    app.file("weft.toml", manifest.replace(&site, "changed.wat"));
    served.running.hang_up();
    served.running.wait_for_stderr("reloaded");
    assert_eq!(served.get("/").body, "hello weft!");
    // Another place to listen is another server.
    app.file("weft.toml", manifest.replace("127.0.0.1:0", "127.0.0.1:1"));
    served.running.hang_up();
    served.running.wait_for_stderr("cannot be changed");
    assert_eq!(served.get("/").body, "hello weft!");
    served.end().with_code(0);
}

#[test]
fn a_watched_app_follows_its_files_and_shows_what_is_wrong_with_them() {
    let app = app(&format!(
        "{}[trigger.http]\nlisten = \"127.0.0.1:0\"\n",
        answering("main", "http-hello.wat")
            .replace(&guest("http-hello.wat").display().to_string(), "main.wat")
    ));
    app.file("main.wat", crate::serve::source("hello world"));
    let mut served = up(&app, &["--watch", "--dev"]);
    assert_eq!(served.get("/").body, "hello world");
    app.file("main.wat", "(component");
    served.running.wait_for_stderr("was not reloaded");
    let broken = served.get("/");
    assert_eq!(broken.status, 500);
    assert!(broken.body.contains("expected `)`"), "{broken:?}");
    app.file("main.wat", crate::serve::source("hello weft!"));
    served.running.wait_for_stderr("reloaded `");
    assert_eq!(served.get("/").body, "hello weft!");
    served.end().with_code(0);
}

#[test]
fn limits_of_a_run_are_not_taken_for_those_of_a_request() {
    let app = app(&format!(
        "[limits]\nfuel = 1000\n{}[trigger.http]\n",
        answering("main", "http-hello.wat")
    ));
    let said = weft("up", &app).run().with_code(2).stderr();
    assert!(
        said.contains("`fuel`") && said.contains("response-timeout"),
        "{said}"
    );
}

#[test]
fn an_update_accepts_what_an_app_that_answers_asks_for() {
    let app = shop();
    weft("update", &app).run().with_code(0);
    let said = weft("update", &app).run().with_code(0).stdout();
    assert!(said.contains("up to date"), "{said}");
    assert!(app.read("weft.lock").contains("wasi:http/incoming-handler"));
}

#[test]
fn a_component_says_how_it_is_interrupted_where_a_trigger_leads_to_it() {
    let app = app(&format!(
        "{}interruption = \"epochs\"\n{}interruption = \"none\"\n[trigger.http]\nlisten = \"127.0.0.1:0\"\n\
         [trigger.http.route.one]\npath = \"/count\"\ncomponent = \"one\"\n\
         [trigger.http.route.rest]\npath = \"/*\"\ncomponent = \"two\"\n",
        answering("one", "web"),
        answering("two", "http-hello.wat"),
    ));
    let explain = |name| {
        weft("check", &app)
            .args(["--explain", name])
            .run()
            .with_code(0)
            .stdout()
    };
    assert!(explain("one").contains("looks up while it computes (epochs)"));
    assert!(explain("two").contains("holds its thread"));
    let served = up(&app, &[]);
    assert_eq!(served.get("/").body, "hello world");
    assert_eq!(served.get("/count").body, "1\n");
    served.end().with_code(0);
}

#[test]
fn what_no_trigger_leads_to_is_interrupted_as_what_it_is_linked_to() {
    let app = app(&format!(
        "{}{}interruption = \"none\"\n[trigger.http]\ncomponent = \"front\"\n",
        relay("front", "http-relay.wat", "wasi:http/incoming-handler", "site"),
        answering("site", "http-hello.wat"),
    ));
    let said = weft("check", &app).run().with_code(0).stderr();
    assert!(said.contains("no trigger leads to it"), "{said}");
}
