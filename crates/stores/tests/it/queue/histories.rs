//! Random histories with several who publish and several who take: what was acknowledged comes to every group, at least
//! once, and what was worked on does not come again; also where the store is closed and opened between.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::*;

const GROUPS: [(&str, &str); 3] = [("all", ">"), ("a", "a.*"), ("ab", "*.b")];
const SUBJECTS: [&str; 4] = ["a.b", "a.c", "d.b", "e"];

/// What one group has worked on, and what it must.
#[derive(Default)]
struct Account {
    expected: BTreeSet<String>,
    done: BTreeSet<String>,
}

#[test]
fn every_acknowledged_message_is_worked_on_once_by_every_group() {
    for seed in 0..6 {
        histories(&folder(Durability::Fast), seed);
    }
    for seed in 10..12 {
        let Some(nats) = on_nats() else { return };
        histories(&nats, seed);
    }
}

fn histories(backend: &Backend, seed: u64) {
    let accounts: Arc<[Mutex<Account>; 3]> = Arc::default();
    let open = backend.another.as_ref().unwrap();
    for round in 0..3 {
        block_on(session(
            open(),
            seed * 10 + round,
            round == 2,
            Arc::clone(&accounts),
        ));
    }
    for (account, (group, _)) in accounts.iter().zip(GROUPS) {
        let account = account.lock();
        assert_eq!(
            account.done, account.expected,
            "{}: {group}, seed {seed}",
            backend.name
        );
    }
}

async fn session(queue: Arc<dyn Queue>, seed: u64, is_last: bool, accounts: Arc<[Mutex<Account>; 3]>) {
    let published = Arc::new(AtomicBool::new(false));
    let mut takers = tokio::task::JoinSet::new();
    for (index, (group, text)) in GROUPS.into_iter().enumerate() {
        let taking = queue.take(group, &pattern(text)).await.unwrap();
        let (accounts, published) = (Arc::clone(&accounts), Arc::clone(&published));
        takers.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed + 100 + index as u64);
            take(&*taking, &mut random, &accounts[index], &published, is_last).await;
        });
    }
    let mut publishers = tokio::task::JoinSet::new();
    for number in 0..3 {
        let (queue, accounts) = (Arc::clone(&queue), Arc::clone(&accounts));
        publishers.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed + number);
            for count in 0..40 {
                let subject = SUBJECTS[random.usize(..4)];
                let text = format!("{seed}/{number}/{count}");
                for ((_, taken), account) in GROUPS.into_iter().zip(accounts.iter()) {
                    if pattern(taken).covers(&subject.parse().unwrap()) {
                        account.lock().expected.insert(text.clone());
                    }
                }
                queue.publish(message(subject, text)).await.unwrap();
            }
        });
    }
    while let Some(published) = publishers.join_next().await {
        published.unwrap();
    }
    published.store(true, Ordering::Release);
    while let Some(taken) = takers.join_next().await {
        taken.unwrap();
    }
}

/// Works on messages until everything was; not to the end where there is another session.
async fn take(
    taking: &dyn Taking,
    random: &mut fastrand::Rng,
    account: &Mutex<Account>,
    published: &AtomicBool,
    is_last: bool,
) {
    loop {
        let is_over = {
            let account = account.lock();
            account.done.len() == account.expected.len() || !is_last
        };
        if published.load(Ordering::Acquire) && is_over {
            return;
        }
        let Ok(delivery) = tokio::time::timeout(Duration::from_millis(50), taking.next()).await else {
            continue;
        };
        let delivery = delivery.unwrap();
        match random.u8(..10) {
            0 => taking
                .again(delivery, Duration::from_millis(random.u64(..30)))
                .await
                .unwrap(),
            _ => {
                taking.done(&delivery).await.unwrap();
                assert!(
                    account.lock().done.insert(body(&delivery)),
                    "{} came again",
                    body(&delivery)
                );
            }
        }
    }
}
