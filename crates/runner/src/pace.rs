//! How fast the core is right now.
//!
//! On a computer that is shared with others, a core changes its speed from one tenth of a second to the
//! next: a neighbour works on the other thread of the same physical core, or the clock steps. Nothing
//! reports it. A fixed piece of arithmetic does: timed before and after each sample it tells whether the
//! core was at its usual speed (see `docs/decisions/005-undisturbed-samples.md`).

use super::clock::Clock;
use std::hint::black_box;
use std::time::Duration;

/// Probes of this relative length or less count as undisturbed.
pub const TOLERANCE: f64 = 1.15;

/// Ratio of neighbouring bins of the histogram.
const BIN: f64 = 1.01;
const BINS: usize = 2_048;

/// The share of probes that are quicker than the usual speed; a few lucky ones are no measure.
const QUICKEST: f64 = 0.1;

/// At most one probe in this time is remembered: while somebody waits, probes follow one another, and
/// would give the disturbed times too much weight.
const REMEMBER_EVERY_NS: u64 = 2_000_000;

/// The usual speed of a core, learnt from the probes themselves.
pub struct Pace<'a> {
    work: Box<dyn FnMut() + 'a>,
    /// Probes by the logarithm of their length.
    bins: Vec<u32>,
    count: u32,
    remembered_at: Option<u64>,
    /// The usual length, as an earlier session found it.
    known_ns: Option<u64>,
}

impl Default for Pace<'_> {
    /// Probes with some ten microseconds of multiplications and additions in the first-level cache: as
    /// sensitive to a neighbour as the kernels are.
    fn default() -> Self {
        let (left, right) = (vec![1.25_f32; 1024], vec![0.75_f32; 1024]);
        Pace::new(move || {
            clean_registers();
            let mut sums = [0.0_f32; 32];
            for _ in 0..300 {
                for (a, b) in black_box(&left).chunks_exact(32).zip(black_box(&right).chunks_exact(32)) {
                    for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                        *sum += a * b;
                    }
                }
            }
            black_box(sums);
        })
    }
}

impl<'a> Pace<'a> {
    /// Probes with `work`.
    pub fn new(work: impl FnMut() + 'a) -> Pace<'a> {
        Pace { work: Box::new(work), bins: vec![0; BINS], count: 0, remembered_at: None, known_ns: None }
    }

    /// Takes over what an earlier session found usual on this core: a neighbour who stays for the whole
    /// session would otherwise pass for the usual speed.
    #[must_use]
    pub fn knowing(self, known_ns: Option<u64>) -> Pace<'a> {
        Pace { known_ns, ..self }
    }

    /// Times the work once, in nanoseconds.
    pub fn probe(&mut self, clock: &impl Clock) -> u64 {
        let start = clock.now_ns();
        (self.work)();
        let ns = clock.now_ns().saturating_sub(start).max(1);
        if self.remembered_at.is_none_or(|at| start.saturating_sub(at) >= REMEMBER_EVERY_NS) {
            let bin = ((ns as f64).ln() / BIN.ln()) as usize;
            self.bins[bin.min(BINS - 1)] += 1;
            self.count += 1;
            self.remembered_at = Some(start);
        }
        ns
    }

    /// Probes for about `ns` nanoseconds, to know the usual speed beforehand.
    pub fn learn(&mut self, clock: &impl Clock, ns: u64) {
        let start = clock.now_ns();
        while clock.now_ns().saturating_sub(start) < ns {
            self.probe(clock);
        }
    }

    /// Waits until ten probes in a row are undisturbed, or `patience` has passed; sleeps in between, so
    /// that waiting does not heat the core.
    pub fn settle(&mut self, clock: &impl Clock, patience: Duration) {
        let start = clock.now_ns();
        let mut calm = 0;
        while calm < 10 && u128::from(clock.now_ns().saturating_sub(start)) < patience.as_nanos() {
            std::thread::sleep(Duration::from_millis(20));
            // The first probe after a sleep wakes the core up.
            self.probe(clock);
            calm = if undisturbed(self.probe(clock), self.usual_ns()) { calm + 1 } else { 0 };
        }
    }

    /// Length of a probe at the usual speed: the quickest tenth of this session's are at most this long,
    /// unless an earlier session was quicker.
    pub fn usual_ns(&self) -> u64 {
        self.known_ns.map_or(self.learnt_ns(), |known| known.min(self.learnt_ns()))
    }

    fn learnt_ns(&self) -> u64 {
        let mut left = (QUICKEST * f64::from(self.count)).ceil() as u32;
        for (bin, &count) in self.bins.iter().enumerate() {
            if count >= left {
                return BIN.powi(bin as i32 + 1).ceil() as u64;
            }
            left -= count;
        }
        u64::MAX
    }
}

/// Clears what the engine's kernels left in the upper halves of the vector registers: code without AVX, as the
/// probe is, runs up to four times slower over it, and would take that for a disturbed core.
fn clean_registers() {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX; the instruction touches parts of registers only that no compiled
        // code keeps values in across a call.
        unsafe { std::arch::x86_64::_mm256_zeroupper() }
    }
}

/// Whether a probe of `probe_ns` found the core at its usual speed.
pub fn undisturbed(probe_ns: u64, usual_ns: u64) -> bool {
    probe_ns as f64 <= TOLERANCE * usual_ns as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Fake;
    use std::cell::Cell;

    #[test]
    fn the_usual_speed_is_that_of_the_quickest_tenth() {
        let clock = Fake::default();
        let turn = Cell::new(1_u64);
        let mut pace = Pace::new(|| {
            turn.set(turn.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
            // Some lucky probes; a quarter at the usual speed; the rest disturbed.
            let ns = match (turn.get() >> 40) % 100 {
                0..2 => 20_000,
                2..27 => 28_500,
                _ => 43_000,
            };
            clock.pass(ns);
        });
        pace.learn(&clock, 2_000_000_000);
        let usual = pace.usual_ns();
        assert!((28_500..29_100).contains(&usual), "{usual}");
        assert!(undisturbed(28_500, usual) && undisturbed(20_000, usual) && !undisturbed(43_000, usual));
    }

    #[test]
    fn an_earlier_session_knows_better_than_a_disturbed_one() {
        let clock = Fake::default();
        let slow = || clock.pass(43_000);
        let mut pace = Pace::new(slow).knowing(Some(28_500));
        pace.learn(&clock, 100_000_000);
        assert_eq!(pace.usual_ns(), 28_500);
        assert!(!undisturbed(pace.probe(&clock), pace.usual_ns()));
        // A session that is quicker than the earlier one is believed.
        let mut pace = Pace::new(slow).knowing(Some(90_000));
        pace.learn(&clock, 100_000_000);
        assert!((43_000..44_000).contains(&pace.usual_ns()));
    }

    #[test]
    fn the_real_probe_takes_microseconds() {
        let clock = crate::Monotonic::start();
        let mut pace = Pace::default();
        pace.learn(&clock, 2_000_000);
        let usual = pace.usual_ns();
        assert!((1_000..10_000_000).contains(&usual), "{usual} ns");
    }
}
