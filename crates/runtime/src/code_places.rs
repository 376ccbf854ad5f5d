//! Which parts of a room for machine code are taken: page numbers, and nothing behind them.
//!
//! [`crate::precompiled`] has the room. What always holds: a page belongs to one place at most, and a place is given
//! back once.

use std::collections::BTreeMap;

/// A run of pages that belongs to one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of its first page.
    pub(crate) page: u32,
    /// How many pages it has.
    pub(crate) pages: u32,
    /// Tells it from whatever lies there later.
    ticket: u64,
}

/// The pages of a room.
#[derive(Debug)]
pub(crate) struct Places {
    pages_max: u32,
    /// Pages behind all that were ever taken.
    untouched: u32,
    /// By the number of the first page.
    taken: BTreeMap<u32, Place>,
    /// First pages of runs that were given back, by their length.
    free: BTreeMap<u32, Vec<u32>>,
    tickets: u64,
}

impl Places {
    pub(crate) fn new(pages_max: u32) -> Self {
        Self {
            pages_max,
            untouched: 0,
            taken: BTreeMap::new(),
            free: BTreeMap::new(),
            tickets: 0,
        }
    }

    /// Takes so many pages, where there are any.
    pub(crate) fn take(&mut self, pages: u32) -> Option<Place> {
        let page = self
            .reuse(pages)
            .or_else(|| self.first_time(pages))
            .or_else(|| self.split(pages))?;
        self.tickets += 1;
        let place = Place {
            page,
            pages,
            ticket: self.tickets,
        };
        self.taken.insert(page, place);
        Some(place)
    }

    /// The last one of this length that was given back: its pages are still there.
    fn reuse(&mut self, pages: u32) -> Option<u32> {
        self.free.get_mut(&pages)?.pop()
    }

    fn first_time(&mut self, pages: u32) -> Option<u32> {
        let page = self.untouched;
        let end = page.checked_add(pages).filter(|end| *end <= self.pages_max)?;
        self.untouched = end;
        Some(page)
    }

    /// The front of a longer run.
    fn split(&mut self, pages: u32) -> Option<u32> {
        let (&length, _) = self
            .free
            .range(pages..)
            .find(|(_, pages_free)| !pages_free.is_empty())?;
        let page = self.reuse(length)?;
        self.free.entry(length - pages).or_default().push(page + pages);
        Some(page)
    }

    /// Gives a place back, unless that was done before.
    pub(crate) fn give_back(&mut self, place: Place) -> bool {
        if self.taken.get(&place.page) != Some(&place) {
            return false;
        }
        self.taken.remove(&place.page);
        self.free.entry(place.pages).or_default().push(place.page);
        true
    }

    /// The place that a page belongs to.
    pub(crate) fn of_page(&self, page: u32) -> Option<Place> {
        let (_, place) = self.taken.range(..=page).next_back()?;
        (page - place.page < place.pages).then_some(*place)
    }

    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// How many runs of this length are free.
    pub(crate) fn free_of(&self, pages: u32) -> usize {
        self.free.get(&pages).map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_do_not_overlap_and_are_found_by_any_of_their_pages() {
        let mut places = Places::new(100);
        let (a, b) = (places.take(3).unwrap(), places.take(5).unwrap());
        for page in 0..100 {
            let expected = match page {
                0..3 => Some(a),
                3..8 => Some(b),
                _ => None,
            };
            assert_eq!(places.of_page(page), expected, "{page}");
        }
    }

    #[test]
    fn what_was_given_back_is_taken_again() {
        let mut places = Places::new(10);
        let (a, b) = (places.take(4).unwrap(), places.take(6).unwrap());
        assert_eq!(places.take(1), None);
        assert!(places.give_back(a));
        assert_eq!(places.free_of(4), 1);
        assert_eq!(places.of_page(2), None);
        let again = places.take(4).unwrap();
        assert_eq!((again.page, again.pages), (a.page, a.pages));
        assert_ne!(again, a);
        assert!(places.give_back(b) && places.take(1).is_some());
    }

    #[test]
    fn a_longer_run_is_divided_when_nothing_else_is_left() {
        let mut places = Places::new(6);
        let all = places.take(6).unwrap();
        assert!(places.give_back(all));
        let (a, b) = (places.take(2).unwrap(), places.take(4).unwrap());
        assert_eq!((a.page, b.page, places.take(1)), (0, 2, None));
    }

    #[test]
    fn who_was_there_before_cannot_give_back_what_another_has_now() {
        let mut places = Places::new(4);
        let old = places.take(4).unwrap();
        assert!(places.give_back(old) && !places.give_back(old));
        let new = places.take(4).unwrap();
        assert!(!places.give_back(old));
        assert_eq!(places.of_page(3), Some(new));
    }
}
