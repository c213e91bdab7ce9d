//! The name of a run folder that was not named.

use crate::cli::search::{Args, limits};
use edgezen_core::search::{Budgets, Quantity};
use edgezen_core::units::Throughput;
use std::path::{Path, PathBuf};

/// `runs/pixel2-80ms-seed0`, with a number if that exists; to go on with a run, the last that exists.
pub fn default_folder(args: &Args, budgets: &Budgets, seed: u64) -> PathBuf {
    let mut parts: Vec<String> = args.preset.iter().cloned().collect();
    for (index, device) in budgets.devices().iter().enumerate() {
        let limit = budgets.time_limit(index).map(|limit| match device.quantity() {
            Quantity::Throughput => format!("-{}per_s", Throughput::of(limit).0),
            _ => format!("-{}ms", limit.ms()),
        });
        let limit = limit.unwrap_or_default();
        parts.push(format!("{}{limit}", device.name.replace(['/', '@'], "_")));
    }
    if args.preset.is_none() {
        parts.extend(limits::quantities().filter_map(|quantity| {
            Some(format!("{}{}", quantity.print(budgets.limit(quantity)?), quantity.in_folder()?))
        }));
        parts.extend(args.space.clone());
    }
    parts.push(format!("seed{seed}"));
    let name = parts.join("-");
    let folder = |suffix: String| Path::new("runs").join(format!("{name}{suffix}"));
    let first = folder(String::new());
    let mut last = first;
    for n in 2_u64.. {
        if !last.exists() {
            break;
        }
        let next = folder(format!("-{n}"));
        if args.resume && !next.exists() {
            break;
        }
        last = next;
    }
    last
}
