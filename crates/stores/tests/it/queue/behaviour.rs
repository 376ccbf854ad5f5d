//! Single promises.

use weft_stores::queue::Error;

use super::*;

#[test]
fn every_group_gets_every_message_of_its_pattern_in_order_and_once() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let all = queue.take("all", &pattern(">")).await.unwrap();
            let some = queue.take("some", &pattern("a.*")).await.unwrap();
            for number in 0..200 {
                let subject = if number % 2 == 0 { "a.b" } else { "c" };
                queue.publish(message(subject, number.to_string())).await.unwrap();
            }
            for number in 0..200 {
                let delivery = next(&*all).await;
                assert_eq!(
                    (body(&delivery), delivery.attempts),
                    (number.to_string(), 0),
                    "{name}"
                );
                all.done(&delivery).await.unwrap();
                if number % 2 == 0 {
                    let delivery = next(&*some).await;
                    assert_eq!(body(&delivery), number.to_string(), "{name}");
                    some.done(&delivery).await.unwrap();
                }
            }
            nothing(&*all).await;
            nothing(&*some).await;
        });
    }
}

#[test]
fn what_nobody_takes_is_gone_and_what_a_group_has_not_worked_on_waits_for_it() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            queue.publish(message("a", "before")).await.unwrap();
            queue.join("group", &pattern("a")).await.unwrap();
            queue.publish(message("a", "zero")).await.unwrap();
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            queue.publish(message("a", "one")).await.unwrap();
            queue.publish(message("a", "two")).await.unwrap();
            assert_eq!(body(&next(&*taking).await), "zero", "{name}");
            drop(taking);
            queue.publish(message("a", "three")).await.unwrap();
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            for expected in ["zero", "one", "two", "three"] {
                let delivery = next(&*taking).await;
                assert_eq!(body(&delivery), expected, "{name}");
                taking.done(&delivery).await.unwrap();
            }
            nothing(&*taking).await;
        });
    }
}

#[test]
fn one_at_a_time_takes_for_a_group() {
    for Backend {
        name, queue, takers, ..
    } in every()
    {
        if takers == Takers::Many {
            continue;
        }
        block_on(async {
            let first = queue.take("group", &pattern("a")).await.unwrap();
            let group = pattern("a");
            let mut second = queue.take("group", &group);
            let waits = tokio::time::timeout(Duration::from_millis(300), &mut second).await;
            assert!(waits.is_err(), "{name}");
            drop(first);
            queue.publish(message("a", "one")).await.unwrap();
            let second = tokio::time::timeout(Duration::from_secs(5), second)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(body(&next(&*second).await), "one", "{name}");
        });
    }
}

#[test]
fn what_failed_comes_again_after_its_time_and_what_is_put_aside_does_not() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            for text in ["late", "aside", "well"] {
                queue.publish(message("a", text)).await.unwrap();
            }
            let late = next(&*taking).await;
            taking.again(late, Duration::from_millis(400)).await.unwrap();
            let aside = next(&*taking).await;
            taking.put_aside(aside).await.unwrap();
            let well = next(&*taking).await;
            assert_eq!(body(&well), "well", "{name}");
            taking.done(&well).await.unwrap();
            nothing(&*taking).await;
            let late = next(&*taking).await;
            assert_eq!((body(&late), late.attempts), ("late".to_owned(), 1), "{name}");
            // It also waits for whoever takes for the group later.
            taking.again(late, Duration::from_millis(400)).await.unwrap();
            drop(taking);
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            nothing(&*taking).await;
            let late = next(&*taking).await;
            assert_eq!((body(&late), late.attempts), ("late".to_owned(), 2), "{name}");
            taking.done(&late).await.unwrap();
        });
    }
}

#[test]
fn many_that_failed_all_come_again_and_once() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            for number in 0..300 {
                queue.publish(message("a", number.to_string())).await.unwrap();
            }
            for _ in 0..300 {
                let delivery = next(&*taking).await;
                taking.again(delivery, Duration::from_millis(300)).await.unwrap();
            }
            queue.publish(message("a", "new")).await.unwrap();
            let mut came = std::collections::BTreeSet::new();
            for _ in 0..301 {
                let delivery = next(&*taking).await;
                assert!(
                    came.insert(body(&delivery)),
                    "{name}: {} came twice",
                    body(&delivery)
                );
                taking.done(&delivery).await.unwrap();
            }
            nothing(&*taking).await;
        });
    }
}

#[test]
fn replies_come_to_whoever_asked_until_there_are_enough_or_time_is_over() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let second = Duration::from_secs(1);
            let nobody = queue.request(message("a", "?"), 1, second).await;
            assert!(
                matches!(nobody, Err(Error::NobodyTakes { .. })),
                "{name}: {nobody:?}"
            );
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            let late = queue
                .request(message("a", "?"), 1, Duration::from_millis(100))
                .await;
            assert!(matches!(late, Err(Error::NoReply { .. })), "{name}: {late:?}");
            let first = next(&*taking).await;
            // Nobody waits for it any more, which is nobody's fault.
            let mut reply = message("a", "late");
            reply.subject = first.message.reply_to.clone().unwrap();
            queue.publish(reply).await.unwrap();
            taking.done(&first).await.unwrap();
            let answering = async {
                let asked = next(&*taking).await;
                for text in ["one", "two", "three"] {
                    let mut reply = message("a", text);
                    reply.subject = asked.message.reply_to.clone().unwrap();
                    queue.publish(reply).await.unwrap();
                }
                taking.done(&asked).await.unwrap();
            };
            let (replies, ()) = tokio::join!(queue.request(message("a", "?"), 2, second), answering);
            let texts: Vec<_> = replies.unwrap().into_iter().map(|reply| reply.body).collect();
            assert_eq!(texts, ["one", "two"], "{name}");
        });
    }
}

