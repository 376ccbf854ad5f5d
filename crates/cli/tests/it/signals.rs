//! SIGINT and SIGTERM end a run, whatever the guest does.

use crate::run;

#[test]
fn a_signal_ends_a_computing_and_a_waiting_guest() {
    for (probe, arguments) in [
        ("probe.p1", &["loop"][..]),
        ("probe.p2", &["sleep", "600000"]),
        ("probe_p3", &["sleep", "600000"]),
    ] {
        let start = || {
            let run = crate::weft()
                .args(["--verbose", "run"])
                .arg(weft_testing::guest(probe))
                .args(arguments);
            let mut running = run.start();
            running.wait_for_stderr("compiled");
            std::thread::sleep(std::time::Duration::from_millis(200));
            running
        };
        let running = start();
        running.interrupt();
        running.finish().with_code(130);
        let running = start();
        running.terminate();
        running.finish().with_code(143);
    }
}

#[test]
fn what_was_written_before_the_signal_is_there() {
    let mut running = run([], "probe.p1", ["echo"]).start();
    running.write_stdin(b"line\n");
    running.wait_for_stdout("line");
    running.terminate();
    // Its input stays open: the end of input would let the guest end by itself before the signal is seen.
    assert_eq!(running.ended().with_code(143).stdout(), "line\n");
}
