//! Counts by bucket: a short list while few buckets were hit, then pages.
//!
//! Most series of an interval have a handful of samples, and a master decodes thousands
//! of them each second; a list is one allocation, where pages would be one for each region.

use super::pages::Pages;

/// Buckets that a list holds at most.
const FEW: usize = 32;

/// How often each bucket was hit.
#[derive(Debug, Clone)]
pub(super) enum Counts {
    /// Bucket and count, by bucket.
    Few(Vec<(u32, u32)>),
    Many(Pages),
}

impl Counts {
    pub(super) const fn new() -> Self {
        Self::Few(Vec::new())
    }

    /// Adds `n` to bucket `index`, which must be one of the layout's.
    #[inline]
    pub(super) fn add(&mut self, index: usize, n: u64) {
        match self {
            Self::Many(pages) => pages.add(index, n),
            Self::Few(_) => self.add_to_few(index, n),
        }
    }

    fn add_to_few(&mut self, index: usize, n: u64) {
        let Self::Few(list) = self else { return };
        // Buckets are fewer than 2³².
        let key = index as u32;
        let place = match list.last() {
            // In ascending order, as they are decoded.
            Some((last, _)) if *last < key => Err(list.len()),
            _ => list.binary_search_by_key(&key, |(index, _)| *index),
        };
        let count = place.map_or(0, |place| list[place].1);
        match (u32::try_from(n.saturating_add(u64::from(count))), place) {
            (Ok(sum), Ok(place)) => list[place].1 = sum,
            (Ok(sum), Err(place)) if list.len() < FEW => list.insert(place, (key, sum)),
            _ => {
                self.spread();
                self.add(index, n);
            }
        }
    }

    #[cold]
    fn spread(&mut self) {
        let mut pages = Pages::new();
        for (index, count) in self.iter() {
            pages.add(index, count);
        }
        *self = Self::Many(pages);
    }

    pub(super) fn merge(&mut self, other: &Counts) {
        match (&mut *self, other) {
            (_, Self::Few(list)) => {
                list.iter().for_each(|(index, n)| self.add(*index as usize, u64::from(*n)));
            }
            (Self::Many(mine), Self::Many(other)) => mine.merge(other),
            (Self::Few(_), Self::Many(pages)) => {
                let mut pages = pages.clone();
                self.iter().for_each(|(index, count)| pages.add(index, count));
                *self = Self::Many(pages);
            }
        }
    }

    /// How many buckets were hit.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(pages) => pages.len(),
        }
    }

    /// Buckets that were hit, in ascending order, with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (list, pages) = match self {
            Self::Few(list) => (&list[..], None),
            Self::Many(pages) => (&[][..], Some(pages)),
        };
        let list = list.iter().map(|(index, count)| (*index as usize, u64::from(*count)));
        list.chain(pages.into_iter().flat_map(Pages::iter))
    }

    /// The buckets that hold the values of these ranks. Ranks count from 1 and ascend.
    pub(super) fn find<const N: usize>(&self, ranks: [u64; N]) -> [usize; N] {
        let list = match self {
            Self::Many(pages) => return pages.find(ranks),
            Self::Few(list) => list,
        };
        let mut found = [0; N];
        let (mut seen, mut next) = (0, 0);
        for (index, count) in list {
            seen += u64::from(*count);
            while next < N && ranks[next] <= seen {
                found[next] = *index as usize;
                next += 1;
            }
        }
        found
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(list) => list.capacity() * size_of::<(u32, u32)>(),
            Self::Many(pages) => pages.heap_bytes(),
        }
    }
}
