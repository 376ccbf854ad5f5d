//! What only a queue on a server can meet: other processes that take, other clients, and a server that goes away.

use std::collections::BTreeSet;
use std::time::Instant;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use weft_stores::keyvalue;
use weft_stores::queue::Error;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(1);

/// A queue whose calls give up soon.
fn impatient(address: &str) -> Nats {
    let options = server::Options {
        timeout: TIMEOUT,
        hold: Duration::from_secs(2),
        ..server::Options::default()
    };
    Nats::new(address, options).unwrap()
}

async fn jetstream(server: &NatsServer) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(async_nats::connect(server.address()).await.unwrap())
}

#[tokio::test]
async fn several_take_for_a_group_and_each_message_comes_to_one_of_them() {
    let Some(server) = NatsServer::start() else { return };
    let queues: Vec<Nats> = (0..3).map(|_| open_on(&server.address(), "weft")).collect();
    let group = pattern("a");
    let mut takings = Vec::new();
    for queue in &queues {
        takings.push(queue.take("group", &group).await.unwrap());
    }
    for number in 0..60 {
        queues[number % 3]
            .publish(message("a", number.to_string()))
            .await
            .unwrap();
    }
    let each = takings.iter().map(async |taking| {
        let mut came = Vec::new();
        while let Ok(delivery) = tokio::time::timeout(Duration::from_secs(1), taking.next()).await {
            let delivery = delivery.unwrap();
            taking.done(&delivery).await.unwrap();
            came.push(body(&delivery));
        }
        came
    });
    let each = futures::future::join_all(each).await;
    assert!(each.iter().all(|came| !came.is_empty()), "{each:?}");
    let all: Vec<String> = each.concat();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (60, 60), "{all:?}");
}

#[tokio::test]
async fn queues_on_one_server_do_not_meet() {
    let Some(server) = NatsServer::start() else { return };
    let queues: Vec<Nats> = ["one", "One", "one-a"]
        .iter()
        .map(|stream| open_on(&server.address(), stream))
        .collect();
    let everything = pattern(">");
    let mut takings = Vec::new();
    for queue in &queues {
        takings.push(queue.take("group", &everything).await.unwrap());
    }
    queues[0].publish(message("a", "for one")).await.unwrap();
    assert_eq!(body(&next(&*takings[0]).await), "for one");
    nothing(&*takings[1]).await;
    nothing(&*takings[2]).await;
}

