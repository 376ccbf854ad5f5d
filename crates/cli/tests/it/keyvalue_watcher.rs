//! Components that are told of changed keys, in every version of the interface: of which, of what, and how often.

use weft_testing::Scratch;
use weft_testing::nats::Nats;
use weft_testing::postgres::Postgres;
use weft_testing::redis::Redis;
use weft_testing::weft::{Run, Running};

use crate::messages::{app, end, weft};

/// One guest for each version.
const WATCHERS: [&str; 3] = [
    "keyvalue_watcher",
    "keyvalue_watcher_draft",
    "keyvalue_watcher_wasmcloud",
];

/// What changes keys.
const SETTER: (&str, &str) = ("setter", "keyvalue");

/// An app whose watcher has these buckets, and the rest of its manifest.
fn watched(guest: &str, buckets: &str, rest: &str) -> Scratch {
    app(
        &[SETTER, ("watcher", guest)],
        &format!(
            "[component.setter.grants]\nstdio = \"all\"\nenv = []\nkeyvalue = {{ default = \"carts\" }}\n\
             [component.watcher.grants]\nstdio = \"all\"\nkeyvalue = {buckets}\n\
             [trigger.command]\ncomponent = \"setter\"\n{rest}"
        ),
    )
}

const ALL: &str = "[\"carts\"]";
const TRIGGER: &str =
    "[store.carts]\n[trigger.keyvalue.recount]\nstore = \"carts\"\ncomponent = \"watcher\"\n";

/// What becomes of a guest that panics.
const TRAPPED: &str = "the guest trapped: wasm `unreachable` instruction executed";

fn up(run: Run) -> Running {
    let mut running = run.start();
    running.wait_for_stderr("is at work");
    running
}

/// Has another process change keys.
fn change<const N: usize>(app: &Scratch, calls: [&str; N]) -> Vec<String> {
    changed(weft("run", app), calls)
}

fn changed<const N: usize>(run: Run, calls: [&str; N]) -> Vec<String> {
    let told = run.arg("open default").args(calls).run().with_code(0).stdout();
    told.lines().skip(1).map(str::to_owned).collect()
}

fn count(told: &str, line: &str) -> usize {
    told.lines().filter(|told| *told == line).count()
}

#[test]
fn a_component_is_told_of_the_keys_of_its_bucket_and_handed_that_bucket() {
    for guest in WATCHERS {
        let buckets = "{ all = { store = \"carts\", access = [\"write\"] }, \
                       mine = { store = \"carts\", prefix = \"mine/\" } }";
        let app = watched(guest, buckets, TRIGGER);
        // While nobody runs the app, nobody is told.
        assert_eq!(change(&app, ["set mine/before x"]), ["done"]);
        let mut running = up(weft("up", &app));
        let changes = [
            "set mine/a hello",
            "set others/b hello",
            "set mine/ nameless",
            "set mine/c write:d:again",
        ];
        assert_eq!(change(&app, changes), ["done"; 4], "{guest}");
        running.wait_for_stdout("a: hello\n");
        running.wait_for_stdout("c: written\n");
        // What it writes itself is told like what others write.
        running.wait_for_stdout("d: again\n");
        assert_eq!(change(&app, ["get mine/d"]), ["again"], "{guest}");
        let changes = ["set mine/r read:before", "set mine/s read:others/b"];
        assert_eq!(change(&app, changes), ["done"; 2]);
        running.wait_for_stdout("r: x\n");
        running.wait_for_stdout("s: none\n");
        assert_eq!(change(&app, ["delete mine/a", "set mine/end x"]), ["done"; 2]);
        running.wait_for_stdout("a is gone\n");
        running.wait_for_stdout("end: x\n");
        let told = end(running);
        assert_eq!(count(&told, "a: hello"), 1, "{guest}: {told}");
        for line in [
            "before: x",
            "b: hello",
            "others/b: hello",
            ": nameless",
            "mine/a: hello",
        ] {
            assert_eq!(count(&told, line), 0, "{guest}: {told}");
        }
    }
}

