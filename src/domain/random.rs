//! What is drawn by chance: ids, generated names, pauses that keep processes out of each other's way. In one place, so that a
//! simulation can draw all of it from a seed.

use rand::Rng;

/// An id that nobody else has: 128 random bits in hexadecimal.
pub fn id() -> String {
    with(|rng| format!("{:032x}", rng.random::<u128>()))
}

/// Draws with the generator of this thread.
pub fn with<T>(draw: impl FnOnce(&mut Generator<'_>) -> T) -> T {
    #[cfg(test)]
    if let Some(mut seeded) = tests::SEEDED.take() {
        let drawn = draw(&mut Generator(&mut seeded));
        tests::SEEDED.set(Some(seeded));
        return drawn;
    }
    draw(&mut Generator(&mut rand::rng()))
}

/// Whatever randomness comes from.
pub struct Generator<'a>(&'a mut dyn rand::RngCore);

impl rand::RngCore for Generator<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// From now on all that this thread draws comes from `seed`.
#[cfg(test)]
pub(crate) fn seed(seed: u64) {
    use rand::SeedableRng as _;
    tests::SEEDED.set(Some(rand::rngs::StdRng::seed_from_u64(seed)));
}

/// Whether what this thread draws comes from a seed.
#[cfg(test)]
pub(crate) fn is_seeded() -> bool {
    let seeded = tests::SEEDED.take();
    let is_seeded = seeded.is_some();
    tests::SEEDED.set(seeded);
    is_seeded
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rand::rngs::StdRng;

    use super::*;

    thread_local! {
        pub(super) static SEEDED: Cell<Option<StdRng>> = const { Cell::new(None) };
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = || {
            seed(7);
            (id(), id())
        };
        let first = draw();
        assert_ne!(first.0, first.1);
        assert_eq!(draw(), first);
    }
}
