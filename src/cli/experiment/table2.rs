//! `edgezen experiment table2`: seconds of a score.

use super::files::{self, Files};
use crate::cli::output::Output;
use crate::cli::{Failure, Global};
use edgezen_lab::experiment::Experiment;
use edgezen_lab::experiment::table2::{self, Event, Settings};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Scores of each network; the quick proxies take 3 at least
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: u32,
    /// Side of the images
    #[arg(long, value_name = "R", default_value_t = 224, value_parser = clap::value_parser!(u32).range(32..=1024))]
    resolution: u32,
    /// Images of a pass
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=256))]
    batch: u32,
}

pub fn run(args: &Args, global: Global) -> Result<(), Failure> {
    let places = args.files.places("table2", ["csv", "svg"])?;
    let settings =
        Settings { repeats: args.repeats, seed: global.seed, side: args.resolution, batch: args.batch };
    files::table(places, timed(settings, global.output()), global)
}

/// The table, with a spinner while a score is computed and a line for each.
fn timed(settings: Settings, out: Output) -> Experiment {
    let mut bar = indicatif::ProgressBar::hidden();
    table2::run(settings, &mut |event| match event {
        Event::Begin { network, proxy } => {
            bar = out.progress(0, "{msg} {spinner} {elapsed}");
            bar.set_message(format!("{network}: {proxy}"));
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Event::End { network, proxy, seconds } => {
            bar.finish_and_clear();
            out.note(format!("{network}: {proxy}, {seconds:.1} s"));
        }
        Event::Undefined { network, error } => out.note(format!("{network}: {error}")),
    })
}
