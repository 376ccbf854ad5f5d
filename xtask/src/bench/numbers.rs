//! The few statistics that the benches use.

/// Measurements of one thing. Never empty once something was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    /// Adds a measurement.
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds those of another.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The smallest one: what it takes when nothing is in the way.
    pub(super) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The one in the middle: what it usually takes. Of an even number, the lower one.
    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The smallest one that this part of all does not exceed.
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * part).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The largest one.
    pub(super) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// The mean of ratios: a quarter and a four cancel out.
pub(super) fn geometric_mean(ratios: &[f64]) -> f64 {
    let logarithms: f64 = ratios.iter().map(|ratio| ratio.ln()).sum();
    (logarithms / ratios.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::{Sample, geometric_mean};

    fn sample(values: &[f64]) -> Sample {
        Sample(values.to_vec())
    }

    #[test]
    fn an_outlier_moves_neither_median_nor_minimum() {
        let (calm, disturbed) = (sample(&[3.0, 1.0, 2.0]), sample(&[300.0, 1.0, 2.0]));
        assert_eq!((calm.min(), calm.median(), calm.max()), (1.0, 2.0, 3.0));
        assert_eq!((disturbed.min(), disturbed.median()), (1.0, 2.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_one_that_was_measured() {
        assert_eq!(sample(&[4.0, 1.0, 3.0, 2.0]).median(), 2.0);
    }

    #[test]
    fn one_in_a_hundred_exceeds_the_quantile_of_ninety_nine() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let hundred = sample(&hundred);
        assert_eq!((hundred.quantile(0.99), hundred.quantile(1.0)), (99.0, 100.0));
        assert_eq!(sample(&[7.0]).quantile(0.99), 7.0);
    }

    #[test]
    fn nothing_measured_is_not_a_number() {
        assert!(sample(&[]).median().is_nan() && sample(&[]).min().is_nan());
    }

    #[test]
    fn opposite_ratios_cancel_out() {
        assert!((geometric_mean(&[0.25, 4.0]) - 1.0).abs() < 1e-12);
        assert!((geometric_mean(&[2.0, 8.0]) - 4.0).abs() < 1e-12);
    }
}