#[test]
fn a_trigger_tells_of_the_keys_below_its_prefix_and_the_bucket_stays_as_it_was_granted() {
    for guest in WATCHERS {
        let buckets = "{ mine = { store = \"carts\", prefix = \"mine/\", access = [\"read\", \"list\"] } }";
        let app = watched(guest, buckets, &format!("{TRIGGER}prefix = \"open/\"\n"));
        let mut running = up(weft("up", &app));
        let changes = [
            "set mine/shut/a x",
            "set open/b x",
            "set mine/shut/c reachable",
            "set mine/open/d write:open/e:more",
            "set mine/open/f read:shut/c",
        ];
        assert_eq!(change(&app, changes), ["done"; 5], "{guest}");
        running.wait_for_stdout("open/d: error: access denied\n");
        running.wait_for_stdout("open/f: reachable\n");
        let told = end(running);
        assert_eq!(told.lines().count(), 2, "{guest}: {told}");
    }
}

#[test]
fn a_change_that_fails_is_tried_again_and_given_up_with_a_word() {
    for guest in WATCHERS {
        let attempts = "attempts = 2\nbackoff = \"50ms\"\ntimeout = \"2s\"\n";
        let app = watched(guest, ALL, &format!("{TRIGGER}{attempts}"));
        let mut running = up(weft("up", &app));
        let changes = ["set a trap", "set b spin", "set c fine"];
        assert_eq!(change(&app, changes), ["done"; 3], "{guest}");
        running.wait_for_stdout("c: fine\n");
        for (key, why) in [("a", TRAPPED), ("b", "it took longer than 2 s")] {
            let failed = format!("component `watcher` failed at key `{key}` (trigger `recount`): {why}; it ");
            running.wait_for_stderr(&format!("{failed}is tried again after 50 ms"));
            running.wait_for_stderr(&format!(
                "{failed}was tried 2 times and is not told of this change"
            ));
        }
        // The next change is another matter.
        assert_eq!(change(&app, ["set a healed"]), ["done"], "{guest}");
        running.wait_for_stdout("a: healed\n");
        end(running);
    }
}

#[test]
fn a_component_that_is_told_of_its_own_changes_without_end_is_in_nobodys_way() {
    for guest in WATCHERS {
        let app = watched(guest, ALL, &format!("{TRIGGER}concurrent = 1\n"));
        let mut running = up(weft("up", &app));
        assert_eq!(change(&app, ["set n count:10"]), ["done"], "{guest}");
        running.wait_for_stdout("n: counted\n");
        assert_eq!(change(&app, ["set n count:1000000000"]), ["done"], "{guest}");
        running.wait_for_stdout("n: counting\n");
        assert_eq!(change(&app, ["set a hello"]), ["done"], "{guest}");
        running.wait_for_stdout("a: hello\n");
        assert_eq!(change(&app, ["delete a"]), ["done"], "{guest}");
        running.wait_for_stdout("a is gone\n");
        let told = end(running);
        assert_eq!(count(&told, "n: counted"), 1, "{guest}");
    }
}

#[test]
fn an_app_that_is_reloaded_goes_on_to_tell_and_does_not_change_what_it_tells() {
    let app = watched("keyvalue_watcher", ALL, TRIGGER);
    let mut running = up(weft("up", &app));
    assert_eq!(change(&app, ["set a one"]), ["done"]);
    running.wait_for_stdout("a: one\n");
    running.hang_up();
    running.wait_for_stderr("reloaded `shop`");
    assert_eq!(change(&app, ["set a two"]), ["done"]);
    running.wait_for_stdout("a: two\n");
    app.file("weft.toml", app.read("weft.toml") + "prefix = \"a\"\n");
    running.hang_up();
    running.wait_for_stderr("nor buckets that are watched");
    assert_eq!(change(&app, ["set b three"]), ["done"]);
    running.wait_for_stdout("b: three\n");
    end(running);
}

/// What `weft check` says of an app that it refuses.
fn refused(guest: &str, buckets: &str, rest: &str) -> String {
    let app = watched(guest, buckets, rest);
    weft("check", &app).run().with_code(2).stderr()
}

