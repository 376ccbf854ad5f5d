//! What may be done with kept data.

/// What a component may do with what a bucket or a container holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataAccess {
    /// See what is there: values and objects, and whether a key or a name is.
    pub read: bool,
    /// Set and remove it.
    pub write: bool,
    /// See which keys or names there are.
    pub list: bool,
}

impl DataAccess {
    /// Everything.
    pub const ALL: Self = Self {
        read: true,
        write: true,
        list: true,
    };
    /// See everything and change nothing.
    pub const READ_ONLY: Self = Self {
        read: true,
        write: false,
        list: true,
    };

    /// The words for it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [(self.read, "read"), (self.write, "write"), (self.list, "list")]
            .into_iter()
            .filter_map(|(is_granted, word)| is_granted.then_some(word))
    }
}
