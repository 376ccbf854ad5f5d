//! Random histories, held against a model: of one client, and of several at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_stores::blob::{Error, Object, Store};

use super::backends;
use super::content::{content, names, no_file_is_left, read, read_all, try_read, write};

/// What a container should hold; none while there is no container.
type Model = Option<BTreeMap<String, Vec<u8>>>;

fn seed() -> u64 {
    match std::env::var("WEFT_TEST_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => fastrand::u64(..),
    }
}

fn name(random: &mut fastrand::Rng) -> String {
    format!("n{}", random.u8(..30))
}

/// Mostly small, so that histories are long.
fn some_content(random: &mut fastrand::Rng) -> Vec<u8> {
    let bytes = match random.u8(..12) {
        0 => 0,
        1 => random.usize(..400_000),
        2 => 65_536 * random.usize(..4),
        _ => random.usize(..20_000),
    };
    content(random.usize(..1000), bytes)
}

#[tokio::test]
async fn random_histories_agree_with_the_model() {
    let seed = seed();
    for backend in backends::every() {
        eprintln!("with {}, WEFT_TEST_SEED={seed}", backend.name);
        let steps = if backend.name == "memory" { 2000 } else { 300 };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut history = History {
            store: backend.store.as_ref(),
            model: Some(BTreeMap::new()),
            opened: Vec::new(),
            is_lasting: backend.bytes_max.is_some(),
        };
        for step in 0..steps {
            eprintln!("step {step}");
            history.step(&mut random).await;
        }
        backend.store.check().await.unwrap();
    }
}

struct History<'a> {
    store: &'a dyn Store,
    model: Model,
    /// Objects that were opened before, and what they had.
    opened: Vec<(Box<dyn Object>, Vec<u8>)>,
    /// They stay readable.
    is_lasting: bool,
}

