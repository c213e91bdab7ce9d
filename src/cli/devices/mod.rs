//! `edgezen devices [list|show NAME|doctor|describe]`: which devices are known and attached, and whether
//! they can measure.

mod pool;
mod predicted_only;

use super::examples;
use super::force::{Force, NO_INPUTS};
use super::{Exit, Failure, Global, target};
use crate::shipped;
use edgezen_core::measurement::Identity;
use edgezen_core::units::three_digits;
use edgezen_lab::catalogue::{KnownDevice, aliases};
use edgezen_lab::device;
use edgezen_lab::device::attached::{Attached, Details};
use edgezen_lab::device::complaint::{Complaint, Severity};
use edgezen_lab::device::profile::{Fact, Kind, Peaks, Profile, ProfileEntry, Profiles};
use edgezen_lab::device::remote::LinkError;
use edgezen_lab::device::runtimes::{self, ForPhones, Found};
use edgezen_lab::device::{DeviceError, DriverOptions};
use edgezen_lab::files::Destination;
use serde::Serialize;
use std::collections::BTreeSet;
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

#[derive(Serialize)]
struct List {
    devices: Vec<Row>,
    computer: ThisComputer,
    /// What this computer's CPU can be measured with: host@NAME.
    runtimes: Vec<Found>,
    /// What phones with 64-bit Arm cores can be measured with: pixel2@NAME.
    phone_runtimes: Vec<ForPhones>,
    phones: Vec<Phone>,
    /// Why it is not known which phones are attached. Absent: it is known.
    no_phones_because: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    aliases: Vec<String>,
    /// In which it came out. Absent: not known here.
    year: Option<u16>,
    kind: Option<String>,
    description: Option<String>,
    /// `shipped`, or the path of the user's file.
    origin: String,
    /// What the short name means.
    identity: Option<Identity>,
    /// Shipped predictors, by file name without `.json`.
    predictors: Vec<String>,
    /// Why the profile cannot be used.
    error: Option<String>,
}

#[derive(Serialize)]
struct Show<'a> {
    profile: &'a Profile,
    identity: Identity,
    measured_identity: Identity,
    facts: &'a [Fact],
    /// Facts that no profile has a place for, such as the year in which the device came out.
    known: Vec<Fact>,
    peaks: Option<PeaksRow>,
    predictors: Vec<String>,
    /// Present for the host only.
    computer: Option<ThisComputer>,
}

/// Peak rates at the default identity.
#[derive(Serialize)]
struct PeaksRow {
    macs_per_s: f64,
    bytes_per_s: f64,
    launch_ms: f64,
}

#[derive(Serialize)]
struct Doctor {
    /// Whether nothing was found that makes results wrong.
    fit: bool,
    complaints: Vec<Complaint>,
    computer: ThisComputer,
    phones: Vec<Phone>,
    /// The board that was asked for, if one was.
    boards: Vec<Board>,
}

/// This computer, as the driver of its CPU describes it.
#[derive(Serialize)]
struct ThisComputer {
    #[serde(flatten)]
    details: Box<dyn Details>,
    #[serde(skip)]
    title: String,
}

/// An attached phone.
#[derive(Serialize)]
struct Phone {
    serial: String,
    /// `ready`, `unauthorized`, …
    state: String,
    title: Option<String>,
    /// The profile that describes it.
    profile: Option<String>,
    /// Where phone and profile disagree.
    differences: Vec<String>,
    /// What makes it unfit to measure, the worst first.
    complaints: Vec<Complaint>,
    #[serde(flatten)]
    details: Box<dyn Details>,
    /// The text of a profile drafted from the phone; absent where it could not be asked.
    #[serde(skip)]
    draft: Option<String>,
}

/// A board.
#[derive(Serialize)]
struct Board {
    host: String,
    /// `ready`, or `not reached`.
    state: String,
    title: Option<String>,
    /// The profile that describes it.
    profile: Option<String>,
    /// Where board and profile disagree.
    differences: Vec<String>,
    /// What makes it unfit to measure, the worst first.
    complaints: Vec<Complaint>,
    #[serde(flatten)]
    details: Box<dyn Details>,
}