#[tokio::test]
async fn what_is_worked_on_for_long_is_not_handed_out_meanwhile_and_what_is_missed_is() {
    let Some(server) = NatsServer::start() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let address = server.address();
    let gone = runtime.spawn(async move {
        let queue = open_on(&address, "weft");
        let taking = queue.take("group", &pattern("a")).await.unwrap();
        queue.publish(message("a", "long")).await.unwrap();
        let delivery = next(&*taking).await;
        (taking, delivery)
    });
    let (taking, delivery) = gone.await.unwrap();
    assert_eq!(body(&delivery), "long");
    let queue = open_on(&server.address(), "weft");
    let other = queue.take("group", &pattern("a")).await.unwrap();
    // Longer than the server would wait for word.
    let meanwhile = tokio::time::timeout(Duration::from_secs(4), other.next()).await;
    assert!(meanwhile.is_err(), "{meanwhile:?}");
    // As if the process had been killed: nobody says anything any more.
    runtime.shutdown_background();
    let begun = Instant::now();
    let again = next(&*other).await;
    assert_eq!((body(&again), again.attempts), ("long".to_owned(), 0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    other.done(&again).await.unwrap();
    drop(taking);
    nothing(&*other).await;
}

#[tokio::test]
async fn replies_come_from_other_processes_too() {
    let Some(server) = NatsServer::start() else { return };
    let asking = open_on(&server.address(), "weft");
    let answering = open_on(&server.address(), "weft");
    let taking = answering.take("group", &pattern("price.*")).await.unwrap();
    let asked = asking.request(message("price.tea", "?"), 1, Duration::from_secs(10));
    let answer = async {
        let delivery = next(&*taking).await;
        let reply = Message {
            subject: delivery.message.reply_to.clone().unwrap(),
            content_type: Some("text/plain".to_owned()),
            metadata: vec![("a".to_owned(), "1".to_owned())],
            ..message("a", "3.50")
        };
        // It is no place of another queue, on the same server or elsewhere.
        let elsewhere = open_on(&server.address(), "another");
        elsewhere.publish(reply.clone()).await.unwrap();
        answering.publish(reply).await.unwrap();
        taking.done(&delivery).await.unwrap();
    };
    let (replies, ()) = tokio::join!(asked, answer);
    let replies = replies.unwrap();
    assert_eq!((replies.len(), &replies[0].body[..]), (1, &b"3.50"[..]));
    assert_eq!(replies[0].content_type.as_deref(), Some("text/plain"));
    assert_eq!(replies[0].metadata, [("a".to_owned(), "1".to_owned())]);
    // A guest that makes up an inbox reaches nobody.
    let made_up = message("_INBOX.someone.else", "?");
    answering.publish(made_up).await.unwrap();
}

#[tokio::test]
async fn other_programs_publish_and_read_and_what_makes_no_sense_is_put_aside() {
    let Some(server) = NatsServer::start() else { return };
    let queue = open_on(&server.address(), "weft");
    let taking = queue.take("group", &pattern(">")).await.unwrap();
    let jetstream = jetstream(&server).await;
    let publish = async |subject: &str, headers: HeaderMap| {
        let published = jetstream.publish_with_headers(subject.to_owned(), headers, "theirs".into());
        published.await.unwrap().await.unwrap();
    };
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "text/plain");
    headers.insert("Nats-Msg-Id", "7");
    headers.insert("b", "2");
    headers.insert("a", "1");
    publish("weft.weft.message.order.new", headers).await;
    let delivery = next(&*taking).await;
    assert_eq!(delivery.message.subject.as_str(), "order.new");
    assert_eq!(delivery.message.content_type.as_deref(), Some("text/plain"));
    let metadata: Vec<(&str, &str)> = delivery
        .message
        .metadata
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    assert_eq!(metadata, [("a", "1"), ("b", "2")]);
    taking.done(&delivery).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("Weft-Message", "{");
    publish("weft.weft.message.order.new", headers).await;
    let Err(Error::NoMessage { key }) = taking.next().await else {
        panic!("no message is none")
    };
    assert!(key.starts_with("d/group/"), "{key}");
    publish(
        &format!("weft.weft.message.{}", "s".repeat(256)),
        HeaderMap::new(),
    )
    .await;
    let odd = taking.next().await;
    assert!(matches!(odd, Err(Error::NoMessage { .. })), "{odd:?}");
    nothing(&*taking).await;
    assert!(!queue.retry(&key).await.unwrap());
}

#[tokio::test]
async fn a_queue_keeps_nothing_that_everybody_is_done_with() {
    let Some(server) = NatsServer::start() else { return };
    let queue = open_on(&server.address(), "weft");
    queue.publish(message("a", "nobody takes it")).await.unwrap();
    let one = queue.take("one", &pattern("a")).await.unwrap();
    let other = queue.take("other", &pattern(">")).await.unwrap();
    for _ in 0..10 {
        queue.publish(message("a", "x")).await.unwrap();
    }
    let mut stream = jetstream(&server).await.get_stream("weft").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 10);
    for taking in [&one, &other] {
        for _ in 0..10 {
            let delivery = next(&**taking).await;
            taking.again(delivery, Duration::ZERO).await.unwrap();
        }
        for _ in 0..10 {
            let delivery = next(&**taking).await;
            assert_eq!(delivery.attempts, 1);
            taking.done(&delivery).await.unwrap();
        }
    }
    assert_eq!(stream.info().await.unwrap().state.messages, 0);
    // Nor how often they were tried.
    let beside = keyvalue::nats::Options {
        bucket: server::bucket_of("weft"),
        timeout: Duration::from_secs(10),
        ..keyvalue::nats::Options::default()
    };
    let beside = keyvalue::nats::Nats::new(&server.address(), beside).unwrap();
    let kept = keyvalue::Store::list(&beside, "", None, 100).await.unwrap();
    assert_eq!(kept.keys, [""; 0]);
}