impl History<'_> {
    async fn step(&mut self, random: &mut fastrand::Rng) {
        let name = name(random);
        match random.u8(..24) {
            0..=7 => {
                let content = some_content(random);
                let written = self.store.write(&name, super::content::spool(&content)).await;
                self.made(written, |model| drop(model.insert(name, content)));
            }
            8..=9 => {
                let names: Vec<String> = (0..random.usize(..4)).map(|_| self::name(random)).collect();
                let removed = self.store.remove(&names).await;
                self.made(removed, |model| model.retain(|name, _| !names.contains(name)));
            }
            10..=12 => {
                let to = self::name(random);
                let copied = self.store.copy(&name, &to).await;
                let found = copied.as_ref().ok().copied();
                self.made(copied.map(drop), |model| {
                    let whole = model.get(&name).cloned();
                    assert_eq!(found, Some(whole.is_some()));
                    model.extend(whole.map(|whole| (to, whole)));
                });
            }
            13..=16 => self.open(&name).await,
            17..=18 => self.read_opened(random).await,
            19..=20 => self.list(random).await,
            21 => {
                let cleared = self.store.clear(&name).await;
                self.made(cleared, |model| {
                    model.retain(|other, _| !other.starts_with(&name))
                });
            }
            22 => self.create().await,
            _ if random.bool() => match self.store.delete().await {
                Ok(()) => self.model = None,
                Err(error) => assert!(matches!(error, Error::Fixed) && !self.is_lasting, "{error:?}"),
            },
            _ => {
                let there = self.store.container().await.unwrap();
                assert_eq!(there.is_some(), self.model.is_some());
            }
        }
    }

    /// A change was made, or there was no container to make it in.
    fn made(&mut self, made: Result<(), Error>, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        match (made, &mut self.model) {
            (Ok(()), Some(model)) => change(model),
            (Err(Error::NoContainer), None) => {}
            (made, model) => panic!("{made:?}, container: {}", model.is_some()),
        }
    }

    async fn open(&mut self, name: &str) {
        let opened = self.store.open(name).await;
        let (opened, model) = match (opened, &self.model) {
            (Ok(opened), Some(model)) => (opened, model),
            (Err(Error::NoContainer), None) => return,
            (opened, model) => panic!("{opened:?}, container: {}", model.is_some()),
        };
        let expected = model.get(name);
        assert_eq!(opened.is_some(), expected.is_some(), "`{name}`");
        if let (Some(object), Some(expected)) = (opened, expected) {
            assert!(read_all(object.as_ref()).await.unwrap() == *expected, "`{name}`");
            self.opened.push((object, expected.clone()));
        }
    }

    async fn read_opened(&mut self, random: &mut fastrand::Rng) {
        if self.opened.is_empty() {
            return;
        }
        let (object, expected) = self.opened.swap_remove(random.usize(..self.opened.len()));
        let offset = random.usize(..=expected.len());
        match object.read(offset as u64, random.usize(1..300_000)).await {
            Ok(part) => assert!(part == expected[offset..offset + part.len()]),
            Err(error) => assert!(matches!(error, Error::Replaced) && !self.is_lasting, "{error:?}"),
        }
    }

    async fn list(&mut self, random: &mut fastrand::Rng) {
        let prefix = if random.bool() { "" } else { "n1" };
        match &self.model {
            Some(model) => {
                let expected = model.keys().filter(|name| name.starts_with(prefix));
                let found = names(self.store, prefix, random.usize(1..20)).await;
                assert_eq!(found.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
            None => {
                let refused = self.store.list(prefix, None, 10).await;
                assert!(matches!(refused, Err(Error::NoContainer)), "{refused:?}");
            }
        }
    }

    async fn create(&mut self) {
        match (self.store.create().await, &mut self.model) {
            (Ok(_), Some(model)) => assert!(model.is_empty()),
            (Ok(_), model) => *model = Some(BTreeMap::new()),
            (Err(Error::NotEmpty), Some(model)) => assert!(!model.is_empty()),
            (created, model) => panic!("{created:?}, container: {}", model.is_some()),
        }
    }
}

/// One of several clients: names of its own, which it knows all about, and one name that all of them write.
async fn client(store: Arc<dyn Store>, client: usize, seed: u64) -> BTreeMap<String, Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed + client as u64);
    let mut model = BTreeMap::new();
    for _ in 0..40 {
        let own = format!("client-{client}/{}", random.u8(..6));
        match random.u8(..10) {
            0..=3 => {
                let content = some_content(&mut random);
                write(store.as_ref(), &own, &content).await;
                model.insert(own, content);
            }
            4 => {
                store.remove(std::slice::from_ref(&own)).await.unwrap();
                model.remove(&own);
            }
            5..=6 => {
                // A content that says its number and length, so that halves of two are noticed.
                let number = random.usize(..1000);
                let mut shared = number.to_le_bytes().to_vec();
                shared.extend(content(number, random.usize(..100_000)));
                write(store.as_ref(), "shared", &shared).await;
            }
            7 => drop(store.copy("shared", &format!("copy-{client}")).await.unwrap()),
            _ => {
                for name in ["shared", &format!("copy-{}", random.u8(..4))] {
                    let shared = match try_read(store.as_ref(), name).await {
                        Ok(shared) => shared,
                        Err(error) => {
                            assert!(matches!(error, Error::Replaced), "{error:?}");
                            continue;
                        }
                    };
                    if let Some((number, rest)) = shared.as_ref().and_then(|all| all.split_first_chunk::<8>())
                    {
                        assert!(
                            *rest == content(usize::from_le_bytes(*number), rest.len()),
                            "half of two"
                        );
                    }
                }
                assert_eq!(read(store.as_ref(), &own).await.as_ref(), model.get(&own));
            }
        }
    }
    model
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_at_once_see_whole_objects_and_their_own_in_order() {
    let seed = seed();
    for backend in backends::every() {
        eprintln!("with {}, WEFT_TEST_SEED={seed}", backend.name);
        let clients = (0..4).map(|number| tokio::spawn(client(Arc::clone(&backend.store), number, seed)));
        let mut expected = BTreeMap::new();
        for model in futures::future::join_all(clients).await {
            expected.extend(model.unwrap());
        }
        let found = names(backend.store.as_ref(), "client-", 7).await;
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>()
        );
        for (name, content) in &expected {
            assert!(
                read(backend.store.as_ref(), name).await.unwrap() == *content,
                "`{name}`"
            );
        }
        if let Some(scratch) = &backend.scratch {
            no_file_is_left(&scratch.path().join("store"), backend.store.as_ref()).await;
        }
    }
}