#[derive(Serialize)]
struct Described {
    serial: String,
    profile: String,
    /// Where it was written.
    file: Option<String>,
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let profiles = shipped::profiles();
    match args.action.unwrap_or(Action::List) {
        Action::List => {
            let list = list(&profiles)?;
            global.output().result(&list, || list_text(&list))
        }
        Action::Show { name } => {
            if let Some(known) = predicted_only::find(&name, &profiles)? {
                return global.output().result(&known, || known.text());
            }
            let profile = profiles.by_name(&name)?;
            let show = show(&profile, &profiles)?;
            global.output().result(&show, || show_text(&show))
        }
        Action::Doctor { serial, host } => {
            let doctor = doctor(&profiles, serial, host)?;
            global.output().result(&doctor, || doctor_text(&doctor))?;
            judge(&doctor)
        }
        Action::Pool { file, tag } => pool::run(&file, tag.as_deref(), global),
        Action::Describe { serial, output, force } => {
            let output = output.map(|path| force.place(path, NO_INPUTS)).transpose()?;
            describe(&profiles, serial, output.as_ref(), global)
        }
    }
}

/// The devices of one kind that are attached, as their driver lists them.
fn attached(kind: Kind, profiles: &Profiles, options: &DriverOptions) -> Result<Vec<Attached>, DeviceError> {
    device::driver_of(kind).map_or_else(|| Ok(Vec::new()), |driver| driver.attached(profiles, options))
}

/// The attached phones, or the one with this serial number.
fn phones(profiles: &Profiles, serial: Option<String>) -> Result<Vec<Phone>, DeviceError> {
    let attached = attached(Kind::AndroidCpu, profiles, &target::phone(serial))?;
    let phone = |device: Attached| Phone {
        serial: device.name,
        state: device.state,
        title: device.title,
        profile: device.profile,
        differences: device.differences,
        complaints: device.complaints,
        details: device.details,
        draft: device.draft,
    };
    Ok(attached.into_iter().map(phone).collect())
}

/// This computer, and what makes it unfit to measure.
fn this_computer(profiles: &Profiles) -> Result<(ThisComputer, Vec<Complaint>), Failure> {
    let attached = attached(Kind::Host, profiles, &DriverOptions::default())?;
    let device = attached.into_iter().next();
    let device = device.ok_or_else(|| Failure::runtime("no driver describes this computer"))?;
    let title = device.title.unwrap_or(device.name);
    Ok((ThisComputer { details: device.details, title }, device.complaints))
}

/// The board that `ssh` knows by this name, if one is given.
fn boards(profiles: &Profiles, host: Option<String>) -> Result<Vec<Board>, DeviceError> {
    let options = DriverOptions::default().with(target::board(host));
    let board = |device: Attached| Board {
        host: device.name,
        state: device.state,
        title: device.title,
        profile: device.profile,
        differences: device.differences,
        complaints: device.complaints,
        details: device.details,
    };
    Ok(attached(Kind::LinuxCpu, profiles, &options)?.into_iter().map(board).collect())
}

fn doctor(profiles: &Profiles, serial: Option<String>, host: Option<String>) -> Result<Doctor, Failure> {
    let (computer, complaints) = this_computer(profiles)?;
    let fit = complaints.iter().all(|complaint| complaint.severity < Severity::Unfit);
    let named = serial.is_some();
    let phones = match phones(profiles, serial) {
        Ok(phones) => phones,
        Err(error) if named => return Err(error.into()),
        // Without an adb server there is still this computer to look at.
        Err(_) => Vec::new(),
    };
    Ok(Doctor { fit, complaints, computer, phones, boards: boards(profiles, host)? })
}

/// Fails where something makes results wrong: of this computer, of an attached phone, or of a board.
fn judge(doctor: &Doctor) -> Result<(), Failure> {
    let unfit = |complaints: &[Complaint]| complaints.iter().any(|c| c.severity >= Severity::Unfit);
    let phones = doctor.phones.iter().filter(|phone| unfit(&phone.complaints));
    let phones = phones.map(|phone| format!("phone {}", phone.serial));
    let boards = doctor.boards.iter().filter(|board| unfit(&board.complaints));
    let boards = boards.map(|board| format!("board {}", board.host));
    let computer = (!doctor.fit).then(|| "this computer".to_owned());
    let all: Vec<String> = computer.into_iter().chain(phones).chain(boards).collect();
    if all.is_empty() {
        return Ok(());
    }
    let message = format!("not fit to measure: {}", all.join(", "));
    Err(Failure::new(Exit::Quality, message)
        .remedy("follow the advice above, then edgezen devices doctor again"))
}

