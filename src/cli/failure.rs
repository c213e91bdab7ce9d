//! What can go wrong, as the user sees it: a message, a remedy, and a stable exit code.

use super::disk::Trouble;
use super::unfinished;
use crate::shipped;
use edgezen_core::files::FileError;
use edgezen_core::plainnet::ShapeError;
use edgezen_core::plainnet::notation::ParseError;
use edgezen_core::proxy::ScoreError;
use edgezen_core::search::{CostError, SearchError};
use edgezen_core::units::UnitError;
use edgezen_engine::EngineError;
use edgezen_engine::runtimes::registry;
use edgezen_lab::campaign::journal::JournalError;
use edgezen_lab::dataset::DatasetError;
use edgezen_lab::device::DeviceError;
use edgezen_lab::device::gpu::GpuError;
use edgezen_lab::device::profile::{Kind, ProfileError};
use edgezen_lab::device::runtimes;
use edgezen_lab::device::tool::ToolError;
use edgezen_lab::spelling;
use edgezen_lab::tables::ColumnError;
use edgezen_runner::conditions::PinError;
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;

/// How a program comes about that has libtorch.
pub const BUILD_TORCH: &str =
    "eval \"$(scripts/setup-libtorch)\", then cargo build --release --features torch";

/// Exit codes; the numbers are relied on from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something failed while running.
    Runtime = 1,
    /// The command line asks for something that does not exist or makes no sense.
    Usage = 2,
    /// Measured, but not well enough: noisy or throttled.
    Quality = 3,
    /// The device was lost or is busy; the work can be resumed.
    Device = 4,
    /// Outside the predictor's domain, with `--strict`.
    OutsideDomain = 5,
    /// No network fits the budgets.
    Infeasible = 6,
    /// A file is damaged, not of the expected format, or from a newer version.
    BadFile = 7,
    /// Interrupted; a checkpoint was written.
    Interrupted = 130,
}

