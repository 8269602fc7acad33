//! Medians and their intervals, without a model of the noise.
//!
//! Knows: numbers.

/// A median with the order statistics that enclose it with a confidence of at least 95 %, as far as there are enough.
#[derive(Clone, Copy)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Of a sample; with fewer than six values the interval is their whole range.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Estimate {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let cut = cut(values.len());
        Estimate { median: quantile(&values, 0.5), low: values[cut], high: values[values.len() - 1 - cut] }
    }
}

/// A quantile of sorted values, between neighbours where it falls between them. NaN if there are none.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// How many values may be cut from each end: the median lies outside with a probability of at most 5 %.
///
/// The number of values below the median is binomial with p = 1/2.
fn cut(count: usize) -> usize {
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut tail = 0.0;
    for below in 0..count / 2 {
        tail += probability;
        if tail > 0.025 {
            return below.saturating_sub(1);
        }
        probability *= (count - below) as f64 / (below + 1) as f64;
    }
    (count / 2).saturating_sub(1)
}