fn describe(
    profiles: &Profiles,
    serial: Option<String>,
    output: Option<&Destination>,
    global: Global,
) -> Result<(), Failure> {
    let named = serial.is_some();
    let mut phones = phones(profiles, serial)?;
    // A phone that cannot be asked says why, unless another one can be.
    if !named && phones.iter().any(|phone| phone.draft.is_some()) {
        phones.retain(|phone| phone.draft.is_some());
    }
    let phone = match &phones[..] {
        [] => return Err(DeviceError::Link(LinkError::NoPhone).into()),
        [phone] => phone,
        several => {
            let serials = several.iter().map(|phone| phone.serial.clone()).collect();
            return Err(DeviceError::Several { serials }.into());
        }
    };
    let Some(profile) = phone.draft.clone() else {
        let complaint = phone.complaints.first();
        let message = match complaint.filter(|_| phone.state == "ready") {
            Some(complaint) => complaint.finding.clone(),
            None => format!("phone {} is {}", phone.serial, phone.state),
        };
        let remedy = complaint.map(|complaint| complaint.remedy.clone());
        return Err(Failure { exit: Exit::Device, message, remedy });
    };
    if let Some(profile) = &phone.profile {
        global.output().note(format!("note: this phone has a profile already: {profile}"));
    }
    if let Some(place) = output {
        place.write(profile.as_bytes())?;
    }
    let file = output.filter(|place| !place.is_stdout()).map(|place| place.path().display().to_string());
    if output.is_some() && file.is_none() {
        return Ok(());
    }
    let described = Described { serial: phone.serial.clone(), profile, file };
    global.output().result(&described, || match &described.file {
        Some(file) => format!("written to {file}; as device-profiles/<id>.toml here it is found by its id"),
        None => described.profile.clone(),
    })
}

/// Names of the shipped predictors for a device, whatever their runtime and precision.
fn predictors(device: &str) -> Vec<String> {
    let of_device = |name: &&str| name.split('@').next() == Some(device);
    shipped::PREDICTORS.iter().map(|(name, _)| *name).filter(of_device).map(str::to_owned).collect()
}

/// What is known of a device beside its profile.
fn known_of(id: &str) -> Result<Option<KnownDevice>, Failure> {
    Ok(shipped::known_devices()?.into_iter().find(|known| known.id == id))
}

