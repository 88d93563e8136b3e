//! Random numbers that one seed gives again: SplitMix64, whose output is fixed for ever. Nothing here is secret.

/// A seeded sequence of numbers.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of `seed`.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The sequence of `seed` for one thing: what is drawn for others, and in which order, does not change it.
    #[must_use]
    pub fn about(seed: u64, what: &str) -> Self {
        // FNV-1a, mixed with the seed by the first draw.
        let hash = what.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(Self(seed ^ hash).roll())
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The remainder favours small numbers by less than anybody can see.
        (self.roll() % end.max(1) as u64) as usize
    }

    /// One of `choices`, of which there are some.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_gives_others() {
        let numbers = |mut dice: Dice| [(); 4].map(|()| dice.roll());
        // From the reference implementation of SplitMix64.
        assert_eq!(Dice::of(0).roll(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(numbers(Dice::about(7, "GET /a")), numbers(Dice::about(7, "GET /a")));
        assert_ne!(numbers(Dice::about(7, "GET /a")), numbers(Dice::about(7, "GET /b")));
        assert_ne!(numbers(Dice::about(7, "GET /a")), numbers(Dice::about(8, "GET /a")));
    }

    #[test]
    fn every_choice_is_drawn() {
        let mut dice = Dice::of(1);
        let drawn: std::collections::BTreeSet<usize> = (0..100).map(|_| dice.below(6)).collect();
        assert_eq!(drawn.len(), 6);
    }
}
