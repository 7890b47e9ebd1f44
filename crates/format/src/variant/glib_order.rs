//! The order in which GLib's hash table of strings gives out its keys.
//!
//! libostree builds some dicts through such a table (a summary's facts, the metadata of a bootable commit). No reader
//! cares for the order, but who wants to write the same bytes for the same input has to know it.

/// Slots per table size: each is a power of two, and hashes are first taken modulo the largest prime below it.
const PRIMES: [u32; 22] = [
    1, 2, 3, 7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071,
    262139, 524287, 1048573, 2097143,
];
const SMALLEST: usize = 3;

/// The hash that GLib takes of a string: characters are signed bytes.
fn hash(key: &str) -> u32 {
    let add = |hash: u32, byte: u8| {
        hash.wrapping_mul(33)
            .wrapping_add_signed(i32::from(byte as i8))
    };
    // 0 and 1 mark slots that are free or were emptied.
    key.bytes().fold(5381, add).max(2)
}

/// Open addressing with steps of 1, 2, 3, ...
struct Table {
    /// Binary logarithm of the number of slots.
    shift: usize,
    /// Hash and index of the keys.
    slots: Vec<Option<(u32, usize)>>,
    count: usize,
}

impl Table {
    fn new() -> Self {
        Self {
            shift: SMALLEST,
            slots: vec![None; 1 << SMALLEST],
            count: 0,
        }
    }

    /// The first slot on the way of `hash` that is not `taken`.
    fn probe(&self, hash: u32, taken: impl Fn(usize) -> bool) -> usize {
        let mask = (1 << self.shift) - 1;
        let mut slot = (hash.wrapping_mul(11) % PRIMES[self.shift]) as usize;
        let mut step = 0;
        while taken(slot) {
            step += 1;
            slot = (slot + step) & mask;
        }
        slot
    }

    /// Adds a key that is not in the table.
    fn insert(&mut self, hash: u32, index: usize) {
        let slot = self.probe(hash, |slot| self.slots[slot].is_some());
        self.slots[slot] = Some((hash, index));
        self.count += 1;
        if self.slots.len() <= self.count + self.count / 16 {
            self.grow();
        }
    }

    /// Makes room and moves the keys in place: one that finds its slot held by a key not yet moved drives it out.
    fn grow(&mut self) {
        let wanted = (self.count as f64 * 1.333) as usize;
        let before = self.slots.len();
        self.shift = (usize::BITS - wanted.leading_zeros()) as usize;
        self.slots.resize(1 << self.shift, None);
        let mut moved = vec![false; self.slots.len()];
        for start in 0..before {
            if moved[start] {
                continue;
            }
            let mut in_hand = self.slots[start].take();
            while let Some((hash, index)) = in_hand {
                let slot = self.probe(hash, |slot| moved[slot]);
                moved[slot] = true;
                in_hand = self.slots[slot].replace((hash, index));
            }
        }
    }
}

/// Puts different keys, given in the order in which they are inserted, into the order in which GLib's table lists them.
///
/// Returns the keys' indices. At most 2,000,000 keys; beyond that the order is the given one.
pub(crate) fn glib_order<'k>(keys: impl ExactSizeIterator<Item = &'k str>) -> Vec<usize> {
    let count = keys.len();
    if count > 2_000_000 {
        return (0..count).collect();
    }
    let mut table = Table::new();
    for (index, key) in keys.enumerate() {
        table.insert(hash(key), index);
    }
    table
        .slots
        .iter()
        .flatten()
        .map(|(_, index)| *index)
        .collect()
}
