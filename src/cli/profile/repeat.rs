//! `edgezen profile --repeat DIR`: a twentieth of a dataset is measured once more, on another day.

use super::super::target::{self, How, Target};
use super::super::{Failure, Global, output};
use edgezen_core::units::three_digits;
use edgezen_lab::campaign::repeat::{Repeat, RepeatError, Repeated};
use edgezen_lab::dataset::Dataset;
use edgezen_lab::files::lock_folder;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The option that repeats, and those of `edgezen profile` that have no meaning beside it.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "measuring once more", multiple = true)]
pub struct Args {
    /// Measure a twentieth of this dataset once more, and say how much it differs from one day to another
    #[arg(long, value_name = "DIR", conflicts_with_all = [
        "plan", "resume", "output", "space", "samples", "time", "refine", "rounds", "force",
    ])]
    pub repeat: Option<PathBuf>,
}

pub fn run(target: &Target, dir: &Path, global: Global) -> Result<(), Failure> {
    let out = global.output();
    // Where there is no dataset, there is nothing to lock.
    if !dir.is_dir() {
        Dataset::read(dir)?;
    }
    let _lock = lock_folder(dir)?;
    let dataset = Dataset::read(dir)?;
    let mut device = target.open(How::default(), global)?;
    let repeat = Repeat::of(&dataset, dir, global.seed);
    let bar = out.progress(repeat.measurements() as u64, "{bar:30} {pos}/{len} {eta} left");
    let mut begun = 0;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let repeated = repeat.run(device.as_mut(), now, &mut || output::begin_step(&bar, &mut begun));
    bar.finish_and_clear();
    target::notes(&mut *device, out);
    let repeated = repeated?;
    out.result(&repeated, || text(&repeated))
}

impl From<RepeatError> for Failure {
    fn from(error: RepeatError) -> Failure {
        let message = error.to_string();
        match error {
            RepeatError::OtherIdentity { .. } => Failure::usage(message),
            RepeatError::Device(error) => error.into(),
            RepeatError::NothingMeasured => Failure::runtime(message),
            RepeatError::Io { path, error } => Failure::io(&path, &error),
        }
    }
}

fn text(repeated: &Repeated) -> String {
    let short = |name: &str| name.chars().take(48).collect::<String>();
    let cells: Vec<Vec<String>> = repeated
        .rows
        .iter()
        .map(|row| {
            vec![
                short(&row.configuration),
                three_digits(row.then_ms),
                three_digits(row.now_ms),
                format!("{:+.1} %", row.difference_percent),
            ]
        })
        .collect();
    output::table(&["configuration", "then ms", "now ms", "difference"], &cells)
        + &format!(
            "\nfrom one day to another: {:.1} % in the median, {:.1} % at worst, {:+.1} % all together\n",
            repeated.median_difference_percent, repeated.worst_difference_percent, repeated.shift_percent
        )
}
