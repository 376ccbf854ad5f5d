//! The index file: a few lines of text that say which artifact belongs to a key, and what is known about it.
//!
//! The last line is a digest of all lines before it, and the fields must give the key that the file is named after.
//! So a file that was cut, damaged, or copied over another is no index at all, and is never half believed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::key::{Digest, Key};

/// The longest index file that is read. What we write stays far below.
pub(super) const INDEX_BYTES_MAX: u64 = 4096;

/// The longest profile name that is kept as it is.
pub(super) const PROFILE_BYTES_MAX: usize = 128;

/// The longest name for people that is kept.
const NAME_BYTES_MAX: usize = 256;

/// The longest engine version that is kept.
const VERSION_BYTES_MAX: usize = 64;

const FIRST_LINE: &str = "weft artifact index 1\n";
const CHECKSUM: &str = "checksum: ";

/// What is kept about an artifact beside its key, for the people who list the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// What a person calls the component: usually the file it came from.
    pub name: String,
    /// The version of the engine that compiled it, for people; the key holds the hash that decides.
    pub engine_version: String,
}

/// One index file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) key: Key,
    pub(super) artifact: Digest,
    pub(super) length: u64,
    pub(super) meta: Meta,
    pub(super) created: SystemTime,
}

/// Why the bytes of an index file are not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The digest in the last line is missing, or is not that of the lines before it.
    Checksum,
    /// The lines are not those of format 1.
    Lines,
}

impl Index {
    /// The text of the file. Control characters in the names become `U+FFFD`, and long names are cut.
    pub(super) fn render(&self) -> String {
        let created = self
            .created
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let body = format!(
            "{FIRST_LINE}artifact: {}\nlength: {}\ncomponent: {}\nprofile: {}\nengine: {:016x}\n\
             version: {}\ncreated: {created}\nname: {}\n",
            self.artifact,
            self.length,
            self.key.component(),
            self.key.profile(),
            self.key.engine(),
            one_line(&self.meta.engine_version, VERSION_BYTES_MAX),
            one_line(&self.meta.name, NAME_BYTES_MAX),
        );
        let checksum = Digest::of(body.as_bytes());
        format!("{body}{CHECKSUM}{checksum}\n")
    }

    /// Reads what [`Index::render`] wrote.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Checksum)?;
        let body = checked_body(text).ok_or(Malformed::Checksum)?;
        parse_body(body).ok_or(Malformed::Lines)
    }
}

/// All lines before the checksum, where the checksum is theirs.
fn checked_body(text: &str) -> Option<&str> {
    let (body, checksum) = text.rsplit_once(CHECKSUM)?;
    (checksum == format!("{}\n", Digest::of(body.as_bytes()))).then_some(body)
}

fn parse_body(body: &str) -> Option<Index> {
    let mut lines = body.strip_prefix(FIRST_LINE)?.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
    let artifact = Digest::parse(field("artifact")?)?;
    let length = field("length")?.parse().ok()?;
    let component = Digest::parse(field("component")?)?;
    let profile = field("profile")?;
    let engine = u64::from_str_radix(field("engine")?, 16).ok()?;
    let engine_version = field("version")?.to_owned();
    let created = UNIX_EPOCH.checked_add(Duration::from_secs(field("created")?.parse().ok()?))?;
    let name = field("name")?.to_owned();
    let key = Key::new(component, engine, profile);
    let meta = Meta { name, engine_version };
    lines.next().is_none().then_some(Index {
        key,
        artifact,
        length,
        meta,
        created,
    })
}

/// `text` as a line that a terminal and a line-based format can take, of at most `bytes_max` bytes.
///
/// Names come from the command line and from hostile files. Characters that move the cursor, end the line or turn
/// the direction of writing become `U+FFFD`.
pub(super) fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        let character = if disturbs_a_line(character) {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        };
        if line.len() + character.len_utf8() > bytes_max {
            break;
        }
        line.push(character);
    }
    line
}

fn disturbs_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
