//! Runs that come out the same each time.

use std::time::{Duration, Instant};

use crate::run;

#[test]
fn a_fixed_clock_and_fixed_randomness_make_runs_equal() {
    for probe in ["probe.p1", "probe.p2", "probe_p3"] {
        for command in [&["clock"][..], &["random", "32"]] {
            let once = || {
                let flags = ["run", "--clock", "fixed:1000", "--random", "fixed:7"];
                let run = crate::weft()
                    .args(flags)
                    .arg(weft_testing::guest(probe))
                    .args(command);
                run.run().with_code(0).stdout()
            };
            assert_eq!(once(), once(), "{probe} {command:?}");
        }
    }
    let seeded = |seed| {
        run(["--random", seed], "probe.p1", ["random", "32"])
            .run()
            .with_code(0)
            .stdout()
    };
    assert_ne!(seeded("fixed:1"), seeded("fixed:2"));
    assert_ne!(seeded("real"), seeded("real"));
}

#[test]
fn a_fixed_clock_does_not_wait() {
    for probe in ["probe.p1", "probe.p2", "probe_p3"] {
        let started = Instant::now();
        run(["--clock", "fixed"], probe, ["sleep", "3600000"])
            .timeout(Duration::from_secs(100))
            .run()
            .with_code(0);
        assert!(started.elapsed() < Duration::from_secs(100), "{probe}");
    }
}
