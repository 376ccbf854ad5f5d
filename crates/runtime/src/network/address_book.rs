//! Which name leads to which address, as far as one guest is concerned.
//!
//! Two kinds of entries. What the *guest was told* when it looked a name up itself stays: a name that answers
//! with other addresses every time (round robin) must not take away the address that the guest is about to
//! use. What *the policy asked* about a granted name is kept for half a minute and then asked again.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use wasmtime_wasi::runtime::with_ambient_tokio_runtime;

use super::names::LookupError;
use super::resolver::Resolver;

/// How long an answer is good for.
const ANSWER_LIFETIME: Duration = Duration::from_secs(30);

/// How long a failed look-up is not repeated: short, since the name server may be back at once, but long
/// enough that a guest cannot make the host ask for every datagram it sends.
const FAILURE_LIFETIME: Duration = Duration::from_secs(2);

/// Look-ups of one guest at the same time; each holds a thread while it waits for the name server.
const LOOKUPS_MAX: usize = 8;

/// Addresses taken from one answer.
const ANSWER_ADDRESSES_MAX: usize = 64;

/// Addresses remembered from the guest's own look-ups; the oldest is forgotten first.
const TOLD_ADDRESSES_MAX: usize = 1024;

/// Names remembered for one address; the oldest is forgotten first.
const TOLD_NAMES_MAX: usize = 8;

/// The names and addresses of one guest.
pub(super) struct AddressBook {
    resolver: Arc<dyn Resolver>,
    free_lookups: Arc<Semaphore>,
    told: Mutex<Told>,
    answers: Mutex<HashMap<String, Answer>>,
}

/// What the guest learned from its own look-ups.
#[derive(Default)]
struct Told {
    names: HashMap<IpAddr, VecDeque<String>>,
    /// The addresses by age, the oldest first.
    ages: VecDeque<IpAddr>,
}

/// What the policy learned about a granted name. There are never more of these than grants.
struct Answer {
    addresses: Vec<IpAddr>,
    good_until: Instant,
}

impl AddressBook {
    pub(super) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self {
            resolver,
            free_lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            told: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// Asks the resolver, on a thread of its own. At least one address, each once, none of them IPv4 written
    /// as IPv6.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let free_lookups = Arc::clone(&self.free_lookups);
        let permit = free_lookups
            .acquire_owned()
            .await
            .map_err(|_| LookupError::Temporary)?;
        let (resolver, name) = (Arc::clone(&self.resolver), name.to_owned());
        let lookup = move || {
            let found = resolver.resolve(&name);
            // Given back by the thread itself: a guest that stops waiting does not free it.
            drop(permit);
            found.map_err(|error| {
                tracing::debug!(name, %error, "a name does not resolve");
                LookupError::from_resolver(&error)
            })
        };
        let found = with_ambient_tokio_runtime(|| tokio::task::spawn_blocking(lookup)).await;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map_err(|_| LookupError::Temporary)?? {
            let address = address.to_canonical();
            if addresses.len() < ANSWER_ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            Err(LookupError::Unresolvable)
        } else {
            Ok(addresses)
        }
    }

    /// Remembers what the guest was told about a name.
    pub(super) fn tell(&self, name: &str, addresses: &[IpAddr]) {
        let mut told = self.told.lock();
        addresses.iter().for_each(|address| told.insert(*address, name));
    }

