//! Messages: handed to components, replied to, tried again and put aside; and what is run by the clock.

use std::time::{Duration, Instant};

use weft_testing::nats::Nats;
use weft_testing::weft::{Run, Running};
use weft_testing::{Scratch, guest};

/// A worker for each name, what sends messages, and the rest of the manifest.
pub(crate) fn app(guests: &[(&str, &str)], rest: &str) -> Scratch {
    let scratch = Scratch::new();
    let mut manifest = "[app]\nname = \"shop\"\n".to_owned();
    for (name, source) in guests {
        manifest.push_str(&format!(
            "[component.{name}]\nsource = '{}'\ngrant-on-use = \"trap\"\n",
            guest(source).display()
        ));
    }
    scratch.file("weft.toml", manifest + rest);
    scratch
}

pub(crate) const SENDER: (&str, &str) = ("sender", "messages_sender");
pub(crate) const WORKER: (&str, &str) = ("worker", "messages");

/// What a worker and a sender may do in most tests.
pub(crate) const GRANTS: &str = "[component.sender.grants]\nstdio = \"all\"\nenv = []\nmessaging = [\"orders\"]\n\
    [component.worker.grants]\nstdio = \"all\"\nmessaging = { default = \"orders\" }\n\
    [queue.orders]\n[trigger.command]\ncomponent = \"sender\"\n";

pub(crate) fn weft(command: &str, app: &Scratch) -> Run {
    crate::weft()
        .arg(command)
        .arg(app.path())
        .env("WEFT_DATA_DIR", app.path().join("own"))
}

pub(crate) fn up(app: &Scratch) -> Running {
    let mut running = weft("up", app).start();
    running.wait_for_stderr("is at work");
    running
}

/// What each call of the sender came to.
pub(crate) fn send<const N: usize>(app: &Scratch, calls: [&str; N]) -> Vec<String> {
    let told = weft("run", app).arg("connect orders").args(calls).run();
    let told = told.with_code(0).stdout();
    told.lines().skip(1).map(str::to_owned).collect()
}

/// Ends it as a person would, and what it has printed.
pub(crate) fn end(running: Running) -> String {
    running.terminate();
    running.ended().with_code(0).stdout()
}

#[test]
fn a_message_of_another_process_is_handed_to_every_trigger_that_takes_its_subject() {
    let trigger = |name: &str, component: &str, subject: &str| {
        format!(
            "[trigger.message.{name}]\nqueue = \"orders\"\ncomponent = \"{component}\"\nsubject = \"{subject}\"\n"
        )
    };
    let app = app(
        &[SENDER, WORKER, ("cloud", "messages_wasmcloud")],
        &format!(
            "{GRANTS}[component.cloud.grants]\nstdio = \"all\"\n{}{}{}",
            trigger("ship", "worker", "order.*"),
            trigger("bill", "worker", "order.new"),
            trigger("look", "cloud", ">"),
        ),
    );
    let mut running = up(&app);
    let sent = send(
        &app,
        [
            "send order.new say one",
            "send order.old say two",
            "send other say three",
        ],
    );
    assert_eq!(sent, ["done"; 3]);
    let told = send(&app, ["send-told order.told about"]);
    assert_eq!(told, ["done"]);
    running.wait_for_stdout("order.told: Some(\"text/plain\") Some([(\"a\", \"3\"), (\"c\", \"4\")])");
    running.wait_for_stdout("other: three");
    let told = end(running);
    let count = |line: &str| told.lines().filter(|told| *told == line).count();
    assert_eq!(
        [
            count("order.new: one"),
            count("order.old: two"),
            count("other: three")
        ],
        [3, 2, 1],
        "{told}"
    );
}

