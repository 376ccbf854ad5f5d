//! Whether what was acknowledged is there, looked at before SQLite reads anew a log that was left behind.

use rusqlite::ffi;

use super::log::{self, Found};
use super::page::Sum;
use super::tail::{Boot, Commit, Noted, Tail, TailFile};
use super::{Code, Disk, damage};

pub(super) const NO_TAIL: &str = "the note of what was committed does not fit its checksum";

/// Compares the note of a database with its log and with itself, and notes what is found.
pub(super) fn check(file: &TailFile, log: &dyn Disk, database: &dyn Disk) -> Result<(), Code> {
    let noted = file.read().map_err(|_| ffi::SQLITE_IOERR_READ)?;
    let noted = noted.ok_or_else(|| damage(NO_TAIL.to_owned()))?;
    let coming = noted.coming.map_or(0, |coming| coming.commit.frame);
    let found = log::walk(log, &[noted.last.commit.frame, coming])?;
    let is_in_database = |commit: &Commit| has(database, commit);
    match judge(&noted, &found, file.boot(), is_in_database)? {
        Some(tail) if noted.coming.is_none() && tail == noted.last => Ok(()),
        Some(tail) => file.write(tail).map_err(|_| ffi::SQLITE_IOERR_WRITE),
        None => Err(damage(
            "commits that were acknowledged are not there: its log was damaged or removed, or `data.db` is an older \
             copy"
                .to_owned(),
        )),
    }
}

/// Whether the database has the last page of a commit as it was committed. All of the commit is there then: SQLite
/// begins a new log only after all of the one before is in the database.
fn has(database: &dyn Disk, commit: &Commit) -> Result<bool, Code> {
    if commit.page == 0 {
        return Ok(true);
    }
    let mut sum = Sum::default();
    let end = i64::from(commit.page) * i64::from(commit.page_bytes);
    let is_whole = database.read(&mut sum, end - 8)?;
    Ok(is_whole && sum == commit.sum)
}

/// What is to be noted of a database with such a log; none where something that was acknowledged is lost.
fn judge(
    noted: &Noted,
    found: &Found,
    boot: Boot,
    mut is_in_database: impl FnMut(&Commit) -> Result<bool, Code>,
) -> Result<Option<Tail>, Code> {
    let last = noted.last;
    let coming = noted.coming.map(|coming| coming.commit);
    let as_noted = Tail { boot, ..last };
    let over = |commit| Tail {
        commit,
        boot,
        ..Tail::default()
    };
    // The note is not synced: where the machine has stopped since, it may be older than what is on the disk.
    let may_be_old = last.boot != boot;
    let mut then = None;
    if let Found::Whole { salts, commits } = found {
        let newest = commits.last().copied();
        if commits.contains(&last.commit) || coming.is_some_and(|coming| commits.contains(&coming)) {
            let newest = newest.filter(|newest| *newest != last.commit);
            return Ok(Some(newest.map_or(as_noted, over)));
        }
        if *salts == last.commit.salts && last.commit.page != 0 {
            // Also where all of it is in the database: what is left of the log would undo a part of that.
            let may_be_lost = may_be_old && !last.is_synced && !last.is_folded;
            return Ok(may_be_lost.then(|| newest.map_or_else(|| nothing(boot), over)));
        }
        then = newest.map(over);
    }
    if *found == Found::Broken && !last.is_folded {
        return Ok(None);
    }
    if is_in_database(&last.commit)? {
        return Ok(Some(then.unwrap_or(as_noted)));
    }
    if let Some(coming) = coming
        && is_in_database(&coming)?
    {
        return Ok(Some(then.unwrap_or(over(coming))));
    }
    Ok(may_be_old.then(|| then.unwrap_or(nothing(boot))))
}