    /// The names that led the guest to this address, the latest last.
    pub(super) fn names_told(&self, address: IpAddr) -> Vec<String> {
        self.told
            .lock()
            .names
            .get(&address)
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Whether the name leads to the address now, asking only when the last answer is too old.
    pub(super) async fn leads_to(&self, name: &str, address: IpAddr, now: Instant) -> bool {
        if let Some(answer) = self.answers.lock().get(name)
            && now < answer.good_until
        {
            return answer.addresses.contains(&address);
        }
        let found = self.resolve(name).await;
        let lifetime = if found.is_ok() {
            ANSWER_LIFETIME
        } else {
            FAILURE_LIFETIME
        };
        let answer = Answer {
            addresses: found.unwrap_or_default(),
            good_until: now + lifetime,
        };
        let leads = answer.addresses.contains(&address);
        self.answers.lock().insert(name.to_owned(), answer);
        leads
    }
}

impl Told {
    fn insert(&mut self, address: IpAddr, name: &str) {
        if !self.names.contains_key(&address) {
            if self.ages.len() >= TOLD_ADDRESSES_MAX
                && let Some(oldest) = self.ages.pop_front()
            {
                self.names.remove(&oldest);
            }
            self.ages.push_back(address);
        }
        let names = self.names.entry(address).or_default();
        if names.iter().any(|known| known == name) {
            return;
        }
        if names.len() >= TOLD_NAMES_MAX {
            names.pop_front();
        }
        names.push_back(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    const NAME: &str = "api.example.com";

    fn public(last: u8) -> IpAddr {
        IpAddr::from([93, 184, 216, last])
    }

    /// Answers with another address every time.
    fn round_robin() -> AddressBook {
        let turn = AtomicU8::new(1);
        AddressBook::new(Arc::new(move |_: &str| {
            Ok(vec![public(turn.fetch_add(1, Ordering::Relaxed))])
        }))
    }

    #[tokio::test]
    async fn an_answer_is_asked_again_only_when_it_is_too_old() {
        let book = round_robin();
        let now = Instant::now();
        assert!(book.leads_to(NAME, public(1), now).await);
        assert!(!book.leads_to(NAME, public(2), now + ANSWER_LIFETIME / 2).await);
        assert!(book.leads_to(NAME, public(2), now + ANSWER_LIFETIME).await);
        assert!(!book.leads_to(NAME, public(1), now + ANSWER_LIFETIME).await);
    }

    #[tokio::test]
    async fn a_failed_look_up_is_asked_again_soon_but_not_at_once() {
        let turn = AtomicU8::new(0);
        let book = AddressBook::new(Arc::new(move |_: &str| {
            match turn.fetch_add(1, Ordering::Relaxed) {
                0 => Err(io::Error::other("no server")),
                _ => Ok(vec![public(1)]),
            }
        }));
        let now = Instant::now();
        assert!(!book.leads_to(NAME, public(1), now).await);
        assert!(!book.leads_to(NAME, public(1), now + FAILURE_LIFETIME / 2).await);
        assert!(book.leads_to(NAME, public(1), now + FAILURE_LIFETIME).await);
    }

    #[tokio::test]
    async fn an_answer_is_canonical_without_repetition_and_never_empty() {
        let mapped: IpAddr = "::ffff:93.184.216.1".parse().unwrap();
        let book = AddressBook::new(Arc::new(move |name: &str| match name {
            "many.example.com" => Ok((0..=255).map(public).collect()),
            "none.example.com" => Ok(Vec::new()),
            "busy.example.com" => Err(io::Error::from_raw_os_error(24)),
            _ => Ok(vec![mapped, public(1), public(2)]),
        }));
        assert_eq!(book.resolve(NAME).await, Ok(vec![public(1), public(2)]));
        assert_eq!(
            book.resolve("many.example.com").await.unwrap().len(),
            ANSWER_ADDRESSES_MAX
        );
        assert_eq!(
            book.resolve("none.example.com").await,
            Err(LookupError::Unresolvable)
        );
        assert_eq!(
            book.resolve("busy.example.com").await,
            Err(LookupError::Temporary)
        );
    }

    #[tokio::test]
    async fn a_resolver_that_panics_fails_that_look_up_only() {
        let book = AddressBook::new(Arc::new(|_: &str| -> io::Result<Vec<IpAddr>> {
            panic!("broken")
        }));
        for _ in 0..=LOOKUPS_MAX {
            assert_eq!(book.resolve(NAME).await, Err(LookupError::Temporary));
        }
    }

    #[test]
    fn what_the_guest_was_told_is_bounded() {
        let book = round_robin();
        for number in 0..3000u32 {
            book.tell(
                &format!("{number}.example.com"),
                &[IpAddr::from(number.to_be_bytes()), public(1)],
            );
        }
        let told = book.told.lock();
        assert_eq!(told.names.len(), TOLD_ADDRESSES_MAX);
        assert_eq!(told.ages.len(), TOLD_ADDRESSES_MAX);
        assert!(told.names.values().all(|names| names.len() <= TOLD_NAMES_MAX));
    }
}
