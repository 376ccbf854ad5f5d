//! Versions of interfaces, and which fits which.
//!
//! The rule is that of the component model's linking: up to the first number that is not zero versions are
//! one track, and within a track a later one does what an earlier one did. A version with a pre-release part,
//! and a name without a version, fit nothing but themselves.

use semver::Version;
use weft_app::link::split_version;

/// Whether an export of this name can stand in for an import of that name.
pub(crate) fn fits(import: &str, export: &str) -> bool {
    if import == export {
        return true;
    }
    let (Some(asked), Some(offered)) = (of(import), of(export)) else {
        return false;
    };
    split_version(import).0 == split_version(export).0
        && is_plain(&asked)
        && is_plain(&offered)
        && track(&asked) == track(&offered)
        && offered.cmp_precedence(&asked).is_ge()
}

/// Whether two names are of one interface, in versions of one track.
pub(crate) fn is_same_track(one: &str, other: &str) -> bool {
    one == other || key(one) == key(other)
}

/// What all names of one interface within one track have in common, and no other name has.
pub(crate) fn key(name: &str) -> String {
    match of(name) {
        Some(version) if is_plain(&version) => {
            let (major, minor, patch) = track(&version);
            format!("{}@{major}.{minor}.{patch}~", split_version(name).0)
        }
        _ => name.to_owned(),
    }
}

/// The later of two names of one track; the first where they say the same.
pub(crate) fn later<'a>(one: &'a str, other: &'a str) -> &'a str {
    match (of(one), of(other)) {
        (Some(first), Some(second)) if second.cmp_precedence(&first).is_gt() => other,
        _ => one,
    }
}

/// The version in a name.
pub(crate) fn of(name: &str) -> Option<Version> {
    split_version(name)
        .1
        .and_then(|version| Version::parse(version).ok())
}

fn is_plain(version: &Version) -> bool {
    version.pre.is_empty()
}

fn track(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor, version.patch) {
        (0, 0, patch) => (0, 0, patch),
        (0, minor, _) => (0, minor, 0),
        (major, ..) => (major, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_version_of_the_track_fits_and_nothing_else_does() {
        for (import, export, expected) in [
            ("a:b/c@0.2.3", "a:b/c@0.2.3", true),
            ("a:b/c@0.2.3", "a:b/c@0.2.12", true),
            ("a:b/c@0.2.12", "a:b/c@0.2.3", false),
            ("a:b/c@0.2.3", "a:b/c@0.3.0", false),
            ("a:b/c@1.2.3", "a:b/c@1.10.0", true),
            ("a:b/c@1.2.3", "a:b/c@2.0.0", false),
            ("a:b/c@0.0.1", "a:b/c@0.0.2", false),
            ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0-rc.1", true),
            ("a:b/c@0.2.0-rc.1", "a:b/c@0.2.0", false),
            ("a:b/c", "a:b/c", true),
            ("a:b/c", "a:b/c@1.0.0", false),
            ("a:b/c@1.0.0", "a:b/c", false),
            ("a:b/c@1.0.0", "a:b/d@1.0.0", false),
            ("plain", "plain", true),
        ] {
            assert_eq!(fits(import, export), expected, "{import} {export}");
        }
    }

    #[test]
    fn names_of_one_track_share_a_key() {
        assert_eq!(key("a:b/c@0.2.3"), key("a:b/c@0.2.6"));
        assert_ne!(key("a:b/c@0.2.3"), key("a:b/c@0.3.0"));
        assert_ne!(key("a:b/c@0.2.0-rc.1"), key("a:b/c@0.2.0"));
        assert_eq!(later("a:b/c@0.2.3", "a:b/c@0.2.12"), "a:b/c@0.2.12");
    }
}