/// A note that asks for nothing.
fn nothing(boot: Boot) -> Tail {
    Tail {
        is_folded: true,
        boot,
        ..Tail::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Boot = [1; 8];
    const BEFORE: Boot = [2; 8];

    fn commit(log: u8, frame: u32) -> Commit {
        Commit {
            salts: [log; 8],
            frame,
            page: 3,
            page_bytes: 4096,
            sum: [frame as u8; 8],
        }
    }

    fn noted(log: u8, frame: u32) -> Tail {
        Tail {
            commit: commit(log, frame),
            is_synced: true,
            boot: NOW,
            ..Tail::default()
        }
    }

    fn log(log: u8, frames: &[u32]) -> Found {
        Found::Whole {
            salts: [log; 8],
            commits: frames.iter().map(|frame| commit(log, *frame)).collect(),
        }
    }

    /// What is noted then, with one commit in the database.
    fn judged(last: Tail, coming: Option<Tail>, found: &Found, database: Commit) -> Option<Tail> {
        judge(
            &Noted { last, coming },
            found,
            NOW,
            |asked| Ok(*asked == database),
        )
        .unwrap()
    }

    #[test]
    fn a_log_that_goes_as_far_as_was_noted_is_whole() {
        let none = Commit::default();
        let last = noted(5, 4);
        assert_eq!(judged(last, None, &log(5, &[4]), none), Some(last));
        // What was under way is there as well, and was perhaps seen.
        let found = judged(last, Some(noted(5, 9)), &log(5, &[4, 9]), none);
        assert_eq!(found.map(|tail| tail.commit), Some(commit(5, 9)));
        // It began a new log.
        let found = judged(last, Some(noted(6, 2)), &log(6, &[2]), none);
        assert_eq!(found.map(|tail| tail.commit), Some(commit(6, 2)));
    }

    #[test]
    fn a_log_that_ends_before_is_not_whole_whatever_the_database_has() {
        for database in [Commit::default(), commit(5, 4)] {
            for found in [log(5, &[3]), log(5, &[]), Found::Broken] {
                assert_eq!(judged(noted(5, 4), None, &found, database), None, "{found:?}");
            }
        }
        let folded = Tail {
            is_folded: true,
            ..noted(5, 4)
        };
        // The rest of it would bring back what was replaced since.
        assert_eq!(judged(folded, None, &log(5, &[3]), commit(5, 4)), None);
    }

    #[test]
    fn where_the_log_is_another_one_or_gone_the_database_has_to_have_it() {
        let folded = Tail {
            is_folded: true,
            ..noted(5, 4)
        };
        for (last, found) in [
            (noted(5, 4), Found::Nothing),
            (noted(5, 4), log(6, &[])),
            (folded, Found::Nothing),
            (folded, Found::Broken),
            (folded, log(6, &[])),
        ] {
            assert_eq!(judged(last, None, &found, commit(5, 4)), Some(last), "{found:?}");
            assert_eq!(judged(last, None, &found, commit(5, 3)), None, "{found:?}");
            // Another program has read the log, and moved it to the database.
            let coming = judged(last, Some(noted(5, 9)), &found, commit(5, 9));
            assert_eq!(coming.map(|tail| tail.commit), Some(commit(5, 9)), "{found:?}");
        }
    }

    #[test]
    fn after_the_machine_has_stopped_the_note_may_be_old() {
        let none = commit(9, 9);
        let old = |tail| Tail { boot: BEFORE, ..tail };
        for found in [Found::Nothing, log(6, &[])] {
            let judged = judged(old(noted(5, 4)), None, &found, none);
            assert_eq!(judged, Some(nothing(NOW)), "{found:?}");
        }
        let newer = judged(old(noted(5, 4)), None, &log(6, &[7]), none);
        assert_eq!(newer.map(|tail| tail.commit), Some(commit(6, 7)));
        // What was synced is there all the same, and what was not may be lost.
        assert_eq!(judged(old(noted(5, 4)), None, &log(5, &[3]), none), None);
        assert_eq!(judged(old(noted(5, 4)), None, &Found::Broken, none), None);
        let unsynced = Tail {
            is_synced: false,
            ..noted(5, 4)
        };
        let judged = judged(old(unsynced), None, &log(5, &[3]), none);
        assert_eq!(judged.map(|tail| tail.commit), Some(commit(5, 3)));
    }
}