fn list(profiles: &Profiles) -> Result<List, Failure> {
    let known = shipped::known_devices()?;
    let year = |id: &str| known.iter().find(|known| known.id == id).and_then(|known| known.year);
    let row = |entry: ProfileEntry| {
        let origin = entry.location.to_string();
        match entry.profile {
            Ok(profile) => Row {
                predictors: predictors(&profile.id),
                year: year(&profile.id),
                kind: Some(profile.kind.to_string()),
                description: Some(profile.title()),
                identity: Some(profile.identity()),
                name: profile.id,
                aliases: profile.aliases,
                origin,
                error: None,
            },
            Err(error) => Row {
                name: entry.name,
                aliases: Vec::new(),
                year: None,
                kind: None,
                description: None,
                origin,
                identity: None,
                predictors: Vec::new(),
                error: Some(error.to_string()),
            },
        }
    };
    let profiled: Vec<Row> = profiles.entries().into_iter().map(row).collect();
    let without = |name: String, predictors: Vec<String>| {
        let title = known.iter().find(|known| known.id == name).map(KnownDevice::title);
        let what = if predictors.is_empty() {
            "neither predictor nor profile"
        } else {
            "predicted only: there is no profile"
        };
        Row {
            aliases: aliases::of(&name),
            year: year(&name),
            kind: None,
            description: Some(title.map_or(what.to_owned(), |title| format!("{title}; {what}"))),
            origin: if predictors.is_empty() { "facts" } else { "predictors" }.to_owned(),
            identity: None,
            predictors,
            error: None,
            name,
        }
    };
    let predicted_only = shipped::catalogue().without_profile()?;
    let has_profile = |id: &String| profiled.iter().any(|row| row.name == *id || row.aliases.contains(id));
    let told = |id: &String| !has_profile(id) && !predicted_only.contains_key(id);
    let facts_only: Vec<String> = known.iter().map(|known| known.id.clone()).filter(told).collect();
    let predicted_only = predicted_only.into_iter().map(|(name, predictors)| without(name, predictors));
    let facts_only = facts_only.into_iter().map(|name| without(name, Vec::new()));
    let (phones, no_phones_because) = match phones(profiles, None) {
        Ok(phones) => (phones, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let (computer, _) = this_computer(profiles)?;
    let devices = profiled.into_iter().chain(predicted_only).chain(facts_only).collect();
    let (runtimes, phone_runtimes) = (runtimes::found(), runtimes::for_phones());
    Ok(List { devices, computer, runtimes, phone_runtimes, phones, no_phones_because })
}

fn list_text(list: &List) -> String {
    let header = ["device", "year", "kind", "default identity", "batch", "shipped predictor"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for row in &list.devices {
        let identity = row.identity.as_ref();
        rows.push(vec![
            row.name.clone(),
            row.year.map_or("-".into(), |year| year.to_string()),
            match (&row.kind, &row.error) {
                (Some(kind), _) => kind.clone(),
                (None, Some(_)) => "unusable".into(),
                (None, None) if row.predictors.is_empty() => "facts only".into(),
                (None, None) => "predicted only".into(),
            },
            identity.map_or("-".into(), ToString::to_string),
            identity.map_or("-".into(), |identity| identity.batch.to_string()),
            if row.predictors.is_empty() { "-".into() } else { row.predictors.join(", ") },
        ]);
        // The name under which a user may look for the device.
        let others = row.aliases.iter().filter(|_| row.kind.is_none());
        rows.extend(others.map(|other| vec![other.clone(), "-".into(), format!("as {}", row.name)]));
    }
    let mut out = columns(&rows);
    for row in &list.devices {
        if let Some(error) = &row.error {
            out += &format!("\n{}: {error}", row.name);
        }
    }
    out += &format!("\nthis computer: {}\n", list.computer.title);
    for found in &list.runtimes {
        out += &runtime_text(found);
    }
    out += &phone_runtimes_text(&list.phone_runtimes);
    match &list.no_phones_because {
        Some(reason) => out += &format!("phones: {reason}\n"),
        None if list.phones.is_empty() => out += "phones: none attached\n",
        None => {}
    }
    for phone in &list.phones {
        out += &phone_text(phone);
        for difference in &phone.differences {
            out += &format!("  differs from its profile: {difference}\n");
        }
    }
    out
}

/// One line for a runtime.
fn runtime_text(found: &Found) -> String {
    let name = format!("host@{}", found.name);
    match (&found.version, &found.missing, &found.remedy) {
        (Some(version), ..) => format!("{name}: {}, version {version}\n", found.about),
        (None, Some(missing), Some(remedy)) => format!("{name}: {missing}\n  try: {remedy}\n"),
        (None, missing, _) => format!("{name}: {}\n", missing.as_deref().unwrap_or("not usable")),
    }
}

/// What phones can be measured with: one line for what is here, and one for each command that fetches the rest.
fn phone_runtimes_text(runtimes: &[ForPhones]) -> String {
    let (here, missing): (Vec<_>, Vec<_>) = runtimes.iter().partition(|found| found.missing.is_none());
    let name = |found: &&ForPhones| match &found.version {
        Some(version) => format!("@{} {version}", found.name),
        None => format!("@{}", found.name),
    };
    let names = |found: &[&ForPhones]| found.iter().map(name).collect::<Vec<_>>().join(", ");
    let mut out = format!("phones can be measured with: {}\n", names(&here));
    let remedies: BTreeSet<&String> = missing.iter().filter_map(|found| found.remedy.as_ref()).collect();
    for remedy in remedies {
        let of: Vec<&ForPhones> =
            missing.iter().copied().filter(|found| found.remedy.as_ref() == Some(remedy)).collect();
        out += &format!("phones with {}: {remedy} fetches the libraries\n", names(&of));
    }
    out
}

/// One line for an attached phone.
fn phone_text(phone: &Phone) -> String {
    let title = phone.title.as_deref().map_or(String::new(), |title| format!(", {title}"));
    let profile = match (&phone.profile, &phone.draft) {
        (Some(profile), _) => format!(", profile {profile}"),
        (None, Some(_)) => {
            ", no profile: android-generic measures it, devices describe drafts one".to_owned()
        }
        (None, None) => String::new(),
    };
    format!("phone {}: {}{title}{profile}\n", phone.serial, phone.state)
}

fn show<'a>(profile: &'a Profile, profiles: &Profiles) -> Result<Show<'a>, Failure> {
    let identity = profile.identity();
    let peaks = profile.peaks(&identity.precision, identity.threads);
    let computer = match profile.kind {
        Kind::Host => Some(this_computer(profiles)?.0),
        _ => None,
    };
    Ok(Show {
        peaks: peaks.map(|Peaks { macs_per_s, bytes_per_s, launch }| PeaksRow {
            macs_per_s,
            bytes_per_s,
            launch_ms: launch.ms(),
        }),
        identity,
        measured_identity: profile.measured_identity(),
        facts: profile.facts(),
        known: known_of(&profile.id)?.as_ref().map(KnownDevice::facts).unwrap_or_default(),
        predictors: predictors(&profile.id),
        computer,
        profile,
    })
}

fn show_text(show: &Show<'_>) -> String {
    let profile = show.profile;
    let mut out = format!("{}: {}\n", profile.id, profile.title());
    let mut line = |name: &str, value: String| out += &format!("{name:<18}{value}\n");
    line("kind", profile.kind.to_string());
    if !profile.aliases.is_empty() {
        line("aliases", profile.aliases.join(", "));
    }
    line("default identity", identity_text(&show.identity));
    if show.measured_identity != show.identity {
        line("measured here as", identity_text(&show.measured_identity));
    }
    let predictors = show.predictors.join(", ");
    line("predictors", if predictors.is_empty() { "none shipped".into() } else { predictors });
    let search = &profile.search;
    line(
        "search",
        format!(
            "space {}, resolution {}, {} classes, at most {} layers",
            search.space,
            search.resolution,
            search.classes,
            search.max_layers(None).map_or("?".into(), |layers| layers.to_string())
        ),
    );
    let measure = &profile.measure;
    line(
        "measuring",
        format!(
            "warm-up {} runs and {} ms, then {} runs within {} ms, processes {}",
            measure.warmup_min_runs, measure.warmup_min_ms, measure.runs, measure.max_ms, measure.launches
        ),
    );
    if let Some(peaks) = &show.peaks {
        line(
            "peak rates",
            format!(
                "{} GMAC/s, {} GB/s{}",
                three_digits(peaks.macs_per_s / 1e9),
                three_digits(peaks.bytes_per_s / 1e9),
                if peaks.launch_ms > 0.0 {
                    format!(", {} µs per kernel", three_digits(peaks.launch_ms * 1e3))
                } else {
                    String::new()
                }
            ),
        );
    }
    if let Some(computer) = &show.computer {
        line("this computer", computer.title.clone());
    }
    if show.facts.is_empty() && show.known.is_empty() {
        return out;
    }
    out + "\n" + &facts_text(show.known.iter().chain(show.facts))
}

/// Facts with their sources, one a line.
fn facts_text<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> String {
    let rows = facts.into_iter().map(|fact| {
        let source = fact.source.as_deref().unwrap_or("no source given");
        vec![fact.path.clone(), fact.value.clone(), source.to_owned()]
    });
    columns(&rows.collect::<Vec<_>>())
}

/// Rows of words, every column to the left.
fn columns(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let pad = width(column).unwrap_or(0).saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(pad))
        });
        out += cells.collect::<Vec<_>>().join("  ").trim_end();
        out.push('\n');
    }
    out
}

