//! How the simulated device behaves: the options of its driver.

use edgezen_core::units::Latency;
use std::path::PathBuf;
use std::str::FromStr;

/// How the device behaves. Written as `delay=5ms,noise=0.01,launches=0.02,load=0.3,slow_after=40,lose_after=100,
/// fail_every=9,heat=0.3`.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// How long each measurement really takes.
    pub delay: Latency,
    /// Relative spread of single runs.
    pub noise: f64,
    /// Relative standard deviation between measurements: what differs between two launches of one network.
    pub launches: f64,
    /// Share of the machine that other programs use on average, 0 to 1. It comes and goes: the mean share while the device
    /// is open lies anywhere between nothing and twice this. `None`: the device does not tell what others use.
    pub load: Option<f64>,
    /// After this many measurements everything takes half as long again, as if the device had run hot.
    pub slow_after: Option<u32>,
    /// After this many measurements the device is lost.
    pub lose_after: Option<u32>,
    /// Every n-th measurement fails, for this n.
    pub fail_every: Option<u32>,
    /// By which share it is slower on its plateau, hot from work, than after a long rest.
    pub heat: f64,
    /// A file to which a line is appended whenever a measurement begins.
    pub log: Option<PathBuf>,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            delay: Latency::ZERO,
            noise: 0.01,
            launches: 0.0,
            load: None,
            slow_after: None,
            lose_after: None,
            fail_every: None,
            heat: 0.0,
            log: None,
        }
    }
}

impl FromStr for Simulation {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut simulation = Simulation::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not KEY=VALUE"))?;
            let count = || value.parse::<u32>().map(Some).map_err(|e| format!("{part:?}: {e}"));
            let share = || {
                let share: f64 = value.parse().map_err(|e| format!("{part:?}: {e}"))?;
                match (0.0..1.0).contains(&share) {
                    true => Ok(share),
                    false => Err(format!("{part:?}: from 0 to below 1")),
                }
            };
            match key {
                "delay" => simulation.delay = value.parse().map_err(|e| format!("{part:?}: {e}"))?,
                "noise" => simulation.noise = share()?,
                "launches" => simulation.launches = share()?,
                "load" => simulation.load = Some(share()?),
                "slow_after" => simulation.slow_after = count()?,
                "lose_after" => simulation.lose_after = count()?,
                "fail_every" => simulation.fail_every = count()?,
                "heat" => simulation.heat = share()?,
                "log" => simulation.log = Some(value.into()),
                _ => {
                    return Err(format!(
                        "unknown key {key:?}; known: delay, noise, launches, load, slow_after, lose_after, fail_every, heat, log"
                    ));
                }
            }
        }
        Ok(simulation)
    }
}
