//! Pages, and the sum at the end of each.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes at the end of a page that SQLite leaves free.
pub(super) const SUM_BYTES: usize = 8;

/// A sum as it stands in a page.
pub(super) type Sum = [u8; SUM_BYTES];

/// Where a database says how many bytes it leaves free in each page.
const RESERVED: usize = 20;

/// Whether a page can have so many bytes.
pub(super) fn is_size(bytes: usize) -> bool {
    (512..=65536).contains(&bytes) && bytes.is_power_of_two()
}

/// The number of the page that a range of a database is, where it is one.
pub(super) fn number(bytes: usize, offset: i64) -> Option<u32> {
    let size = i64::try_from(bytes).ok().filter(|_| is_size(bytes))?;
    (offset >= 0 && offset % size == 0).then(|| u32::try_from(offset / size + 1).ok())?
}

/// The sum of a page, by what is in it and where it belongs: a page in the place of another one does not fit.
fn sum(content: &[u8], number: u32) -> Sum {
    xxh3_64_with_seed(content, u64::from(number)).to_le_bytes()
}

/// Writes the sum of a page at its end.
pub(super) fn seal(page: &mut [u8], number: u32) -> Sum {
    let Some((content, end)) = page.split_last_chunk_mut::<SUM_BYTES>() else {
        return Sum::default();
    };
    *end = sum(content, number);
    *end
}

/// Whether a page is as it was written.
pub(super) fn fits(page: &[u8], number: u32) -> bool {
    page.split_last_chunk()
        .is_some_and(|(content, end)| sum(content, number) == *end)
}

/// Whether a file begins as a database with sums does: with a first page that fits.
pub(in super::super) fn begins(file: &[u8]) -> bool {
    // 65536 does not fit into the two bytes of the header, which have 1 instead.
    let size = match file.get(16..18) {
        Some([0, 1]) => 65536,
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return false,
    };
    let reserved = file.get(RESERVED).copied().map_or(0, usize::from);
    is_size(size) && reserved >= SUM_BYTES && file.get(..size).is_some_and(|page| fits(page, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_noticed_wherever_it_is_and_so_is_another_place() {
        let mut page: Vec<u8> = (0..1024_u32).map(|at| (at * 7 % 251) as u8).collect();
        seal(&mut page, 9);
        assert!(fits(&page, 9));
        assert!(!fits(&page, 8));
        for bit in 0..page.len() * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(!fits(&page, 9), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!fits(&[0; 1024], 9));
    }

    #[test]
    fn only_whole_pages_have_numbers() {
        assert_eq!(number(4096, 0), Some(1));
        assert_eq!(number(4096, 8192), Some(3));
        for (bytes, offset) in [
            (100, 0),
            (16, 24),
            (4096, 512),
            (3000, 3000),
            (131_072, 0),
            (4096, -4096),
        ] {
            assert_eq!(number(bytes, offset), None, "{bytes} at {offset}");
        }
    }
}