fn identity_text(identity: &Identity) -> String {
    let mut text = format!("{identity}, batch {}, threads {}", identity.batch, identity.threads);
    if let Some(cores) = &identity.cores {
        text += &format!(", cores {cores}");
    }
    if let Some(state) = &identity.thermal_state {
        text += &format!(", {state}");
    }
    text
}

fn doctor_text(doctor: &Doctor) -> String {
    let mut out = format!("{}\n", doctor.computer.title);
    for complaint in &doctor.complaints {
        out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
    }
    out += verdict(&doctor.complaints);
    for phone in &doctor.phones {
        out += &format!("\n{}", phone_text(phone));
        for complaint in &phone.complaints {
            out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
        }
        out += verdict(&phone.complaints);
    }
    for board in &doctor.boards {
        out += &format!("\n{}", board_text(board));
    }
    out
}

/// What is known of a board, and whether it is fit.
fn board_text(board: &Board) -> String {
    let title = board.title.as_deref().map_or(String::new(), |title| format!(", {title}"));
    let profile = board.profile.as_deref().map_or(String::new(), |profile| format!(", profile {profile}"));
    let mut out = format!("board {}: {}{title}{profile}\n", board.host, board.state);
    for difference in &board.differences {
        out += &format!("differs from its profile: {difference}\n");
    }
    for complaint in &board.complaints {
        out += &format!("{}: {}\n  try: {}\n", complaint.severity, complaint.finding, complaint.remedy);
    }
    out + verdict(&board.complaints)
}

fn verdict(complaints: &[Complaint]) -> &'static str {
    match complaints.iter().map(|complaint| complaint.severity).max() {
        None => "fit to measure\n",
        Some(Severity::Caution) => "can measure, with the cautions above\n",
        Some(Severity::Unfit) => "not fit to measure now\n",
    }
}
