//! How entries lie in the database, and how damage to them is noticed.
//!
//! SQLite has no checksums of its own. So every row carries a sum over its key, its revision, its value and the
//! identity of the store, and the one row of `meta` carries how many rows there are and the sum of their sums: a
//! row that is changed, moved from elsewhere, or gone is noticed.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::keyvalue::behind;

/// The tables. What a file has must be exactly this.
pub(super) const SCHEMA: [&str; 2] = [
    "CREATE TABLE entry (key BLOB PRIMARY KEY NOT NULL, revision INTEGER NOT NULL, value_sum BLOB NOT NULL, \
     row_sum BLOB NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE meta (one INTEGER PRIMARY KEY, identity BLOB NOT NULL, revision INTEGER NOT NULL, \
     entries INTEGER NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL, sum BLOB NOT NULL)",
];

/// What `user_version` says of files with this schema.
pub(super) const FORMAT: i64 = 1;

/// Bytes of a sum.
pub(super) const SUM_BYTES: usize = 16;

/// A sum over something that is kept.
pub(super) type Sum = [u8; SUM_BYTES];

/// Why something that was read cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// It is not what was written.
    #[error("{0}")]
    Damage(String),
    /// It was made by a later version of Weft, in this format.
    #[error("its format is {0}")]
    Newer(i64),
    /// The database failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// What is known of the store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    /// Chosen when the store is made: rows of another store do not fit.
    pub(super) identity: Sum,
    /// The number of the last write.
    pub(super) revision: u64,
    /// How many entries there are.
    pub(super) entries: u64,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
    /// The sum of the sums of all rows.
    pub(super) digest: u128,
}

/// What stands about an entry beside its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: u64,
    pub(super) value_sum: Sum,
    pub(super) row_sum: Sum,
    /// Bytes of the value.
    pub(super) length: u64,
}

impl Meta {
    pub(super) fn new(identity: Sum) -> Self {
        Self {
            identity,
            revision: 0,
            entries: 0,
            bytes: 0,
            digest: 0,
        }
    }

    fn sum(&self) -> Sum {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"weft store meta 1");
        hasher.update(&self.identity);
        hasher.update(&self.revision.to_le_bytes());
        hasher.update(&self.entries.to_le_bytes());
        hasher.update(&self.bytes.to_le_bytes());
        hasher.update(&self.digest.to_le_bytes());
        shorten(hasher.finalize())
    }

    pub(super) fn read(connection: &Connection) -> Result<Self, Trouble> {
        let mut statement = connection.prepare_cached(
            "SELECT identity, revision, entries, bytes, digest, sum FROM meta WHERE one = 1",
        )?;
        let found = statement
            .query_row([], |row| {
                let meta = Self {
                    identity: sum_of(row, 0)?,
                    revision: number(row, 1)?,
                    entries: number(row, 2)?,
                    bytes: number(row, 3)?,
                    digest: u128::from_le_bytes(sum_of(row, 4)?),
                };
                Ok((meta, sum_of(row, 5)?))
            })
            .optional()?;
        match found {
            Some((meta, sum)) if meta.sum() == sum => Ok(meta),
            Some(_) => Err(Trouble::Damage("its totals do not fit their checksum".to_owned())),
            None => Err(Trouble::Damage("its totals are missing".to_owned())),
        }
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<(), Trouble> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO meta (one, identity, revision, entries, bytes, digest, sum) \
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(rusqlite::params![
                self.identity,
                signed(self.revision)?,
                signed(self.entries)?,
                signed(self.bytes)?,
                self.digest.to_le_bytes(),
                self.sum(),
            ])?;
        Ok(())
    }

    /// Takes a row out of the totals.
    pub(super) fn subtract(&mut self, key: &[u8], head: &Head) -> Result<(), Trouble> {
        let fewer = || Trouble::Damage("its totals are smaller than what it holds".to_owned());
        self.entries = self.entries.checked_sub(1).ok_or_else(fewer)?;
        let bytes = key.len() as u64 + head.length;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(fewer)?;
        self.digest = self.digest.wrapping_sub(u128::from_le_bytes(head.row_sum));
        Ok(())
    }

    /// Puts a row into the totals.
    pub(super) fn add(&mut self, key: &[u8], head: &Head) {
        self.entries += 1;
        self.bytes += key.len() as u64 + head.length;
        self.digest = self.digest.wrapping_add(u128::from_le_bytes(head.row_sum));
    }
}

impl Head {
    /// What stands about a value that is written as this revision.
    pub(super) fn of(identity: &Sum, key: &[u8], value: &[u8], revision: u64) -> Self {
        let value_sum = shorten(blake3::hash(value));
        Self {
            revision,
            value_sum,
            row_sum: row_sum(identity, key, revision, &value_sum),
            length: value.len() as u64,
        }
    }

