//! A search with a proxy and a latency predictor of one's own: `cargo run --release --example own_proxy`. It needs
//! `edgezen-core` alone.

#![allow(clippy::print_stdout)]

use edgezen_core::measurement::Identity;
use edgezen_core::plainnet::{Kernel, Network};
use edgezen_core::predictor::{Estimate, KernelEstimate, LatencyPredictor, Terms};
use edgezen_core::proxy::{Candidate, Proxy, ScoreError};
use edgezen_core::search::Search;
use edgezen_core::space;
use edgezen_core::units::Latency;

struct Roomy;
impl Proxy for Roomy {
    fn name(&self) -> &'static str {
        "roomy"
    }
    fn score(&self, net: Candidate<'_>, _: &mut rand_xoshiro::Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
        Ok(net.blocks.iter().map(|b| f64::from(b.sublayers) * f64::from(b.out_c).ln()).sum())
    }
}

/// 2 µs for each kernel and 1 ns for 4,000 multiply-adds.
struct Rule(Identity);
impl LatencyPredictor for Rule {
    fn identity(&self) -> &Identity {
        &self.0
    }
    fn kernel(&self, kernel: &Kernel) -> KernelEstimate {
        let latency = Latency::from_ns(2_000.0 + kernel.macs() / 4_000.0);
        KernelEstimate::inside(latency)
    }
    fn network(&self, Terms { latency, .. }: &Terms) -> Estimate {
        let (lower, upper) = (*latency * 0.9, *latency * 1.1);
        Estimate { latency: *latency, lower, upper, charged: *latency, coverage: 1.0 }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rule = Rule("board@rule@fp32".parse()?);
    let search = Search::new(space::by_name("mobilenet").ok_or("no such space")?);
    let best = search.proxy(&Roomy).latency("board", rule, Latency::from_ms(0.2)).run()?.best;
    println!("{:.1} {}", best.score, Network::from(&best.blocks[..]));
    Ok(())
}
