//! What every quota promises, as an oracle counts it.

/// The most of these times in any half-open interval of this length.
pub fn greatest_crowd(times: impl IntoIterator<Item = u64>, window: u64) -> usize {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    let mut first = 0;
    let crowd = |(last, at): (usize, &u64)| {
        while first <= last && times[first] + window <= *at {
            first += 1;
        }
        last + 1 - first
    };
    times.iter().enumerate().map(crowd).max().unwrap_or(0)
}
