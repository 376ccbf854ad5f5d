//! How many calls a second are made, and how two sides compare.

use std::time::{Duration, Instant};

/// How long calls are made and counted.
const ROUND: Duration = Duration::from_millis(700);
/// How often each side has its turn.
pub(crate) const ROUNDS: usize = 5;

/// Calls a second of so many threads, each with a runtime of its own as serving threads have.
pub(crate) fn rate(threads: usize, call: impl AsyncFn(&mut fastrand::Rng) + Sync) -> f64 {
    let begun = Instant::now();
    let counts: Vec<u64> = std::thread::scope(|scope| {
        let call = &call;
        let thread = move || {
            let mut random = fastrand::Rng::new();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut count = 0;
                while begun.elapsed() < ROUND {
                    call(&mut random).await;
                    count += 1;
                }
                count
            })
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    counts.iter().sum::<u64>() as f64 / begun.elapsed().as_secs_f64()
}

pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Prints how two sides compare, of which each has a name and the calls a second of every round.
pub(crate) fn show(what: &str, (one, before): (&str, &[f64]), (other, after): (&str, &[f64])) {
    let ratios = before
        .iter()
        .zip(after)
        .map(|(before, after)| after / before)
        .collect();
    println!(
        "{what:<44} {one} {:>9.0}/s   {other} {:>9.0}/s   {:>5.1} x",
        median(before.to_vec()),
        median(after.to_vec()),
        median(ratios)
    );
}
