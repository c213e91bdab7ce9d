//! The pace of the core: how fast it runs right now.
//!
//! On a computer that is shared with others, a core changes its speed from one tenth of a second to the next, because
//! another program works on the second thread of the same physical core, or because the clock changes. The system does
//! not report this. A probe, which is a fixed piece of arithmetic, shows it: timed before and after each sample, it tells
//! whether the core was at its usual speed (see `docs/decisions/005-undisturbed-samples.md`).

use super::clock::Clock;
use std::hint::black_box;
use std::time::Duration;

/// A probe counts as undisturbed if it lasts at most this many times as long as usual.
pub const TOLERANCE: f64 = 1.15;

/// Ratio of the bounds of neighbouring bins of the histogram of probes.
const BIN: f64 = 1.01;
const BINS: usize = 2_048;

/// The share of probes that are faster than the usual speed. A few probes are short by chance, so the shortest one is
/// not taken as the measure.
const QUICKEST: f64 = 0.1;

/// At most one probe in this time enters the histogram. While the stopwatch waits for the core, probes follow one
/// another without a pause, and would give disturbed times too much weight.
const REMEMBER_EVERY_NS: u64 = 2_000_000;

/// The probe of a core, with the usual speed of that core as the probes so far show it.
pub struct Pace<'a> {
    work: Box<dyn FnMut() + 'a>,
    /// The histogram: numbers of probes, by the logarithm of their length.
    bins: Vec<u32>,
    count: u32,
    remembered_at: Option<u64>,
    /// The usual length of a probe, as an earlier session found it.
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

    /// Takes over the usual length that an earlier session found on this core. Without it, another program that runs
    /// beside this one for the whole session would make the disturbed speed look usual.
    #[must_use]
    pub fn knowing(self, known_ns: Option<u64>) -> Pace<'a> {
        Pace { known_ns, ..self }
    }

    /// Times one probe, in nanoseconds.
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

    /// Probes for about `ns` nanoseconds, so that the usual speed is known before anything is measured.
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

    /// Length of a probe at the usual speed: the upper bound of the shortest tenth of this session's probes, or what an
    /// earlier session found, whichever is shorter.
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

/// Clears what the engine's kernels left in the upper halves of the vector registers. The probe is code without AVX,
/// which runs up to four times slower while these halves are in use; the core would look disturbed.
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
