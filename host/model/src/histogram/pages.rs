//! Counters of a histogram in pages of 64, made when first hit.
//!
//! A page counts in 16 bits until one of its counters overflows, then in 32, then in 64.
//! Counts reach `u64::MAX` and stay there; at a million a second that takes 500,000 years.

use super::layout::BUCKETS;

const PAGE: usize = 64;

/// Counters by bucket.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    /// By `index / PAGE`: 0 for none, else 1 + the place in `pages`. As long as the
    /// greatest bucket that was hit needs it to be.
    directory: Vec<u16>,
    pages: Vec<Page>,
}

#[derive(Debug, Clone)]
struct Page {
    /// A bit for each slot whose counter is not 0.
    hit: u64,
    cells: Cells,
}

#[derive(Debug, Clone)]
enum Cells {
    U16(Box<[u16; PAGE]>),
    U32(Box<[u32; PAGE]>),
    U64(Box<[u64; PAGE]>),
}

impl Pages {
    pub(super) const fn new() -> Self {
        Self { directory: Vec::new(), pages: Vec::new() }
    }

    /// Adds `n` to bucket `index`, which must be below [`BUCKETS`].
    #[inline]
    pub(super) fn add(&mut self, index: usize, n: u64) {
        let place = match self.directory.get(index / PAGE) {
            Some(&place) if place != 0 => usize::from(place) - 1,
            _ => self.make_page(index / PAGE),
        };
        self.pages[place].add(index % PAGE, n);
    }

    #[cold]
    fn make_page(&mut self, number: usize) -> usize {
        debug_assert!(number < BUCKETS.div_ceil(PAGE));
        if self.directory.len() <= number {
            self.directory.reserve_exact(number + 1 - self.directory.len());
            self.directory.resize(number + 1, 0);
        }
        self.pages.push(Page { hit: 0, cells: Cells::U16(Box::new([0; PAGE])) });
        self.directory[number] = self.pages.len() as u16;
        self.pages.len() - 1
    }

    pub(super) fn merge(&mut self, other: &Pages) {
        for (number, page) in other.ascending() {
            let place = match self.directory.get(number) {
                Some(&place) if place != 0 => usize::from(place) - 1,
                _ => self.make_page(number),
            };
            self.pages[place].merge(page);
        }
    }

    /// How many buckets were hit.
    pub(super) fn len(&self) -> usize {
        self.pages.iter().map(|page| page.hit.count_ones() as usize).sum()
    }

    /// Buckets that were hit, in ascending order, with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.ascending().flat_map(|(number, page)| {
            page.slots().map(move |slot| (number * PAGE + slot, page.cells.get(slot)))
        })
    }

    /// The buckets that hold the values of these ranks. Ranks count from 1 and ascend.
    pub(super) fn find<const N: usize>(&self, ranks: [u64; N]) -> [usize; N] {
        let mut found = [BUCKETS - 1; N];
        let (mut before, mut next) = (0, 0);
        for (number, page) in self.ascending() {
            // A page is summed at once, which is ten times as fast as slot by slot.
            let behind = page.cells.total().saturating_add(before);
            while next < N && ranks[next] <= behind {
                found[next] = number * PAGE + page.slot_of(ranks[next] - before);
                next += 1;
            }
            before = behind;
        }
        found
    }

    /// Pages with their numbers, in ascending order.
    fn ascending(&self) -> impl Iterator<Item = (usize, &Page)> + '_ {
        let made = self.directory.iter().enumerate().filter(|(_, place)| **place != 0);
        made.map(|(number, place)| (number, &self.pages[usize::from(*place) - 1]))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u16>()
            + self.pages.capacity() * size_of::<Page>()
            + self.pages.iter().map(|page| page.cells.heap_bytes()).sum::<usize>()
    }
}

impl Page {
    #[inline]
    fn add(&mut self, slot: usize, n: u64) {
        self.hit |= 1 << slot;
        self.cells.add(slot, n);
    }

    fn merge(&mut self, other: &Page) {
        self.hit |= other.hit;
        if !self.cells.add_all(&other.cells) {
            other.slots().for_each(|slot| self.cells.add(slot, other.cells.get(slot)));
        }
    }

    /// Those that were hit, in ascending order.
    fn slots(&self) -> impl Iterator<Item = usize> + use<> {
        let mut left = self.hit;
        std::iter::from_fn(move || {
            let slot = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (slot < PAGE).then_some(slot)
        })
    }

    /// Where the value of this rank is, counted from 1; the last slot if it is not here.
    fn slot_of(&self, rank: u64) -> usize {
        let mut seen = 0_u64;
        let mut reached = self.slots().filter(|slot| {
            seen = seen.saturating_add(self.cells.get(*slot));
            seen >= rank
        });
        reached.next().unwrap_or(PAGE - 1)
    }
}

impl Cells {
    #[inline]
    fn add(&mut self, slot: usize, n: u64) {
        let fits = match self {
            Self::U16(counts) => add_within(&mut counts[slot], n),
            Self::U32(counts) => add_within(&mut counts[slot], n),
            Self::U64(counts) => {
                counts[slot] = counts[slot].saturating_add(n);
                true
            }
        };
        if !fits {
            self.widen();
            self.add(slot, n);
        }
    }

    /// All at once, if both are narrow and no counter overflows; says whether it did.
    fn add_all(&mut self, other: &Cells) -> bool {
        let (Self::U16(mine), Self::U16(other)) = (self, other) else { return false };
        let fits = mine.iter().zip(&**other).all(|(a, b)| a.checked_add(*b).is_some());
        if fits {
            mine.iter_mut().zip(&**other).for_each(|(a, b)| *a += b);
        }
        fits
    }

    fn total(&self) -> u64 {
        match self {
            Self::U16(counts) => counts.iter().map(|count| u64::from(*count)).sum(),
            Self::U32(counts) => counts.iter().map(|count| u64::from(*count)).sum(),
            Self::U64(counts) => counts.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        }
    }

    #[cold]
    fn widen(&mut self) {
        *self = match self {
            Self::U16(counts) => Self::U32(Box::new(counts.map(u32::from))),
            Self::U32(counts) => Self::U64(Box::new(counts.map(u64::from))),
            Self::U64(_) => return,
        };
    }

    #[inline]
    fn get(&self, slot: usize) -> u64 {
        match self {
            Self::U16(counts) => u64::from(counts[slot]),
            Self::U32(counts) => u64::from(counts[slot]),
            Self::U64(counts) => counts[slot],
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::U16(counts) => size_of_val(&**counts),
            Self::U32(counts) => size_of_val(&**counts),
            Self::U64(counts) => size_of_val(&**counts),
        }
    }
}

/// Adds unless the counter would overflow; says whether it did.
#[inline]
fn add_within<T: Copy + Into<u64> + TryFrom<u64>>(counter: &mut T, n: u64) -> bool {
    let sum = (*counter).into().saturating_add(n);
    match T::try_from(sum) {
        Ok(sum) => {
            *counter = sum;
            true
        }
        Err(_) => false,
    }
}
