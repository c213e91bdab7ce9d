//! Axes: from values to places, with round numbers to label them.

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// For positive values only.
    Log,
}

/// Values farther from 1 than this by their size are not shown: no measurement has them, and their distances are not numbers.
const LARGEST: f64 = 1e100;
/// Most powers of ten that are labelled.
const MOST_POWERS: i32 = 12;

/// An axis from `low` to `high`, drawn from `from` to `to`.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// The axis that holds all `values` with a little room at both ends; of some length even for one value
    /// or none.
    pub fn around(values: impl IntoIterator<Item = f64>, scale: Scale, from: f64, to: f64) -> Axis {
        let usable =
            |value: &f64| value.abs() <= LARGEST && (scale == Scale::Linear || *value >= LARGEST.recip());
        let (low, high) = values
            .into_iter()
            .filter(usable)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (1.0, 2.0) } else { (low, high) };
        let (low, high) = match scale {
            Scale::Linear => {
                let room = if high > low { 0.04 * (high - low) } else { 0.5 * low.abs().max(1.0) };
                // Counts and the like start at nothing, not below.
                (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room)
            }
            Scale::Log => {
                let room = if high > low { (high / low).powf(0.04) } else { 1.5 };
                (low / room, high * room)
            }
        };
        Axis { scale, low, high, from, to }
    }

    /// Where `value` lies.
    pub fn at(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// About `count` round values inside the axis.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        match self.scale {
            Scale::Linear => linear_ticks(self.low, self.high, count),
            Scale::Log => {
                for steps in [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0]] {
                    let ticks = self.log_ticks(steps);
                    if ticks.len() >= 3 {
                        return ticks;
                    }
                }
                // Less than a decade: round numbers are better than powers.
                linear_ticks(self.low, self.high, count.min(4))
            }
        }
    }

    fn log_ticks(&self, steps: &[f64]) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let every = (last - first) / MOST_POWERS + 1;
        let powers = (first..=last).step_by(every.unsigned_abs() as usize);
        let all = powers.flat_map(|e| steps.iter().map(move |step| step * 10_f64.powi(e)));
        all.filter(|tick| self.holds(*tick)).collect()
    }
}

fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let rough = (high - low) / count.max(1) as f64;
    let magnitude = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|&step| step >= rough)
        .unwrap_or(10.0 * magnitude);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).take(50).map(|i| i as f64 * step).collect()
}

/// A tick's label: short, with as many digits as tell it from its neighbours.
pub fn label(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e10 || (magnitude > 0.0 && magnitude < 1e-4) {
        return format!("{:e}", format!("{value:.1e}").parse().unwrap_or(value));
    }
    if magnitude >= 1e6 {
        return format!("{}M", trimmed(value / 1e6));
    }
    if magnitude >= 1e4 {
        return format!("{}k", trimmed(value / 1e3));
    }
    trimmed(value)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" || text.is_empty() { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        for (low, high) in [(0.0, 1.0), (3.2, 480_000.0), (-5.0, 5.0), (0.001, 0.0023), (120.0, 126.0)] {
            let axis = Axis::around([low, high], Scale::Linear, 0.0, 100.0);
            let ticks = axis.ticks(5);
            assert!((2..=11).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks.iter().all(|&t| axis.holds(t)));
            if low > 0.0 {
                let axis = Axis::around([low, high], Scale::Log, 0.0, 100.0);
                let ticks = axis.ticks(5);
                assert!((2..=24).contains(&ticks.len()), "{low} {high}: {ticks:?}");
                assert!((axis.at(low) - axis.at(high)).abs() <= 100.0);
            }
        }
        assert_eq!(label(480_000.0), "480k");
        assert_eq!(label(0.25), "0.25");
        assert_eq!(label(2.5e6), "2.5M");
        assert_eq!((label(1e-5), label(-2e-5), label(1e30)), ("1e-5".into(), "-2e-5".into(), "1e30".into()));
        // A damaged table has any number; those that no measurement gives are not shown.
        for scale in [Scale::Linear, Scale::Log] {
            let axis = Axis::around([1e-4, 0.1, 1e299, f64::MAX, f64::INFINITY], scale, 0.0, 100.0);
            assert!(axis.holds(0.1) && !axis.holds(0.2), "{axis:?}");
            let wide = Axis::around([1e-90, 1e90], scale, 0.0, 100.0);
            let ticks = wide.ticks(5);
            assert!(
                (2..=40).contains(&ticks.len()) && ticks.iter().all(|tick| tick.is_finite()),
                "{ticks:?}"
            );
        }
        // Nothing to show still gives an axis.
        assert!(!Axis::around([], Scale::Log, 0.0, 1.0).ticks(4).is_empty());
    }
}