    /// Refuses a row that is not what was written.
    pub(super) fn check(&self, identity: &Sum, key: &[u8]) -> Result<(), Trouble> {
        if row_sum(identity, key, self.revision, &self.value_sum) == self.row_sum {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        Err(Trouble::Damage(format!(
            "the entry `{key}` does not fit its checksum"
        )))
    }

    /// Refuses a value that is not what was written.
    pub(super) fn check_value(&self, key: &[u8], value: &[u8]) -> Result<(), Trouble> {
        if shorten(blake3::hash(value)) == self.value_sum {
            return Ok(());
        }
        let key = String::from_utf8_lossy(key);
        Err(Trouble::Damage(format!(
            "the value of `{key}` does not fit its checksum"
        )))
    }
}

/// What stands about a key.
pub(super) fn head(connection: &Connection, identity: &Sum, key: &[u8]) -> Result<Option<Head>, Trouble> {
    let found = connection
        .prepare_cached("SELECT revision, value_sum, row_sum, length(value) FROM entry WHERE key = ?1")?
        .query_row([key], |row| {
            Ok(Head {
                revision: number(row, 0)?,
                value_sum: sum_of(row, 1)?,
                row_sum: sum_of(row, 2)?,
                length: number(row, 3)?,
            })
        })
        .optional()?;
    if let Some(head) = &found {
        head.check(identity, key)?;
    }
    Ok(found)
}

/// The value of a key, and what stands about it.
pub(super) fn value(
    connection: &Connection,
    identity: &Sum,
    key: &[u8],
) -> Result<Option<(Head, Vec<u8>)>, Trouble> {
    let found = connection
        .prepare_cached("SELECT revision, value_sum, row_sum, value FROM entry WHERE key = ?1")?
        .query_row([key], entry)
        .optional()?;
    if let Some((head, value)) = &found {
        head.check(identity, key)?;
        head.check_value(key, value)?;
    }
    Ok(found)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<(Head, Vec<u8>)> {
    let value: Vec<u8> = row.get(3)?;
    let head = Head {
        revision: number(row, 0)?,
        value_sum: sum_of(row, 1)?,
        row_sum: sum_of(row, 2)?,
        length: value.len() as u64,
    };
    Ok((head, value))
}

/// Keys from one on that begin with a prefix, and the write that each came from. Their values are not looked at.
pub(super) fn revisions(
    connection: &Connection,
    identity: &Sum,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, u64)>, Trouble> {
    let after = after.filter(|after| *after >= prefix);
    let sql = match after {
        Some(_) => "SELECT key, revision, value_sum, row_sum FROM entry WHERE key > ?1 ORDER BY key LIMIT ?2",
        None => "SELECT key, revision, value_sum, row_sum FROM entry WHERE key >= ?1 ORDER BY key LIMIT ?2",
    };
    let mut statement = connection.prepare_cached(sql)?;
    let from = after.unwrap_or(prefix).as_bytes();
    let mut rows = statement.query(rusqlite::params![from, signed(limit as u64)?])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        let head = Head {
            revision: number(row, 1)?,
            value_sum: sum_of(row, 2)?,
            row_sum: sum_of(row, 3)?,
            length: 0,
        };
        head.check(identity, &key)?;
        if !key.starts_with(prefix.as_bytes()) {
            break;
        }
        let key =
            String::from_utf8(key).map_err(|_| Trouble::Damage("a key is not valid UTF-8".to_owned()))?;
        keys.push((key, head.revision));
    }
    Ok(keys)
}

/// Bytes of all keys that begin with a prefix, and of their values, which are not read.
pub(super) fn usage(connection: &Connection, prefix: &str) -> Result<u64, Trouble> {
    if prefix.is_empty() {
        return Ok(Meta::read(connection)?.bytes);
    }
    let bytes = connection
        .prepare_cached(
            "SELECT coalesce(sum(length(key) + length(value)), 0) FROM entry WHERE key >= ?1 AND key < ?2",
        )?
        .query_row(rusqlite::params![prefix.as_bytes(), behind(prefix)], |row| {
            number(row, 0)
        })?;
    Ok(bytes)
}

/// What an entry counts for: its key, the bytes of its value, and the value where it was read.
pub(super) type Weight = fn(&[u8], u64, Option<&[u8]>) -> Option<u64>;

/// Adds up what all entries count for whose keys begin with a prefix. Only values of just so many bytes are read.
pub(super) fn sum(
    connection: &Connection,
    identity: &Sum,
    prefix: &str,
    value_bytes: u64,
    weight: Weight,
) -> Result<u64, Trouble> {
    let mut statement = connection.prepare_cached(
        "SELECT revision, value_sum, row_sum, length(value), key, CASE WHEN length(value) = ?3 THEN value END \
         FROM entry WHERE key >= ?1 AND key < ?2",
    )?;
    let range = rusqlite::params![prefix.as_bytes(), behind(prefix), signed(value_bytes)?];
    let mut rows = statement.query(range)?;
    let mut bytes: u64 = 0;
    while let Some(row) = rows.next()? {
        let head = Head {
            revision: number(row, 0)?,
            value_sum: sum_of(row, 1)?,
            row_sum: sum_of(row, 2)?,
            length: number(row, 3)?,
        };
        let (key, value): (Vec<u8>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
        head.check(identity, &key)?;
        if let Some(value) = &value {
            head.check_value(&key, value)?;
        }
        let more = weight(&key, head.length, value.as_deref());
        let unknown = || Trouble::Damage("an entry of its index cannot be read".to_owned());
        bytes = bytes.saturating_add(more.ok_or_else(unknown)?);
    }
    Ok(bytes)
}

/// Writes an entry.
pub(super) fn set(connection: &Connection, key: &[u8], head: &Head, value: &[u8]) -> Result<(), Trouble> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO entry (key, revision, value_sum, row_sum, value) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(rusqlite::params![
            key,
            signed(head.revision)?,
            head.value_sum,
            head.row_sum,
            value
        ])?;
    Ok(())
}

/// Removes an entry.
pub(super) fn delete(connection: &Connection, key: &[u8]) -> Result<(), Trouble> {
    connection
        .prepare_cached("DELETE FROM entry WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

/// Reads everything at one moment, and refuses it if any of it is not what was written. `visit` gets every entry.
pub(super) fn scan(
    connection: &Connection,
    visit: &mut dyn FnMut(&str, &[u8]) -> bool,
) -> Result<Meta, Trouble> {
    let transaction = connection.unchecked_transaction()?;
    check_schema(&transaction)?;
    let meta = Meta::read(&transaction)?;
    let mut found = Meta::new(meta.identity);
    let mut statement =
        transaction.prepare("SELECT revision, value_sum, row_sum, value, key FROM entry ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut last: Option<Vec<u8>> = None;
    while let Some(row) = rows.next()? {
        let (head, value) = entry(row)?;
        let key: Vec<u8> = row.get(4)?;
        head.check(&meta.identity, &key)?;
        head.check_value(&key, &value)?;
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(Trouble::Damage("its entries are not in order".to_owned()));
        }
        found.revision = found.revision.max(head.revision);
        found.add(&key, &head);
        let text =
            std::str::from_utf8(&key).map_err(|_| Trouble::Damage("a key is not valid UTF-8".to_owned()))?;
        if !visit(text, &value) {
            return Ok(meta);
        }
        last = Some(key);
    }
    if found.revision > meta.revision {
        return Err(Trouble::Damage("an entry is newer than its totals".to_owned()));
    }
    if (found.entries, found.bytes, found.digest) != (meta.entries, meta.bytes, meta.digest) {
        let (found, expected) = (found.entries, meta.entries);
        return Err(Trouble::Damage(format!(
            "entries are missing or were exchanged: {found} are there, {expected} were written"
        )));
    }
    Ok(meta)
}

/// Refuses files of later versions of Weft, which may keep everything in another way.
pub(super) fn check_format(connection: &Connection) -> Result<i64, Trouble> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > FORMAT {
        return Err(Trouble::Newer(version));
    }
    Ok(version)
}

/// Refuses files with other tables.
pub(super) fn check_schema(connection: &Connection) -> Result<(), Trouble> {
    let version = check_format(connection)?;
    let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name")?;
    let found: Vec<Option<String>> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if version == FORMAT && found.iter().map(Option::as_deref).eq(SCHEMA.map(Some)) {
        return Ok(());
    }
    Err(Trouble::Damage(
        "its tables are not those that were made".to_owned(),
    ))
}

fn row_sum(identity: &Sum, key: &[u8], revision: u64, value_sum: &Sum) -> Sum {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"weft store entry");
    hasher.update(identity);
    hasher.update(&revision.to_le_bytes());
    hasher.update(value_sum);
    hasher.update(key);
    shorten(hasher.finalize())
}

/// The first half of a hash: enough against accidents.
pub(super) fn shorten(hash: blake3::Hash) -> Sum {
    let mut sum = Sum::default();
    for (to, from) in sum.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    sum
}

fn sum_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Sum> {
    row.get(column)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// SQLite's numbers have a sign.
pub(super) fn signed(number: u64) -> Result<i64, Trouble> {
    i64::try_from(number).map_err(|_| Trouble::Damage("a number is larger than 63 bits".to_owned()))
}