#[test]
fn what_was_published_while_nobody_worked_is_worked_on_when_somebody_does() {
    let app = app(
        &[SENDER, WORKER],
        &format!(
            "{GRANTS}[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\nconcurrent = 1\n"
        ),
    );
    // Nobody takes it yet, so it is gone.
    assert_eq!(send(&app, ["send order.new say never"]), ["done"]);
    end(up(&app));
    let sent = send(
        &app,
        [
            "send order.a say one",
            "send order.b say two",
            "send order.c say three",
        ],
    );
    assert_eq!(sent, ["done"; 3]);
    let mut running = up(&app);
    running.wait_for_stdout("order.c: three");
    assert_eq!(end(running), "order.a: one\norder.b: two\norder.c: three\n");
    let mut running = up(&app);
    assert_eq!(send(&app, ["send order.d say four"]), ["done"]);
    running.wait_for_stdout("order.d: four");
    assert_eq!(end(running), "order.d: four\n");
}

#[test]
fn a_message_that_fails_comes_again_and_is_put_aside_in_the_end() {
    let app = app(
        &[SENDER, WORKER],
        &format!(
            "{GRANTS}[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\nattempts = 2\n\
             backoff = \"50ms\"\ntimeout = \"2s\"\n"
        ),
    );
    let mut running = up(&app);
    let sent = send(
        &app,
        [
            "send a fail at this",
            "send b trap",
            "send c spin",
            "send d say fine",
        ],
    );
    assert_eq!(sent, ["done"; 4]);
    running.wait_for_stdout("d: fine");
    for (subject, why) in [("a", "at this"), ("b", "trap"), ("c", "longer than 2 s")] {
        let failed = format!("failed at a message of `{subject}` (trigger `ship`)");
        running.wait_for_stderr(&failed);
        running.wait_for_stderr(why);
    }
    // All three come once more and are put aside.
    for (subject, why) in [
        ("a", "it says `at this`"),
        (
            "b",
            "the guest trapped: `wasi:cli/environment@0.2.6` is not granted",
        ),
        ("c", "it worked on it for longer than 2 s"),
    ] {
        running.wait_for_stderr(&format!(
            "of `{subject}` (trigger `ship`): {why}; it was tried 2 times and is put aside"
        ));
    }
    assert_eq!(
        running.stderr().matches("tried again after 50 ms").count(),
        3,
        "{}",
        running.stderr()
    );
    end(running);
    let mut running = up(&app);
    assert_eq!(send(&app, ["send f say again"]), ["done"]);
    running.wait_for_stdout("f: again");
    assert!(!running.stderr().contains("failed at"), "{}", running.stderr());
    // A person looks at what was put aside, and has one of them tried again.
    let data = |arguments: &[&str]| {
        let data = crate::weft()
            .arg("data")
            .args(arguments)
            .arg("--app")
            .arg(app.path());
        data.env("WEFT_DATA_DIR", app.path().join("own")).run()
    };
    let aside = data(&["list", "orders", "--prefix", "d/"]).with_code(0).stdout();
    assert_eq!(aside.lines().count(), 3, "{aside}");
    let failed = aside
        .lines()
        .find(|key| data(&["get", "orders", key]).stdout().contains("fail at this"));
    let key = failed.unwrap();
    let checked = data(&["check", "orders"]).with_code(0).stdout();
    assert!(checked.starts_with("4 entries, "), "{checked}");
    data(&["retry", "orders", key]).with_code(0);
    running.wait_for_stderr("failed at a message of `a` (trigger `ship`)");
    let wrong = data(&["retry", "orders", key]).with_code(1).stderr();
    assert!(wrong.contains("is no message that was put aside"), "{wrong}");
    end(running);
}