#[test]
fn a_message_that_is_too_large_is_refused_and_the_largest_is_not() {
    for Backend {
        name,
        queue,
        body_bytes_max: largest,
        ..
    } in every()
    {
        block_on(async {
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            queue.publish(message("a", "b".repeat(largest))).await.unwrap();
            let refused = queue.publish(message("a", "b".repeat(MESSAGE_BYTES_MAX))).await;
            assert!(
                matches!(refused, Err(Error::MessageLength { .. })),
                "{name}: {refused:?}"
            );
            assert_eq!(next(&*taking).await.message.body.len(), largest, "{name}");
        });
    }
}

#[test]
fn another_process_is_heard_and_takes_over() {
    for Backend {
        name,
        queue,
        another,
        takers,
        ..
    } in every()
    {
        let Some(another) = another else { continue };
        let other = another();
        block_on(async {
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            other.publish(message("a", "from the other")).await.unwrap();
            let delivery = next(&*taking).await;
            assert_eq!(body(&delivery), "from the other", "{name}");
            taking.done(&delivery).await.unwrap();
            let group = pattern("a");
            let mut waiting = other.take("group", &group);
            if takers == Takers::One {
                let waits = tokio::time::timeout(Duration::from_millis(400), &mut waiting).await;
                assert!(waits.is_err(), "{name}");
            }
            queue.publish(message("a", "for whoever comes")).await.unwrap();
            drop(taking);
            let taking = tokio::time::timeout(Duration::from_secs(5), waiting)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(body(&next(&*taking).await), "for whoever comes", "{name}");
        });
    }
}

#[test]
fn what_is_said_of_a_message_comes_with_it() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let taking = queue.take("group", &pattern("ü.>")).await.unwrap();
            let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
            let mut sent = vec![Message::new("ü.$JS.%".parse().unwrap(), &[0, 255, 10][..])];
            sent.push(Message {
                content_type: Some("text/plain".to_owned()),
                metadata: vec![pair("a", "1"), pair("b", "2"), pair("b", "3")],
                ..message("ü.a", "plain")
            });
            sent.push(Message {
                content_type: Some("\n".to_owned()),
                metadata: vec![
                    pair("Nats-Rollup", "all"),
                    pair("Nats-Msg-Id", "1"),
                    pair("a", "1\r\nNats-TTL: 1s\r\n\r\n"),
                    pair("", " "),
                    pair("a", "\u{85}\u{2028}\u{7f}\0"),
                ],
                ..message("ü.a.b", "odd")
            });
            for message in sent {
                queue.publish(message.clone()).await.unwrap();
                let delivery = next(&*taking).await;
                assert_eq!(delivery.message, message, "{name}");
                // Also where it has been given back.
                taking.again(delivery, Duration::ZERO).await.unwrap();
                let delivery = next(&*taking).await;
                assert_eq!((&delivery.message, delivery.attempts), (&message, 1), "{name}");
                taking.done(&delivery).await.unwrap();
            }
            nothing(&*taking).await;
        });
    }
}

#[test]
fn what_was_put_aside_is_tried_again_where_a_person_says_so() {
    for Backend { name, queue, .. } in every() {
        block_on(async {
            let taking = queue.take("group", &pattern("a")).await.unwrap();
            let other = queue.take("other", &pattern("a")).await.unwrap();
            for absent in ["d/group/1", "d/", "m/group/1", "d/group/1/2"] {
                assert!(!queue.retry(absent).await.unwrap(), "{name}: {absent}");
            }
            queue.publish(message("a", "odd")).await.unwrap();
            let delivery = next(&*other).await;
            other.done(&delivery).await.unwrap();
            let delivery = next(&*taking).await;
            taking.again(delivery, Duration::ZERO).await.unwrap();
            let delivery = next(&*taking).await;
            let key = taking.put_aside(delivery).await.unwrap();
            assert!(key.starts_with("d/group/"), "{name}: {key}");
            nothing(&*taking).await;
            assert!(queue.retry(&key).await.unwrap(), "{name}: {key}");
            assert!(!queue.retry(&key).await.unwrap(), "{name}: {key}");
            let delivery = next(&*taking).await;
            assert_eq!(
                (body(&delivery), delivery.attempts),
                ("odd".to_owned(), 0),
                "{name}"
            );
            assert_eq!(delivery.message.subject.as_str(), "a", "{name}");
            taking.done(&delivery).await.unwrap();
            nothing(&*other).await;
        });
    }
}
