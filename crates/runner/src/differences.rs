//! What is left of a timing when a second one, of fewer runs or of a shorter graph, tells what both have in common.

use super::passes::pooled;
use super::timing::Timing;
use edgezen_core::units::Latency;

impl Timing {
    /// Finds the part of a sample that does not grow with its number of runs. It is the intercept of the line through
    /// the medians of this chain of runs and of a `shorter` one; the slope of that line is then the median of
    /// [`Timing::per_run_ns`]. A negative intercept is noise, and nothing is subtracted.
    #[must_use]
    pub fn less_overhead_of(mut self, shorter: &Timing) -> Timing {
        let (long, short) = (f64::from(self.k), f64::from(shorter.k));
        let chain = |timing: &Timing| Some(pooled([timing])?.0.median.ns() * f64::from(timing.k));
        if let (Some(of_long), Some(of_short)) = (chain(&self), chain(shorter))
            && long > short
        {
            let slope = (of_long - of_short) / (long - short);
            let overhead = (of_long - slope * long).clamp(0.0, of_short);
            let before = self.overhead_ns.replace(overhead);
            // Of each sample a latency must be left that can be read back.
            if self.check().is_err() {
                self.overhead_ns = before;
            }
        }
        self
    }

    /// The timing of a piece of work, of which a run of this graph holds `times.0` and a run of the `shorter` one `times.1`: each
    /// run counts as so many, and the time that both graphs have in common is the overhead. `None` where the difference is no
    /// time, or where there are no samples.
    #[must_use]
    pub fn repeated(mut self, shorter: &Timing, times: (u32, u32)) -> Option<Timing> {
        let run = |timing: &Timing| Some(pooled([timing])?.0.median.ns());
        let (long, short) = (run(&self)?, run(shorter)?);
        let (more, fewer) = (f64::from(times.0), f64::from(times.1));
        let slope = (long - short) / (more - fewer);
        // Too small a difference is noise, and no latency that could be read back.
        Latency::measured_ns(slope).ok()?;
        // A negative intercept is noise, and nothing is subtracted.
        let overhead = (long - slope * more).clamp(0.0, short);
        self.overhead_ns = Some(overhead * f64::from(self.k));
        self.k = self.k.checked_mul(times.0)?;
        self.first_ns = self.first_ns.map(|ns| (ns / u64::from(times.0)).max(1));
        // Of each sample a latency must be left that can be read back; where too little is left of the fastest, noise decided.
        self.check().is_ok().then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::steady;
    use super::*;

    /// Each sample waits 100 µs for `k` runs of 5 µs.
    fn chain(k: u32) -> Timing {
        Timing { samples_ns: vec![100_000 + 5_000 * u64::from(k); 30], ..steady(5_000, k) }
    }

    #[test]
    fn what_a_chain_costs_beside_its_runs_is_taken_off() {
        let timing = chain(200).less_overhead_of(&chain(50));
        assert_eq!(timing.overhead_ns, Some(100_000.0));
        assert_eq!(timing.summary().unwrap().median.ns(), 5_000.0);
        // One chain says nothing.
        assert_eq!(chain(200).less_overhead_of(&chain(200)).overhead_ns, None);
    }

    #[test]
    fn what_is_left_of_each_sample_can_be_read_back() {
        let (long, short) = (steady(4_000_000, 1), steady(1_600_000, 1));
        let of_kernel = long.clone().repeated(&short, (8, 2)).unwrap();
        assert_eq!((of_kernel.overhead_ns, of_kernel.k), (Some(800_000.0), 8));
        assert_eq!(of_kernel.summary().unwrap().median.ns(), 400_000.0);
        // One sample of the long graph took hardly more than what both graphs have in common: 5 ns for a kernel.
        let mut dip = long.clone();
        dip.samples_ns[7] = 800_040;
        assert_eq!(dip.repeated(&short, (8, 2)), None);
        // In a chain, nothing is subtracted then.
        let mut dip = chain(200);
        dip.samples_ns[7] = 101_000;
        let dip = dip.less_overhead_of(&chain(50));
        assert_eq!(dip.overhead_ns, None);
        dip.check().unwrap();
    }
}
