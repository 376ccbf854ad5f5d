//! `wasmcloud:messaging` 0.3.0: bodies as streams, errors with names, and what a handler says of a message that failed.

use crate::messages::{GRANTS, SENDER, WORKER, app, end, send, up, weft};

const CLOUD: (&str, &str) = ("cloud", "messages_wasmcloud_p3");

/// A trigger of the name of its subject.
fn takes(subject: &str, component: &str) -> String {
    format!(
        "[trigger.message.{subject}]\nqueue = \"orders\"\ncomponent = \"{component}\"\nsubject = \"{subject}\"\n\
         attempts = 2\nbackoff = \"50ms\"\ntimeout = \"10s\"\n"
    )
}

const CLOUD_GRANTS: &str =
    "[component.cloud.grants]\nstdio = \"all\"\nmessaging = { default = \"orders\" }\n";

#[test]
fn messages_flow_between_the_packages_and_replies_come_back() {
    let app = app(
        &[SENDER, WORKER, CLOUD],
        &format!(
            "{GRANTS}{CLOUD_GRANTS}{}{}",
            takes("worker", "worker"),
            takes("cloud", "cloud")
        ),
    );
    let mut running = up(&app);
    for (call, expected) in [
        ("send cloud say hello", "cloud: hello"),
        (
            "send cloud send worker say from the cloud",
            "worker: from the cloud",
        ),
        (
            "send worker send cloud say from the worker",
            "cloud: from the worker",
        ),
        ("send worker ask cloud reply of the cloud", "worker: of the cloud"),
        (
            "send cloud ask worker reply of the worker",
            "cloud: of the worker",
        ),
        ("send cloud ask cloud reply-long 1000000", "cloud: 1000000 bytes"),
        ("send cloud send-long cloud 0", "is nothing to do"),
        ("send cloud reply to nobody", "cloud: nobody waits"),
        (
            "send cloud ask nobody hello",
            "cloud: nobody takes messages of `nobody`",
        ),
        ("send cloud ask worker say nothing", "cloud: timeout"),
        ("send cloud send-long cloud 1048577", "cloud: message too large"),
        ("send cloud send-long cloud 5000000", "cloud: message too large"),
        ("send cloud send a..b say it", "cloud: subject invalid"),
        ("send cloud ask a..b say it", "cloud: subject invalid"),
    ] {
        assert_eq!(send(&app, [call]), ["done"], "{call}");
        if expected.starts_with("is nothing") {
            running.wait_for_stderr(expected);
        } else {
            running.wait_for_stdout(expected);
        }
    }
    end(running);
}

#[test]
fn what_a_handler_has_begun_comes_to_its_end_before_its_message_is_done() {
    let app = app(
        &[SENDER, WORKER, CLOUD],
        &format!(
            "{GRANTS}{CLOUD_GRANTS}{}{}",
            takes("worker", "worker"),
            takes("cloud", "cloud")
        ),
    );
    let mut running = up(&app);
    assert_eq!(send(&app, ["send cloud later worker say it"]), ["done"]);
    running.wait_for_stdout("cloud: returned");
    for number in 0..5 {
        running.wait_for_stdout(&format!("worker: it {number}"));
    }
    end(running);
}

#[test]
fn a_message_that_is_rejected_is_put_aside_at_once_and_one_to_be_retried_comes_again() {
    let app = app(
        &[SENDER, CLOUD],
        &format!(
            "[component.sender.grants]\nstdio = \"all\"\nenv = []\nmessaging = [\"orders\"]\n\
             {CLOUD_GRANTS}[queue.orders]\n[trigger.command]\ncomponent = \"sender\"\n{}",
            takes("cloud", "cloud")
        ),
    );
    let mut running = up(&app);
    let sent = send(
        &app,
        [
            "send cloud reject",
            "send cloud fail at this",
            "send cloud retry",
            "send cloud say fine",
        ],
    );
    assert_eq!(sent, ["done"; 4]);
    running.wait_for_stdout("cloud: fine");
    let failed = "failed at a message of `cloud` (trigger `cloud`)";
    let never = "it is not to be tried again and is put aside";
    running.wait_for_stderr(&format!("{failed}: it says `reject`; {never}"));
    running.wait_for_stderr(&format!("{failed}: it says `at this`; {never}"));
    running.wait_for_stderr(&format!(
        "{failed}: it says `retry`; it is tried again after 50 ms"
    ));
    running.wait_for_stderr(&format!(
        "{failed}: it says `retry`; it was tried 2 times and is put aside"
    ));
    end(running);
    let data = crate::weft()
        .args(["data", "list", "orders", "--prefix", "d/", "--app"])
        .arg(app.path())
        .env("WEFT_DATA_DIR", app.path().join("own"));
    assert_eq!(data.run().with_code(0).stdout().lines().count(), 3);
}

#[test]
fn a_component_publishes_to_the_subjects_of_its_grant_and_cannot_have_others_do_it() {
    let app = app(
        &[SENDER, WORKER, CLOUD, ("mute", "messages_wasmcloud_p3")],
        &format!(
            "[component.sender.grants]\nstdio = \"all\"\nenv = []\nmessaging = [\"orders\"]\n\
             [component.worker.grants]\nstdio = \"all\"\n\
             [component.worker.grants.messaging]\ndefault = {{ queue = \"orders\", publish = [\"open.>\"] }}\n\
             [component.cloud.grants]\nstdio = \"all\"\n\
             [component.cloud.grants.messaging]\ndefault = {{ queue = \"orders\", publish = [\"worker\"], request = [\"mute\"] }}\n\
             [component.mute.grants]\nstdio = \"all\"\nmessaging = []\n\
             [queue.orders]\n[trigger.command]\ncomponent = \"sender\"\n{}{}{}\
             [trigger.message.rest]\nqueue = \"orders\"\ncomponent = \"worker\"\nsubject = \"secret.*\"\n",
            takes("worker", "worker"),
            takes("cloud", "cloud"),
            takes("mute", "mute"),
        ),
    );
    let mut running = up(&app);
    for (call, expected) in [
        ("send cloud send worker say hello", "worker: hello"),
        ("send cloud send secret.place say it", "cloud: access denied"),
        (
            "send cloud send-long secret.place 5000000",
            "cloud: access denied",
        ),
        ("send cloud ask worker say it", "cloud: access denied"),
        (
            "send cloud ask mute reply without a grant",
            "cloud: without a grant",
        ),
        ("send mute send worker say it", "mute: access denied"),
        ("send mute ask worker say it", "mute: access denied"),
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
        &[CLOUD],
        &format!(
            "[component.cloud.grants]\nstdio = \"all\"\nclock = \"real\"\nrandom = \"real\"\nenv = []\ndir = []\n\
             [queue.orders]\n{}",
            takes("cloud", "cloud")
        ),
    );
    let manifest = app.read("weft.toml").replace("grant-on-use = \"trap\"\n", "");
    app.file("weft.toml", manifest);
    let told = weft("check", &app).run().with_code(2).stderr();
    assert!(told.contains("messaging = [\"QUEUE\"]"), "{told}");
}
