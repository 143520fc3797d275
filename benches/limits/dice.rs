//! Chance that is the same in each run.

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Between zero and one.
    pub fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A random wait in milliseconds between events that come at this rate per millisecond.
    pub fn wait(&mut self, rate: f64) -> f64 {
        -(1.0 - self.part()).ln() / rate
    }
}

/// Draws ranks of which each is as likely as a power of it says (Zipf).
pub struct Skew(Vec<f64>);

impl Skew {
    /// One rank in so many, and which part of all draws falls to these.
    pub fn sampled(ranks: usize, exponent: f64, one_in: usize) -> (Self, f64) {
        let weight = |rank: usize| (rank as f64).powf(-exponent);
        let all: f64 = (1..=ranks).map(weight).sum();
        let mut sum = 0.0;
        let sampled = (1..=ranks).skip(one_in / 2).step_by(one_in);
        let sums: Vec<_> = sampled
            .map(|rank| {
                sum += weight(rank);
                sum
            })
            .collect();
        (Self(sums), sum / all)
    }

    pub fn draw(&self, dice: &mut Dice) -> usize {
        let at = dice.part() * self.0.last().expect("there are ranks");
        self.0.partition_point(|sum| *sum <= at)
    }
}
