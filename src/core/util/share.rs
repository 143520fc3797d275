//! Shares of a whole, as settings write them: `10%`.

/// A share of addresses or attempts, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

/// One per cent in millionths.
const PERCENT: u32 = 10_000;
const DECIMALS: usize = 4;

impl Share {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(100 * PERCENT);

    /// Parses a percentage from `0%` to `100%` with at most four decimals.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, decimals) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (number, ""),
        };
        let are_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || decimals.len() > DECIMALS
            || !are_digits(whole)
            || !are_digits(decimals)
        {
            return None;
        }
        let whole: u32 = whole.parse().ok()?;
        let decimals: u32 = format!("{decimals:0<DECIMALS$}").parse().ok()?;
        let share = Self(whole.checked_mul(PERCENT)?.checked_add(decimals)?);
        (share <= Self::ALL).then_some(share)
    }

    /// Whether a point lies in the share, if points are spread evenly over all numbers. A larger
    /// share includes all points of a smaller one.
    pub fn contains(self, point: u64) -> bool {
        let millionth = (u128::from(point) * u128::from(Self::ALL.0)) >> u64::BITS;
        millionth < u128::from(self.0)
    }
}
