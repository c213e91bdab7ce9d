//! A search whose best networks are then measured, as `search --verify` does it: `cargo run --release --example verify`.
//!
//! The device is the simulated one, slower by half than its predictor knows.

#![allow(clippy::print_stdout)]

use edgezen::device::simulated::{self, Simulation};
use edgezen::device::{DriverOptions, Options};
use edgezen::measurement::Identity;
use edgezen::plainnet::{Kernel, Network};
use edgezen::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
use edgezen::search::{Quantity, Search};
use edgezen::units::Latency;
use edgezen::verify::{Event, OnDevice, Verify};
use edgezen::{shipped, space};
use std::ops::ControlFlow;

/// The formula of the simulated device; a real one has a predictor that was fitted to its measurements.
struct Formula(Identity);
impl LatencyPredictor for Formula {
    fn identity(&self) -> &Identity {
        &self.0
    }
    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        KernelEstimate::inside(simulated::formula(kernel))
    }
    fn network(&self, Terms { latency, .. }: &Terms) -> Estimate {
        let (lower, upper) = (*latency * 0.9, *latency * 1.1);
        Estimate { latency: *latency, lower, upper, charged: *latency, coverage: 1.0 }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let predictor = Formula("simulated@formula@fp32".parse()?);
    let limit = Latency::from_ms(4.0);
    let search = Search::new(space::by_name("mobilenet").ok_or("no such space")?)
        .latency("simulated", predictor, limit)
        .budget(Quantity::Layers, 14.0)
        .iterations(5_000);
    let found = search.run()?;

    let profiles = shipped::profiles();
    let slow: Simulation = "slow_after=0".parse()?;
    let options = Options { driver: DriverOptions::default().with(slow), ..Options::default() };
    let device = OnDevice { profiles: &profiles, name: "simulated", options };
    let verified =
        Verify { search: &search, device, winner: &found.best, asked: 3 }.run(&found, &mut |event| {
            if let Event::Round { measured } = event {
                println!("{measured} networks measured so far");
            }
            ControlFlow::Continue(())
        })?;
    for round in &verified.verification.rounds {
        for network in &round.networks {
            println!(
                "corrected by {:.3}: predicted {:.2} ms, measured {:.2} ms",
                round.correction, network.predicted_ms, network.measured_ms
            );
        }
    }
    let best = verified.best.ok_or("no network is fast enough")?;
    println!("{:.1} {}", best.score, Network::from(&best.blocks[..]));
    Ok(())
}
