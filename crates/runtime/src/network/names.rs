//! Looking names up for a guest: which names it may ask about, and what its question means.
//!
//! [`host`](super::host) brings the questions of both versions of `wasi:sockets/ip-name-lookup` here.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use weft_app::grant::NetworkGrant;

use super::policy::NetworkPolicy;
use crate::denial::Denial;

/// Bytes of text that are looked at. A name has at most 253, but a longer text may become a short name:
/// it may be written with percent signs or in any script.
const TEXT_BYTES_MAX: usize = 4096;

/// Bytes of a name, and of one of its labels, that the domain name system can carry.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Why a guest gets no addresses for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Neither a name nor an address: the guest must ask differently.
    #[error("the text is neither a host name nor an address")]
    InvalidName,
    /// The guest is told that access is denied, and nobody was asked.
    #[error("looking this name up is not granted")]
    NotGranted,
    /// There is no such name, or it has no address.
    #[error("the name leads to no address")]
    Unresolvable,
    /// Nobody could be asked; the same question may have an answer later.
    #[error("the name could not be looked up this time")]
    Temporary,
}

impl LookupError {
    /// The standard library tells "no such name" and "no name server answered" apart by words only; but when
    /// the system itself could not do its work (no more sockets, no memory) there is an error number.
    pub(super) fn from_resolver(error: &io::Error) -> Self {
        let timed_out = error.kind() == io::ErrorKind::TimedOut;
        if timed_out || error.raw_os_error().is_some() {
            Self::Temporary
        } else {
            Self::Unresolvable
        }
    }
}

/// A question that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// An address is its own answer.
    Address(IpAddr),
    /// A name in its ASCII form, in lower case.
    Name(String),
}

impl Question {
    /// Reads what a guest asks. Scripts other than Latin become their ASCII form (IDNA), and every spelling
    /// of an IPv4 address (`0x7f.1`, `2130706433`) becomes that address: none may pass as a name.
    fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let address = |address: IpAddr| Self::Address(address.to_canonical());
        match url::Host::parse(text) {
            Ok(url::Host::Ipv4(v4)) => Some(address(v4.into())),
            Ok(url::Host::Ipv6(v6)) => Some(address(v6.into())),
            Ok(url::Host::Domain(name)) => is_name(&name).then_some(Self::Name(name)),
            // Without brackets the URL rules do not know an IPv6 address.
            Err(_) => text.parse::<Ipv6Addr>().ok().map(|v6| address(v6.into())),
        }
    }

    fn is_granted(&self, grant: &NetworkGrant) -> bool {
        match self {
            Self::Name(name) => grant.allows_lookup(name),
            // Tells the guest nothing it does not know; libraries ask this way before they listen.
            Self::Address(address) => {
                let lists = [
                    &grant.tcp_connect,
                    &grant.tcp_listen,
                    &grant.udp_connect,
                    &grant.udp_listen,
                ];
                let peers = lists.into_iter().flatten().map(|peer| &peer.host);
                peers
                    .chain(&grant.names)
                    .any(|host| host.matches_address(*address))
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let name = without_root(name);
    let label_is_fine = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(label_is_fine)
}

/// The name without the dot that marks its end as the root of all names.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl NetworkPolicy {
    /// The addresses of a name that the guest asks about, the best first: at least one, none of them IPv4
    /// written as IPv6. The guest's grants by name hold for these addresses from now on.
    ///
    /// Dropping the future forgets the answer; a query that is under way ends by itself.
    ///
    /// # Errors
    ///
    /// When the text is no name, the grant does not cover it, or it has no address.
    ///
    /// # Authority
    ///
    /// Asks the resolver about names within [`NetworkGrant::allows_lookup`], about nothing else. An address
    /// is its own answer if any grant means it.
    ///
    /// # Limits
    ///
    /// Eight queries at a time, 64 addresses from one answer. How long a query takes is the resolver's
    /// business.
    pub async fn look_up(&self, text: &str) -> Result<Vec<IpAddr>, LookupError> {
        self.answer(self.question(text)?).await
    }

    /// What the text asks, if that may be asked.
    pub(super) fn question(&self, text: &str) -> Result<Question, LookupError> {
        let question = Question::parse(text).ok_or(LookupError::InvalidName)?;
        if question.is_granted(self.grant()) {
            return Ok(question);
        }
        let asked = match &question {
            Question::Address(address) => address.to_string(),
            Question::Name(name) => without_root(name).to_owned(),
        };
        self.record(Denial {
            interface: "wasi:sockets/ip-name-lookup".into(),
            flag: format!("--dns {asked}"),
            attempted: format!("looking up `{asked}`"),
        });
        Err(LookupError::NotGranted)
    }

    pub(super) async fn answer(&self, question: Question) -> Result<Vec<IpAddr>, LookupError> {
        match question {
            Question::Address(address) => Ok(vec![address]),
            Question::Name(name) => {
                let addresses = self.book().resolve(&name).await?;
                self.book().tell(without_root(&name), &addresses);
                Ok(addresses)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<Question> {
        Some(Question::Name(text.to_owned()))
    }

    fn address(text: &str) -> Option<Question> {
        Some(Question::Address(text.parse().unwrap()))
    }

    #[test]
    fn a_question_has_one_meaning_however_it_is_spelled() {
        let long_label = "a".repeat(64);
        let long_name = vec!["a".repeat(63); 4].join(".");
        let table = [
            ("example.com", name("example.com")),
            ("EXAMPLE.com.", name("example.com.")),
            ("bücher.example", name("xn--bcher-kva.example")),
            ("_dmarc.example.com", name("_dmarc.example.com")),
            ("ex%61mple.com", name("example.com")),
            ("192.0.2.1", address("192.0.2.1")),
            ("0x7f.1", address("127.0.0.1")),
            ("2130706433", address("127.0.0.1")),
            ("::1", address("::1")),
            ("[::1]", address("::1")),
            ("::ffff:192.0.2.1", address("192.0.2.1")),
            ("[::ffff:192.0.2.1]", address("192.0.2.1")),
            ("", None),
            (".", None),
            ("a..b", None),
            (".example.com", None),
            ("exa mple.com", None),
            ("*.example.com", None),
            ("example.com:80", None),
            ("http://example.com/", None),
            ("10.0.0.300", None),
            ("fe80::1%eth0", None),
            ("exa\0mple.com", None),
            (&long_label, None),
            (&long_name, None),
        ];
        for (text, meaning) in table {
            assert_eq!(Question::parse(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn a_question_of_any_size_is_answered_at_once() {
        for text in ["a".repeat(1 << 24), "ü".repeat(1 << 20), "1.".repeat(1 << 20)] {
            assert_eq!(Question::parse(&text), None);
        }
    }
}