#[test]
fn messages_are_kept_on_a_server_for_processes_that_share_them() {
    let Some(mut server) = Nats::start() else { return };
    let grants = GRANTS.replace(
        "[queue.orders]\n",
        "[queue.orders]\nurl-variable = \"ORDERS_URL\"\ntimeout = \"10s\"\n",
    );
    let app = app(
        &[SENDER, WORKER],
        &format!(
            "{grants}[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\nattempts = 2\n\
             backoff = \"50ms\"\n"
        ),
    );
    let address = server.address();
    let here = |run: Run| run.env("ORDERS_URL", &address);
    let send = |calls: &[&str]| {
        let told = here(weft("run", &app)).arg("connect orders").args(calls).run();
        let told = told.with_code(0).stdout();
        told.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let up = || {
        let mut running = here(weft("up", &app)).start();
        running.wait_for_stderr("is at work");
        running
    };
    let mut first = up();
    let sent = send(&["send x fail at this", "send b say one", "send a ask c reply two"]);
    assert_eq!(sent, ["done"; 3]);
    first.wait_for_stdout("b: one");
    first.wait_for_stdout("a: two");
    first
        .wait_for_stderr("of `x` (trigger `ship`): it says `at this`; it was tried 2 times and is put aside");
    let mut second = up();
    // Killed; the other has been at work as well.
    drop(first);
    assert_eq!(send(&["send d say three"]), ["done"]);
    second.wait_for_stdout("d: three");
    let data = |arguments: &[&str]| {
        let data = crate::weft()
            .arg("data")
            .args(arguments)
            .arg("--app")
            .arg(app.path());
        here(data.env("WEFT_DATA_DIR", app.path().join("own"))).run()
    };
    let aside = data(&["list", "orders", "--prefix", "d/"]).with_code(0).stdout();
    let key = aside.trim_end();
    assert!(key.starts_with("d/ship/") && !key.contains('\n'), "{aside}");
    assert!(data(&["get", "orders", key]).stdout().contains("fail at this"));
    data(&["retry", "orders", key]).with_code(0);
    second.wait_for_stderr("failed at a message of `x` (trigger `ship`)");
    let wrong = data(&["retry", "orders", key]).with_code(1).stderr();
    assert!(wrong.contains("is no message that was put aside"), "{wrong}");
    end(second);
    server.stop();
    let told = here(weft("up", &app)).run().with_code(1).stderr();
    assert!(
        told.contains("trigger `ship` cannot take from queue `orders`"),
        "{told}"
    );
}

#[test]
fn whoever_asks_gets_replies_and_nobody_else_does() {
    let take = |name: &str, component: &str| {
        format!(
            "[trigger.message.{name}]\nqueue = \"orders\"\ncomponent = \"{component}\"\nsubject = \"{name}\"\n"
        )
    };
    let app = app(
        &[
            SENDER,
            WORKER,
            ("cloud", "messages_wasmcloud"),
            ("mute", "messages"),
        ],
        &format!(
            "{GRANTS}[component.cloud.grants]\nstdio = \"all\"\nmessaging = {{ default = \"orders\" }}\n\
             [component.mute.grants]\nstdio = \"all\"\nmessaging = []\n{}{}{}",
            take("worker", "worker"),
            take("cloud", "cloud"),
            take("mute", "mute"),
        ),
    );
    let mut running = up(&app);
    for (call, expected) in [
        (
            "send worker ask cloud reply from the cloud",
            "worker: from the cloud",
        ),
        (
            "send cloud ask worker reply from the worker",
            "cloud: from the worker",
        ),
        (
            "send worker ask mute reply without a grant",
            "worker: without a grant",
        ),
        (
            "send worker ask nobody hello",
            "worker: Error::Other(\"nobody takes messages of `nobody`\")",
        ),
        ("send worker ask mute say nothing", "worker: Error::Timeout"),
        ("send cloud ask mute say nothing", "cloud: timeout"),
        ("send worker reply to nobody", "worker: done"),
        ("send cloud reply to nobody", "cloud: nobody waits"),
        ("send mute send worker say hello", "failed at a message of `mute`"),
    ] {
        assert_eq!(send(&app, [call]), ["done"], "{call}");
        if expected.starts_with("failed") {
            running.wait_for_stderr(expected);
        } else {
            running.wait_for_stdout(expected);
        }
    }
    running.terminate();
    running.ended().with_code(0);
}

#[test]
fn a_component_publishes_to_the_subjects_of_its_grant_and_cannot_have_others_do_it() {
    let app = app(
        &[SENDER, WORKER, ("cloud", "messages_wasmcloud")],
        "[component.sender.grants]\nstdio = \"all\"\nenv = []\n\
         [component.sender.grants.messaging]\norders = { queue = \"orders\", publish = [\"*\"] }\n\
         [component.worker.grants]\nstdio = \"all\"\n\
         [component.worker.grants.messaging]\ndefault = { queue = \"orders\", publish = [\"open.>\"], request = [\"cloud\"] }\n\
         [component.cloud.grants]\nstdio = \"all\"\n\
         [component.cloud.grants.messaging]\ndefault = { queue = \"orders\", publish = [\"worker\"] }\n\
         [queue.orders]\n[trigger.command]\ncomponent = \"sender\"\n\
         [trigger.message.worker]\nqueue = \"orders\"\ncomponent = \"worker\"\nsubject = \"worker\"\n\
         [trigger.message.cloud]\nqueue = \"orders\"\ncomponent = \"cloud\"\nsubject = \"cloud\"\n\
         [trigger.message.rest]\nqueue = \"orders\"\ncomponent = \"worker\"\nsubject = \"secret.*\"\n",
    );
    let mut running = up(&app);
    let denied = "error: permission denied";
    let told = send(
        &app,
        [
            "connect other",
            "connect orders",
            "send secret.place say one",
            "send a..b say one",
        ],
    );
    assert_eq!(told[..3], [denied, "done", denied]);
    assert!(told[3].starts_with("error: `a..b` is not a subject"), "{told:?}");
    for (call, expected) in [
        ("send worker send open.door say it", "worker: done"),
        (
            "send worker send secret.place say it",
            "worker: Error::PermissionDenied",
        ),
        (
            "send worker ask worker say it",
            "worker: Error::PermissionDenied(\"not granted: wait for replies",
        ),
        ("send cloud send secret.place say it", "cloud: permission denied"),
        ("send cloud ask worker say it", "cloud: permission denied"),
        // The worker would reply to a place where neither of the two may publish.
        (
            "send cloud abuse worker reply say it",
            "worker: Error::PermissionDenied",
        ),
    ] {
        assert_eq!(send(&app, [call]), ["done"], "{call}");
        running.wait_for_stdout(expected);
    }
    let told = end(running);
    assert!(!told.contains("secret.place:"), "{told}");
}

#[test]
fn an_app_whose_component_is_granted_no_queue_does_not_start() {
    let app = app(
        &[SENDER, WORKER],
        "[component.sender.grants]\nstdio = \"all\"\nenv = []\n[component.worker.grants]\nstdio = \"all\"\nmessaging = []\n\
         [queue.orders]\n[trigger.command]\ncomponent = \"sender\"\n\
         [trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\n",
    );
    let manifest = app.read("weft.toml").replace("grant-on-use = \"trap\"\n", "");
    app.file("weft.toml", manifest);
    let outcome = weft("check", &app).run().with_code(2);
    let told = outcome.stderr();
    assert!(told.contains("messaging = [\"QUEUE\"]"), "{told}");
    let not = self::app(
        &[("main", "command-component.wat")],
        "[queue.orders]\n[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"main\"\n",
    );
    let told = weft("check", &not).run().with_code(2).stderr();
    assert!(told.contains("component `main` takes no messages"), "{told}");
}

#[test]
fn a_message_that_is_too_large_or_has_no_room_is_refused() {
    let app = app(
        &[SENDER, WORKER],
        &GRANTS.replace("[queue.orders]\n", "[queue.orders]\nsize = \"1200KiB\"\n"),
    );
    let taking = app.read("weft.toml")
        + "[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\nattempts = 100\nbackoff = \"10m\"\n";
    app.file("weft.toml", taking);
    end(up(&app));
    let told = send(
        &app,
        [
            "send-size a 1048577",
            "send-size a 1000000",
            "send-size a 1000000",
        ],
    );
    assert!(told[0].starts_with("error: a message of 104857"), "{told:?}");
    assert_eq!(told[1..], ["done", "error: the queue is full"]);
}

#[test]
fn what_waits_in_a_queue_outlives_a_process_that_is_killed() {
    let app = app(
        &[SENDER, WORKER],
        &format!(
            "{GRANTS}[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\ntimeout = \"60s\"\n"
        ),
    );
    let running = up(&app);
    // It is being worked on when the process is killed.
    assert_eq!(send(&app, ["send c spin", "send d say here"]), ["done"; 2]);
    let mut running = running;
    running.wait_for_stdout("d: here");
    drop(running);
    let manifest = app
        .read("weft.toml")
        .replace("timeout = \"60s\"", "timeout = \"100ms\"\nattempts = 1");
    app.file("weft.toml", manifest);
    let mut running = up(&app);
    running.wait_for_stderr("failed at a message of `c`");
    running.wait_for_stderr("is put aside");
    let told = end(running);
    // The other one was worked on; it comes again only where the process was killed before that was noted.
    assert!(matches!(told.as_str(), "" | "d: here\n"), "{told}");
}

#[test]
fn a_component_is_run_again_and_again() {
    let app = app(
        &[("main", "hello.p2")],
        "[component.main.grants]\nstdio = \"all\"\n[trigger.schedule.greet]\ncomponent = \"main\"\nevery = \"100ms\"\n",
    );
    let mut running = up(&app);
    running.wait_for_stdout("\n");
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(1000));
    let told = end(running);
    let lines = told.lines().count();
    let most = begun.elapsed().as_millis() / 100 + 3;
    assert!(
        (3..=usize::try_from(most).unwrap()).contains(&lines),
        "{lines} of {most}: {told}"
    );
}