#[tokio::test]
async fn what_is_said_twice_is_noted_once_and_answered_twice() {
    let Some(server) = NatsServer::start() else { return };
    let queue = open_on(&server.address(), "weft");
    let taking = queue.take("group", &pattern("a")).await.unwrap();
    queue.publish(message("a", "one")).await.unwrap();
    let one = next(&*taking).await;
    taking.done(&one).await.unwrap();
    // As where the answer to the first word was lost.
    let begun = Instant::now();
    taking.done(&one).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    nothing(&*taking).await;
}

#[tokio::test]
async fn a_stream_that_is_no_queue_is_refused() {
    let Some(server) = NatsServer::start() else { return };
    let config = Config {
        name: "weft".to_owned(),
        subjects: vec!["weft.weft.message.>".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..Config::default()
    };
    jetstream(&server).await.create_stream(config).await.unwrap();
    let refused = open_on(&server.address(), "weft").check().await.unwrap_err();
    let Error::Store(keyvalue::Error::Backend { source, .. }) = &refused else {
        panic!("{refused:?}")
    };
    assert!(source.to_string().contains("not for a queue"), "{source}");
}

#[tokio::test]
async fn a_queue_that_was_deleted_is_made_anew_with_its_groups() {
    let Some(server) = NatsServer::start() else { return };
    let queue = open_on(&server.address(), "weft");
    queue.join("group", &pattern("a")).await.unwrap();
    let jetstream = jetstream(&server).await;
    jetstream.delete_stream("weft").await.unwrap();
    let lost = queue.publish(message("a", "lost")).await;
    assert!(lost.is_err(), "it was not kept, and so not acknowledged");
    queue.publish(message("a", "kept")).await.unwrap();
    let taking = queue.take("group", &pattern("a")).await.unwrap();
    assert_eq!(body(&next(&*taking).await), "kept");
}

#[tokio::test]
async fn a_group_that_takes_something_else_from_now_on_takes_that() {
    let Some(server) = NatsServer::start() else { return };
    let queue = open_on(&server.address(), "weft");
    drop(queue.take("group", &pattern("a")).await.unwrap());
    let taking = queue.take("group", &pattern("b.*")).await.unwrap();
    queue.publish(message("a", "not any more")).await.unwrap();
    queue.publish(message("b.c", "now")).await.unwrap();
    let delivery = next(&*taking).await;
    assert_eq!(body(&delivery), "now");
    taking.done(&delivery).await.unwrap();
    nothing(&*taking).await;
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_when_the_server_is_killed() {
    let Some(mut server) = NatsServer::start() else {
        return;
    };
    let queue = impatient(&server.address());
    let groups = [("all", pattern(">")), ("some", pattern("a"))];
    for (group, pattern) in &groups {
        queue.join(group, pattern).await.unwrap();
    }
    let mut acknowledged = BTreeSet::new();
    for round in 0..5 {
        let publishing = async {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let text = format!("{round:02}/{number:05}");
                // Whether one that was not acknowledged is there is open; it may come, and need not.
                if queue.publish(message("a", &text)).await.is_err() {
                    break;
                }
                acknowledged.push(text);
            }
            acknowledged
        };
        let killing = async {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(20..300))).await;
            // Another thread, so that messages are on their way meanwhile.
            tokio::task::spawn_blocking(move || {
                server.stop();
                server
            })
            .await
            .unwrap()
        };
        let (published, back) = tokio::join!(publishing, killing);
        assert!(!published.is_empty());
        acknowledged.extend(published);
        server = back;
        server.start_again();
    }
    println!("{} acknowledged", acknowledged.len());
    for (group, pattern) in &groups {
        let taking = queue.take(group, pattern).await.unwrap();
        let mut missing = acknowledged.clone();
        while !missing.is_empty() {
            let delivery = next(&*taking).await;
            taking.done(&delivery).await.unwrap();
            missing.remove(&body(&delivery));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_lost_is_an_error_in_time_and_used_again_when_it_is_back() {
    let Some(mut server) = NatsServer::start() else {
        return;
    };
    let queue = impatient(&server.address());
    let taking = queue.take("group", &pattern("a")).await.unwrap();
    queue.publish(message("a", "one")).await.unwrap();
    let one = next(&*taking).await;
    server.stop();
    let begun = Instant::now();
    let failures = [
        queue.publish(message("a", "two")).await.err(),
        queue.check().await.err(),
        queue
            .request(message("a", "two"), 1, Duration::from_secs(60))
            .await
            .err(),
        queue.join("other", &pattern("a")).await.err(),
        queue.take("other", &pattern("a")).await.err(),
        taking.next().await.err(),
        taking.done(&one).await.err(),
    ];
    for failure in &failures {
        let expected = matches!(
            failure,
            Some(Error::Store(
                keyvalue::Error::Backend { .. } | keyvalue::Error::Timeout { .. }
            ))
        );
        assert!(expected, "{failure:?}");
    }
    assert!(begun.elapsed() < TIMEOUT * 10, "{:?}", begun.elapsed());
    server.start_again();
    queue.publish(message("a", "three")).await.unwrap();
    // What was not noted comes again, once the server misses it.
    let mut came = BTreeSet::new();
    while came.len() < 2 {
        let delivery = next(&*taking).await;
        taking.done(&delivery).await.unwrap();
        came.insert(body(&delivery));
    }
    assert_eq!(came, BTreeSet::from(["one".to_owned(), "three".to_owned()]));
}

#[tokio::test]
async fn a_server_that_comes_back_while_a_message_is_waited_for_is_asked_again() {
    let Some(mut server) = NatsServer::start() else {
        return;
    };
    let queue = impatient(&server.address());
    let taking = queue.take("group", &pattern("a")).await.unwrap();
    nothing(&*taking).await;
    server.stop();
    server.start_again();
    let publisher = open_on(&server.address(), "weft");
    publisher.publish(message("a", "one")).await.unwrap();
    let begun = Instant::now();
    let delivery = loop {
        // It may tell of the loss, once.
        match tokio::time::timeout(Duration::from_secs(10), taking.next())
            .await
            .unwrap()
        {
            Ok(delivery) => break delivery,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(5), "{error}"),
        }
    };
    assert_eq!(body(&delivery), "one");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_that_says_nothing_costs_no_more_than_the_timeout() {
    let Some(server) = NatsServer::start() else { return };
    let queue = impatient(&server.address());
    let taking = queue.take("group", &pattern("a")).await.unwrap();
    server.freeze();
    let begun = Instant::now();
    let many = (0..20).map(|_| queue.publish(message("a", "x")));
    for answer in futures::future::join_all(many).await {
        assert!(
            matches!(answer, Err(Error::Store(keyvalue::Error::Timeout { .. }))),
            "{answer:?}"
        );
    }
    assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    server.thaw();
    queue.publish(message("a", "kept")).await.unwrap();
    while body(&next(&*taking).await) != "kept" {}
}

#[tokio::test]
async fn nothing_listens_where_there_is_no_server() {
    let queue = Nats::new("nats://weft:hunter2@127.0.0.1:1", server::Options::default()).unwrap();
    let error = queue.publish(message("a", "x")).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
    assert!(!format!("{error:?} {queue:?}").contains("hunter2"), "{error:?}");
}