#[test]
fn what_cannot_be_told_is_refused_before_it_runs() {
    for guest in WATCHERS {
        let told = refused(
            guest,
            ALL,
            &TRIGGER.replace("store = \"carts\"", "store = \"cart\""),
        );
        assert!(told.contains("there is no store `cart`"), "{told}");
        let told = refused(guest, "[]", TRIGGER);
        assert!(
            told.contains("component `watcher` is granted no bucket of store `carts`"),
            "{told}"
        );
        for access in ["\"write\", \"list\"", "\"read\", \"write\""] {
            let buckets = format!("{{ mine = {{ store = \"carts\", access = [{access}] }} }}");
            let told = refused(guest, &buckets, TRIGGER);
            assert!(
                told.contains("component `watcher` may not read and list a bucket of store `carts`"),
                "{told}"
            );
        }
        let app = watched(guest, ALL, TRIGGER);
        let told = weft("check", &app).run().with_code(0).stdout();
        let expected = "tells component `watcher` of changed keys in store `carts`, 4 at a time";
        assert!(told.contains(expected), "{told}");
    }
    let told = refused("keyvalue", ALL, TRIGGER);
    assert!(
        told.contains(
            "component `watcher` is told of no changed keys: it exports neither `wasi:keyvalue/watcher`"
        ),
        "{told}"
    );
}

/// Has changes of a store on a server be told.
fn tells_on_a_server(address: &str) {
    let store = "[store.carts]\nurl-variable = \"CARTS_URL\"\ntimeout = \"10s\"\n";
    let trigger = TRIGGER.replace("[store.carts]\n", store);
    let guests = [SETTER, ("watcher", WATCHERS[0]), ("cloud", WATCHERS[2])];
    let app = app(
        &guests,
        &format!(
            "[component.setter.grants]\nstdio = \"all\"\nenv = []\nkeyvalue = {{ default = \"carts\" }}\n\
             [component.watcher.grants]\nstdio = \"all\"\n\
             [component.watcher.grants.keyvalue]\nmine = {{ store = \"carts\", prefix = \"mine/\" }}\n\
             [component.cloud.grants]\nstdio = \"all\"\nkeyvalue = [\"carts\"]\n\
             [trigger.command]\ncomponent = \"setter\"\n{trigger}\
             [trigger.keyvalue.cloud]\nstore = \"carts\"\ncomponent = \"cloud\"\nprefix = \"cloud/\"\n"
        ),
    );
    let here = |command: &str| weft(command, &app).env("CARTS_URL", address);
    let mut running = up(here("up"));
    let calls = [
        "set mine/a hello",
        "set b hello",
        "set cloud/c write:cloud/d:again",
    ];
    assert_eq!(changed(here("run"), calls), ["done"; 3], "{address}");
    running.wait_for_stdout("a: hello\n");
    running.wait_for_stdout("cloud/c: written\n");
    running.wait_for_stdout("cloud/d: again\n");
    let calls = ["delete mine/a", "delete cloud/d"];
    assert_eq!(changed(here("run"), calls), ["done"; 2], "{address}");
    running.wait_for_stdout("a is gone\n");
    running.wait_for_stdout("cloud/d is gone\n");
    let told = end(running);
    assert!(
        !told.contains("b: hello") && !told.contains("mine/a"),
        "{address}: {told}"
    );
}

#[test]
fn changes_on_redis_are_told() {
    let Some(server) = Redis::start() else { return };
    tells_on_a_server(&server.address());
}

#[test]
fn changes_on_postgres_are_told() {
    let Some(server) = Postgres::start() else { return };
    tells_on_a_server(&server.address());
}

#[test]
fn changes_on_nats_are_told() {
    let Some(server) = Nats::start() else { return };
    tells_on_a_server(&server.address());
}

#[test]
fn a_server_that_was_away_is_told_of_and_so_is_what_was_missed() {
    let Some(mut server) = Redis::start() else { return };
    let store = "[store.carts]\nurl-variable = \"CARTS_URL\"\ntimeout = \"10s\"\n";
    let app = watched(
        "keyvalue_watcher",
        ALL,
        &TRIGGER.replace("[store.carts]\n", store),
    );
    let address = server.address();
    let here = |command: &str| weft(command, &app).env("CARTS_URL", &address);
    let mut running = up(here("up"));
    server.stop();
    running.wait_for_stderr("changes of store `carts` for trigger `recount` are not heard of: Redis at");
    server.start_again();
    // Before or after it is heard again: it is told, and what was missed is said to be.
    assert_eq!(changed(here("run"), ["set a hello"]), ["done"]);
    running.wait_for_stdout("a: hello\n");
    running.wait_for_stderr("changes of store `carts` for trigger `recount` were missed");
    end(running);
    server.stop();
    let told = here("up").run().with_code(1).stderr();
    assert!(
        told.contains("trigger `recount` cannot watch store `carts`"),
        "{told}"
    );
}
