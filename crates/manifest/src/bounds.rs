//! How large a manifest may be. Far beyond what people write, and small enough that reading stays instant.

/// Bytes of a manifest.
pub(crate) const MANIFEST_BYTES_MAX: usize = 1 << 20;

/// Bytes of a lock file.
pub(crate) const LOCK_BYTES_MAX: usize = 8 << 20;

/// Components of an app.
pub(crate) const COMPONENTS_MAX: usize = 256;

/// Routes of an app; each is compared with all others.
pub(crate) const ROUTES_MAX: usize = 256;

/// Methods of one route.
pub(crate) const METHODS_MAX: usize = 32;

/// Entries of one list, and keys of one table with free keys.
pub(crate) const ENTRIES_MAX: usize = 1024;

/// Bytes of one value.
pub(crate) const VALUE_BYTES_MAX: usize = 16 << 10;

/// Bytes of a file that holds a secret.
pub const SECRET_BYTES_MAX: usize = 64 << 10;

/// Bytes of one part of a key.
pub(crate) const KEY_BYTES_MAX: usize = 256;

/// Parts of one key: `component.main.grants.dir` has four. Tables nest as deep as keys have parts, and dropping
/// nested tables takes stack.
pub(crate) const KEY_PARTS_MAX: usize = 16;

/// Lists and inline tables within each other.
pub(crate) const NESTING_MAX: u32 = 16;

/// Problems that are told; the rest is counted.
pub(crate) const PROBLEMS_TOLD_MAX: usize = 50;

/// Problems that are kept until they are sorted; what comes after them is counted, and costs no search for cures.
pub(crate) const PROBLEMS_KEPT_MAX: usize = 500;