/// An error at the end of its way: printed by `main`, turned into the exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// A failure as JSON: `{"code": 2, "message": "…", "remedy": "…"}`.
#[derive(Debug, Serialize)]
pub struct ErrorText<'a> {
    /// The exit code.
    pub code: u8,
    pub message: &'a str,
    pub remedy: Option<&'a str>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), remedy: None }
    }

    /// One whose message is on stderr already.
    pub fn said(exit: Exit) -> Failure {
        Failure::new(exit, "")
    }

    /// Whether there is nothing more to print.
    pub fn is_said(&self) -> bool {
        self.message.is_empty()
    }

    /// What `--json` prints of it.
    pub fn text(&self) -> ErrorText<'_> {
        ErrorText { code: self.exit as u8, message: &self.message, remedy: self.remedy.as_deref() }
    }

    /// The same, said of `what`.
    #[must_use]
    pub fn of(self, what: &str) -> Failure {
        Failure { message: format!("{what}: {}", self.message), ..self }
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    pub fn runtime(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Runtime, message)
    }

    pub fn bad_file(path: &Path, reason: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::BadFile, format!("{}: {reason}", path.display()))
    }

    /// Something that only a program with libtorch can do.
    pub fn needs_torch(what: &str) -> Failure {
        Failure::usage(format!("{what} is part of the feature torch, which this program was built without"))
            .remedy(BUILD_TORCH)
    }

    /// A command that measures, or that listens for Ctrl-C, where another program runs it in its own process.
    pub fn measures(command: &str) -> Failure {
        Failure::usage(format!("{command} needs a process of its own"))
            .remedy(format!("the program, as edgezen {command}"))
    }

    /// A file that could not be read or written.
    pub fn io(path: &Path, error: &std::io::Error) -> Failure {
        let trouble = Trouble::of(path, error);
        let exit = if trouble.is_usage() { Exit::Usage } else { Exit::Runtime };
        Failure { remedy: trouble.remedy(path), ..Failure::new(exit, trouble.message(path)) }
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Failure {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same; what to do about it, if a file's content is what is wrong.
    #[must_use]
    pub fn remedy_for_bad_file(self, remedy: &str) -> Failure {
        if self.exit == Exit::BadFile { self.remedy(remedy) } else { self }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Failure {
        Failure::usage(error.to_string())
            .remedy("a structure string looks like SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)")
    }
}

impl From<ShapeError> for Failure {
    fn from(error: ShapeError) -> Failure {
        let failure = Failure::usage(error.to_string());
        match error {
            ShapeError::NotSuper { .. } => failure.remedy(
                "a structure of super blocks alone, as SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,16,1), or a published one \
                 of a search: zennet_imagenet1k_latency01ms_res224",
            ),
            _ => failure,
        }
    }
}

impl From<CostError> for Failure {
    fn from(error: CostError) -> Failure {
        SearchError::from(error).into()
    }
}

impl From<UnitError> for Failure {
    fn from(error: UnitError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        let message = error.to_string();
        match error {
            FileError::Io { path, error } => Failure::io(&path, &error),
            FileError::Newer { .. } => Failure::new(Exit::BadFile, message).remedy("update edgezen"),
            FileError::NotOurs { .. }
            | FileError::Checksum { .. }
            | FileError::Damaged { .. }
            | FileError::DamagedLine { .. } => {
                Failure::new(Exit::BadFile, message).remedy("fetch the file again, or make it anew")
            }
            FileError::InTheWay { .. } => {
                Failure::usage(message).remedy("another place, or --force to replace what is there")
            }
            FileError::NotWritable { .. } => Failure::usage(message).remedy("another place"),
            FileError::SameFile { .. } => Failure::usage(message).remedy("another name for the result"),
            FileError::Busy { .. } => Failure::new(Exit::Device, message)
                .remedy("wait until that is finished, or choose another folder"),
        }
    }
}

impl From<DatasetError> for Failure {
    fn from(error: DatasetError) -> Failure {
        let message = error.to_string();
        match error {
            // The first file that is read of a dataset tells whether a folder is one.
            DatasetError::File(FileError::Io { path, error })
                if error.kind() == std::io::ErrorKind::NotFound && path.ends_with("environment.json") =>
            {
                let folder = path.parent().unwrap_or(Path::new("."));
                if !folder.exists() {
                    return Failure::io(folder, &error);
                }
                if let Some(remedy) = unfinished::remedy(folder) {
                    let message = format!(
                        "{}: its profile is not finished, so there is no dataset yet",
                        folder.display()
                    );
                    return Failure::usage(message).remedy(remedy);
                }
                Failure::usage(format!("{}: no dataset: it has no environment.json", folder.display()))
                    .remedy("give a folder that edgezen profile or edgezen dataset import wrote")
            }
            DatasetError::File(error) => error.into(),
            DatasetError::TableKind { path } => Failure::usage(message).remedy(format!(
                "{}, if it is a table of comma-separated values",
                path.with_extension("csv").display()
            )),
            DatasetError::Column { error: ColumnError::Missing { column }, .. } if column == "kind" => {
                Failure::new(Exit::BadFile, message).remedy(
                    "a table of kernels has the columns kind, in_c, out_c and so on (edgezen dataset export --only kernels \
                     writes one); one of networks has a column network, net or model",
                )
            }
            DatasetError::Column { .. } | DatasetError::Empty { .. } => Failure::new(Exit::BadFile, message),
        }
    }
}

impl From<ScoreError> for Failure {
    fn from(error: ScoreError) -> Failure {
        match error {
            ScoreError::Shape(error) => error.into(),
            ScoreError::Undefined { .. } => Failure::usage(error.to_string())
                .remedy("--proxy flops and --proxy params are defined for every network"),
            ScoreError::NotFinite { .. } => Failure::runtime(error.to_string()),
            ScoreError::Memory { .. } => Failure::runtime(error.to_string())
                .remedy("a smaller --batch or --resolution; a closed form needs no memory"),
        }
    }
}

impl From<SearchError> for Failure {
    fn from(error: SearchError) -> Failure {
        let message = error.to_string();
        match error {
            SearchError::Initial(error) => {
                let remedy = Failure::from(error).remedy;
                let other = || {
                    "another structure to start from: --init NET; without it, the space has its own"
                        .to_owned()
                };
                Failure::usage(message).remedy(remedy.unwrap_or_else(other))
            }
            SearchError::Unpriced(_) => Failure::usage(message),
            SearchError::Infeasible(why) => {
                let change = if why.quantity.is_at_least() { "lower" } else { "raise" };
                Failure::new(Exit::Infeasible, message)
                    .remedy(format!("{change} that budget, or start from a smaller structure with --init"))
            }
            SearchError::Misshapen(_) => {
                Failure::new(Exit::Infeasible, message).remedy("give another --init, or --any-shape")
            }
            SearchError::Unscored(_) => Failure::new(Exit::Infeasible, message).remedy(
                "another --proxy, --resolution or --init; where no candidate fitted, larger budgets or more \
                     --iterations",
            ),
            SearchError::Checkpoint(_) => Failure::new(Exit::BadFile, message)
                .remedy("the same command with --force in place of --resume starts the run anew"),
            SearchError::Threads { .. } => Failure::runtime(message),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Failure {
        let message = error.to_string();
        match error {
            ProfileError::File(error) => error.into(),
            ProfileError::Unknown { name, .. }
                if shipped::catalogue().predicted_only(&name).unwrap_or(false) =>
            {
                Failure::usage(format!(
                    "{name} has predictors and no profile, so that nothing here measures on it"
                ))
                .remedy(format!(
                    "predict and search take it; edgezen predictors info {name} describes it; \
                         device-profiles/{name}.toml would describe how to measure on it"
                ))
            }
            ProfileError::Unknown { near, .. } => {
                let question = spelling::question(&near).map(|question| format!("{question} "));
                let all = "edgezen devices lists all devices";
                Failure::usage(message).remedy(format!("{}{all}", question.unwrap_or_default()))
            }
            ProfileError::Syntax { .. } | ProfileError::Invalid { .. } => {
                Failure::new(Exit::BadFile, message)
                    .remedy("edgezen devices show pixel2 --json prints a profile with all its fields")
            }
        }
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Failure {
        let message = error.to_string();
        match error {
            DeviceError::Profile(error) => error.into(),
            DeviceError::NotMeasured { kind: Kind::NvidiaGpu | Kind::TorchCpu, .. } => Failure::usage(message)
                .remedy(BUILD_TORCH),
            DeviceError::NotMeasured { .. } | DeviceError::Unsupported { .. } => Failure::usage(message),
            DeviceError::NoSuchRuntime { device, known, .. } => {
                let names: Vec<String> = known.iter().map(|runtime| format!("{device}@{runtime}")).collect();
                Failure::usage(message).remedy(format!("--device {}", names.join(" or ")))
            }
            DeviceError::NoSuchPrecision { device, runtime, known, .. } => {
                let names: Vec<String> =
                    known.iter().map(|precision| format!("{device}@{runtime}@{precision}")).collect();
                Failure::usage(message).remedy(format!("--device {}", names.join(" or ")))
            }
            DeviceError::TooManyThreads { device, runtime, most, .. } => {
                let more = registry().iter().filter(|other| other.most_threads() > most);
                let more: Vec<String> = more.map(|other| format!("{device}@{}", other.name())).collect();
                let elsewhere = match more.is_empty() {
                    true => String::new(),
                    false => format!(", or a runtime with more: --device {}", more.join(" or ")),
                };
                Failure::usage(message).remedy(format!("{runtime} with --threads {most}{elsewhere}"))
            }
            DeviceError::Gpu(error) => {
                let exit = match error {
                    GpuError::None { .. } | GpuError::Order => Exit::Usage,
                    GpuError::NoDriver(_) | GpuError::Unreadable(_) | GpuError::Other { .. } => Exit::Quality,
                };
                Failure::new(exit, message).remedy(error.remedy())
            }
            DeviceError::Lost { .. } => Failure::new(Exit::Device, message),
            DeviceError::Implausible { .. } => Failure::new(Exit::Quality, message).remedy(
                "start the device anew, and name a runner that you built yourself: EDGEZEN_RUNNER=FILE; another device \
                 if that does not help",
            ),
            DeviceError::Busy { .. } => Failure::new(Exit::Device, message).remedy(
                "wait until that is finished; if nobody measures on it: adb shell setprop debug.edgezen.owner \"''\", on a board: \
                 rm .cache/edgezen/owner",
            ),
            DeviceError::Link(error) => Failure::new(Exit::Device, message).remedy(error.remedy()),
            DeviceError::NoHost { .. } => Failure::usage(message).remedy(
                "--host pi@board names it, as ssh knows it; docs/boards.md says how to begin",
            ),
            DeviceError::BadHost { .. } => {
                Failure::usage(message).remedy("give a name or an address, as for ssh: pi@board.local")
            }
            DeviceError::Several { .. } => {
                Failure::usage(message).remedy("--serial S (or ANDROID_SERIAL) says which; edgezen devices lists them")
            }
            DeviceError::OtherPhone { .. } => Failure::usage(message).remedy(
                "edgezen devices names the profile of each phone, edgezen devices doctor --host HOST that of a board, and edgezen \
                 devices describe drafts one for a phone; --other-phone or --other-board measures under this name all the same",
            ),
            DeviceError::NoRunner { triple, .. } => {
                let ndk = match triple.split_once("-linux-android") {
                    Some((arch, "")) => {
                        format!(", or without the NDK: scripts/build-runner {arch}-unknown-linux-musl")
                    }
                    Some((arch, "eabi")) => {
                        format!(", or without the NDK: scripts/build-runner {arch}-unknown-linux-musleabihf")
                    }
                    _ => String::new(),
                };
                Failure::runtime(message).remedy(format!("build it: scripts/build-runner {triple}{ndk}"))
            }
            DeviceError::Runner { .. } => Failure::runtime(message)
                .remedy("build it anew for this phone: scripts/build-runner, or name one: EDGEZEN_RUNNER=FILE"),
            DeviceError::NoLibrary { architecture, instead, .. } => Failure::runtime(message).remedy(format!(
                "{} {architecture} fetches it; or name a folder that holds it in DIR/{architecture}: {}=DIR; or measure with \
                 tract: --device {instead}",
                runtimes::SETUP,
                runtimes::VARIABLE
            )),
            DeviceError::NoRuntime { remedy, .. } => Failure::runtime(message).remedy(remedy),
            DeviceError::Unfit { remedies, .. } => {
                Failure::new(Exit::Quality, message).remedy(remedies.join("; "))
            }
            DeviceError::BadFile { .. } => Failure::new(Exit::BadFile, message).remedy(
                "edgezen info FILE says what is read of it; fetch the file again, or write it anew with edgezen export NET -o FILE",
            ),
            DeviceError::OtherFormat { file, .. } => Failure::usage(message).remedy(runs(&file)),
            DeviceError::Runtime { error: EngineError::Absent { .. }, .. } => {
                Failure::runtime(message).remedy(format!(
                    "{} fetches it; or name a folder that holds it: {}=DIR; or activate a Python environment that has it",
                    runtimes::SETUP,
                    runtimes::VARIABLE
                ))
            }
            DeviceError::Runtime { .. } => {
                Failure::runtime(message).remedy(format!("fetch it anew: {}", runtimes::SETUP))
            }
            DeviceError::Tool { description, error, .. } => match *error {
                ToolError::Description(error) => Failure::from(error)
                    .remedy_for_bad_file("docs/runtimes.md lists the fields of a description"),
                error => Failure::runtime(message).remedy(error.remedy(&description)),
            },
            DeviceError::Pin { error: PinError::Few { cores, .. }, .. } => {
                Failure::usage(message).remedy(format!("--threads {}, or fewer", cores.len()))
            }
            DeviceError::Pin { error: PinError::Absent { there, .. }, .. } => {
                let there = there.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
                Failure::usage(message).remedy(format!("--cores with one or more of {there}"))
            }
            DeviceError::Launch { .. } | DeviceError::Pin { .. } | DeviceError::Workload { .. } => {
                Failure::runtime(message)
            }
        }
    }
}

/// What measures a file of a network that the runtime of a device does not run.
fn runs(file: &str) -> String {
    let ending = Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let is_its = |own: &str| own.eq_ignore_ascii_case(ending);
    let known = registry().iter().filter(|runtime| runtime.file_ending().is_some_and(is_its));
    let known: Vec<String> = known.map(|runtime| format!("host@{}", runtime.name())).collect();
    let elsewhere = match known.is_empty() {
        true => String::new(),
        false => format!("--device {} for .{ending} files; or ", known.join(" or ")),
    };
    format!("{elsewhere}edgezen export NET -o FILE, in the format of this runtime")
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Failure {
        match error {
            JournalError::File(error @ FileError::Newer { .. }) => error.into(),
            JournalError::File(error) => Failure::from(error)
                .remedy_for_bad_file("another folder (-o DIR); the lines before the damage are still good"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_cores_come_with_how_many_there_may_be() {
        let error = PinError::Few { threads: 64, cores: vec![0, 1] };
        let failure = Failure::from(DeviceError::Pin { device: "host".into(), error });
        assert_eq!((failure.exit, failure.remedy.as_deref()), (Exit::Usage, Some("--threads 2, or fewer")));
    }
}
