//! A search with a proxy and a latency predictor of one's own: `cargo run --release --example own_proxy`.

use edgezen::dataset::Identity;
use edgezen::plainnet::{Kernel, Network};
use edgezen::predictor::{Estimate, KernelEstimate, LatencyPredictor, Support, Terms};
use edgezen::proxy::{Candidate, Proxy, ScoreError};
use edgezen::search::{Budget, Search};
use edgezen::units::{Latency, Params};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;

/// Deep and wide is good; more of either helps less and less.
struct Roomy;
impl Proxy for Roomy {
    fn name(&self) -> &'static str {
        "roomy"
    }
    fn score(&self, net: Candidate<'_>, _: &mut Xoshiro256PlusPlus) -> Result<f64, ScoreError> {
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
        KernelEstimate { latency, support: Support::Inside }
    }
    fn network(&self, Terms { latency, .. }: &Terms) -> Estimate {
        Estimate { latency: *latency, lower: *latency * 0.9, upper: *latency * 1.1, coverage: 1.0 }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rule = Arc::new(Rule("board@rule@fp32".parse()?));
    let space = edgezen::space::by_name("mobilenet").ok_or("no such space")?;
    let search = Search::new(space).proxy(&Roomy).budget(Budget::Params(Params(4e6)));
    let found = search.budget(Budget::latency("board", rule, Latency::from_ms(0.2))).run()?.best;
    println!("{:.1} {}", found.score, Network::from(&found.blocks[..]));
    Ok(())
}
