//! What is special about one moment of the simulated device: its launch, and what other programs do meanwhile.

use super::simulation::Simulation;
use edgezen_runner::Conditions;
use edgezen_runner::conditions::CpuTime;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// By how much everything takes longer if other programs use the whole machine.
pub const FULL_LOAD: f64 = 0.5;

/// Cores of the simulated machine.
const CORES: f64 = 4.0;

/// The load of single moments differs from that of the session by up to this share.
const COMES_AND_GOES: f64 = 0.2;

/// The moment of one measurement.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Factor on all times.
    pub slower: f64,
    /// Share of the machine that other programs use.
    load: Option<f64>,
}

impl Moment {
    /// `key` stands for what is measured, `session` for the time during which the device is open, and `measurement` is the
    /// number of the measurement in it.
    pub fn of(simulation: &Simulation, key: u64, session: u64, measurement: u32) -> Moment {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(key.wrapping_add(u64::from(measurement)));
        // Twelve uniform numbers have the variance 1.
        let normal: f64 = (0..12).map(|_| rng.random_range(-0.5..0.5)).sum();
        let load = simulation.load.map(|load| {
            let mut of_session = Xoshiro256PlusPlus::seed_from_u64(session ^ 0x10ad);
            let mean = 2.0 * load * of_session.random_range(0.0..1.0);
            (mean * (1.0 + COMES_AND_GOES * rng.random_range(-1.0..1.0))).clamp(0.0, 1.0)
        });
        let slower = (1.0 + simulation.launches * normal).max(0.1) * (1.0 + FULL_LOAD * load.unwrap_or(0.0));
        Moment { slower, load }
    }

    /// The conditions before and after a measurement that took `ns`.
    pub fn conditions(&self, ns: f64) -> (Conditions, Conditions) {
        let Some(load) = self.load else { return Default::default() };
        let (own_ms, total_ms) = (ns / 1e6, CORES * ns / 1e6);
        let at = |machine_time| Conditions { machine_time: Some(machine_time), ..Conditions::default() };
        let none = CpuTime { busy_ms: 0.0, total_ms: 0.0, own_ms: 0.0 };
        (at(none), at(CpuTime { busy_ms: own_ms + load * total_ms, total_ms, own_ms }))
    }
}