#[test]
fn a_run_that_fails_or_takes_too_long_is_told() {
    let app = app(
        &[
            ("fails", "failing-component.wat"),
            ("spins", "spinning-component.wat"),
        ],
        "[trigger.schedule.one]\ncomponent = \"fails\"\nevery = \"100ms\"\n\
         [trigger.schedule.two]\ncomponent = \"spins\"\nevery = \"100ms\"\ntimeout = \"200ms\"\n\
         [trigger.schedule.three]\ncomponent = \"fails\"\ncron = \"0 0 30 2 *\"\n",
    );
    let mut running = up(&app);
    running.wait_for_stderr("component `fails` failed (trigger `one`): it ended with code 1");
    running.wait_for_stderr("component `spins` failed (trigger `two`): it ran for longer than 200 ms");
    running.wait_for_stderr("the times of trigger `three` are over");
    end(running);
}

#[test]
fn an_app_answers_requests_and_works_on_messages_at_the_same_time() {
    let app = app(
        &[SENDER, WORKER, ("page", "http-hello.wat")],
        &format!(
            "{GRANTS}[trigger.message.ship]\nqueue = \"orders\"\ncomponent = \"worker\"\n\
             [trigger.http]\nlisten = \"127.0.0.1:0\"\ncomponent = \"page\"\n"
        ),
    );
    let mut served = crate::serve::Served::listening(weft("up", &app).start());
    assert_eq!(served.get("/").status, 200);
    assert_eq!(send(&app, ["send a say one"]), ["done"]);
    served.running.wait_for_stdout("a: one");
    served.running.hang_up();
    served.running.wait_for_stderr("reloaded `shop`");
    assert_eq!(send(&app, ["send a say two"]), ["done"]);
    served.running.wait_for_stdout("a: two");
    end(served.running);
}
