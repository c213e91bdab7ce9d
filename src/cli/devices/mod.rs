//! `edgezen devices [list|show NAME|doctor|describe]`: which devices are known and attached, and whether
//! they can measure.

mod describe;
mod doctor;
mod list;
mod pool;
mod predicted_only;
mod seen;
mod show;
mod words;

use super::examples;
use super::force::{Force, NO_INPUTS, has_ending};
use super::{Failure, Global};
use crate::shipped;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The known devices, their default identity and their shipped predictors [default]
    #[command(after_help = examples::DEVICES_LIST)]
    List,
    /// Everything known of one device, with the source of each fact
    #[command(after_help = examples::DEVICES_SHOW)]
    Show {
        /// Name or alias of a device, or a profile file (.toml)
        name: String,
    },
    /// What makes this computer and the attached phones unfit to measure on right now, and what to do about it
    #[command(after_help = examples::DEVICES_DOCTOR)]
    Doctor {
        /// Only this phone
        #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
        serial: Option<String>,
        /// Also this board, as ssh knows it: pi@board, or a name of your ssh configuration
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// The units of a pool of phones and boards, and which of them are free
    #[command(after_help = examples::DEVICES_POOL)]
    Pool {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Only units with this tag
        #[arg(long, value_name = "TAG")]
        tag: Option<String>,
    },
    /// A profile drafted from an attached phone, for phones that are not in the list
    #[command(after_help = examples::DEVICES_DESCRIBE)]
    Describe {
        /// Serial number of the phone, where several are attached
        #[arg(long, value_name = "S", env = "ANDROID_SERIAL")]
        serial: Option<String>,
        /// File to write [default: standard output]
        #[arg(short, long, alias = "out", value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        force: Force,
    },
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let profiles = shipped::profiles();
    match args.action.unwrap_or(Action::List) {
        Action::List => list::run(&profiles, global),
        Action::Show { name } => show::run(&name, &profiles, global),
        Action::Doctor { serial, host } => doctor::run(&profiles, serial, host, global),
        Action::Pool { file, tag } => pool::run(&file, tag.as_deref(), global),
        Action::Describe { serial, output, force } => {
            if let Some(path) = &output {
                has_ending(path, &["toml"], "a device profile in TOML")?;
            }
            let output = output.map(|path| force.place(path, NO_INPUTS)).transpose()?;
            describe::run(&profiles, serial, output.as_ref(), global)
        }
    }
}
