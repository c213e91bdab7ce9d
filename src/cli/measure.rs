//! `edgezen measure`: the true latency of networks on a device.

use super::answers::{Answers, worst};
use super::net::{self, NetOptions};
use super::target::{self, How, Target};
use super::{Exit, Failure, Global, output};
use edgezen_core::measurement::{Identity, MachineState, Quality};
use edgezen_core::units::{Latency, three_digits};
use edgezen_lab::campaign::network_latency::{self, MeasuredNetwork};
use edgezen_lab::campaign::networks::{EnergyReading, LAUNCHES, Reading, Step};
use edgezen_lab::catalogue::networks::NotMeasurable;
use edgezen_runner::energy::Meter;
use edgezen_runner::{Outputs, TimedBy};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[arg(value_name = "NET", required = true, help = net::NET)]
    nets: Vec<String>,
    /// Seconds of timing for each network, spread over its launches [default: until its median is known, about two]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,
    /// Empty the caches before each run, as other programs do in between
    #[arg(long)]
    cold_caches: bool,
    /// Read the energy of a run from a meter of the device, if it has one: 15 s more for each launch
    #[arg(long)]
    energy: bool,
    #[command(flatten)]
    options: NetOptions,
}

/// The least and the greatest number of seconds for one network.
const SECONDS: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if SECONDS.contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("{} to {} seconds", SECONDS.start(), SECONDS.end())),
    }
}

/// Latencies per image.
#[derive(Serialize)]
struct Row {
    net: String,
    name: Option<String>,
    device: String,
    /// The same for people.
    #[serde(skip)]
    identity: String,
    /// The median of the launches' medians.
    median_ms: f64,
    mean_ms: f64,
    min_ms: f64,
    p10_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    /// Whether p99 is of at least 1,024 runs, each timed by itself.
    p99_reliable: bool,
    /// The first run of a launch. Absent where a tool times itself and does not tell; likewise the next two.
    first_ms: Option<f64>,
    /// Time that it took to make the network ready.
    load_ms: Option<f64>,
    /// The most memory that it took to load and run the network, in 10⁶ bytes.
    peak_memory_mb: Option<f64>,
    /// The interval for the median of a later launch.
    ci95_ms: [f64; 2],
    /// Samples that were taken.
    runs: u32,
    /// Runs in each sample. The percentiles are those of the samples' means.
    runs_per_sample: u32,
    /// Whether the caches were emptied before each run.
    cold_caches: bool,
    /// Energy of an image, coarse. Absent where it was not asked for or cannot be read.
    energy: Option<Energy>,
    /// Why it cannot be read, though it was asked for.
    energy_missing: Option<String>,
    /// Whose clock was read: this program's stopwatch, or a tool's.
    timed_by: TimedBy,
    /// `compared` with tract's before anything was timed, the `reference` itself, or `unchecked`; absent where the device
    /// does not tell.
    outputs: Option<Outputs>,
    quality: Quality,
    /// Why it is not good.
    reason: Option<String>,
    launches: usize,
    launch_medians_ms: Vec<f64>,
    /// Standard deviation between the launches' medians, relative to the median; absent for a single launch.
    between_launches_pct: Option<f64>,
    state: MachineState,
    batch: u32,
}

/// What a meter of the device tells of the energy of an image.
#[derive(Serialize)]
struct Energy {
    /// Millijoules without what the device takes at rest in that time: the median of the launches.
    per_image_mj: f64,
    /// The lowest and the highest of the launches.
    range_mj: [f64; 2],
    /// With what the device takes at rest.
    with_idle_mj: f64,
    /// The least difference between two readings of the meter; absent where all were alike.
    step_mj: Option<f64>,
    /// Power at rest and while it ran.
    idle_w: f64,
    busy_w: f64,
    /// `vdd_in`, `pom5v_in`, `power_meter`, `packages` or `battery`.
    meter: Meter,
    /// What lies behind the meter.
    covers: &'static str,
    launches: usize,
}

impl From<EnergyReading> for Energy {
    fn from(reading: EnergyReading) -> Energy {
        Energy {
            per_image_mj: reading.per_run * 1e3,
            range_mj: [reading.range.0 * 1e3, reading.range.1 * 1e3],
            with_idle_mj: reading.with_idle * 1e3,
            step_mj: reading.step.map(|step| step * 1e3),
            idle_w: reading.idle_w,
            busy_w: reading.busy_w,
            meter: reading.meter,
            covers: reading.meter.covers(),
            launches: reading.launches,
        }
    }
}

pub fn run(args: Args, global: Global) -> Result<(), Failure> {
    let out = global.output();
    if args.nets.iter().all(|net| net::is_network_file(net)) {
        as_they_are(&args.nets, args.options)?;
    }
    // All networks are read before the first is measured, because any of the arguments may be wrong.
    let read = Answers::each(&args.nets, |net| read(net, args.options)).told_apart(|read| &mut read.label);
    if read.given().is_empty() {
        let refused = read.print(out, |_| String::new())?;
        return refused.map_or(Ok(()), Err);
    }
    let how = How { time: args.seconds, cold_caches: args.cold_caches, energy: args.energy };
    let mut device = args.target.open(how, global)?;
    let labels: Vec<String> = read.given().iter().map(|read| read.label.clone()).collect();
    let nets: Vec<MeasuredNetwork> = read.given().iter().map(|read| read.network.clone()).collect();
    let bar =
        out.progress(nets.len() as u64 * u64::from(LAUNCHES), "{bar:30} {pos}/{len} {elapsed}  {wide_msg}");
    let mut begun = 0;
    let readings = network_latency::measure_each(device.as_mut(), &nets, &mut |step| match step {
        Step::Launch(i) => {
            bar.set_message(output::message(&labels[i]));
            output::begin_step(&bar, &mut begun);
        }
        step => target::show_step(&bar, step),
    })?;
    bar.finish_and_clear();
    target::notes(&mut *device, out);
    let mut readings = readings.into_iter();
    let rows = read.then(|read| {
        let reading = readings.next().transpose()?.flatten();
        row(read, reading, device.identity(), args.cold_caches)
    });
    let noisy: Vec<String> = rows
        .given()
        .iter()
        .filter(|row| row.quality.is_doubtful())
        .map(|row| match &row.reason {
            Some(reason) => format!("{} ({reason})", row.label()),
            None => row.label().to_owned(),
        })
        .collect();
    let refused = rows.print(out, text)?;
    if noisy.is_empty() {
        return refused.map_or(Ok(()), Err);
    }
    let noisy = Failure::new(Exit::Quality, format!("too noisy to be relied on: {}", noisy.join(", ")))
        .remedy("close other programs, then measure again; edgezen devices doctor says what is in the way");
    out.failure(&noisy);
    worst(refused.into_iter().chain([noisy])).map_or(Ok(()), |worst| Err(Failure::said(worst.exit)))
}

/// A network to measure, and what it is called meanwhile.
#[derive(Serialize)]
struct Read {
    label: String,
    #[serde(skip)]
    network: MeasuredNetwork,
}

/// The network that an argument means.
fn read(net: &str, options: NetOptions) -> Result<Read, Failure> {
    if net::is_network_file(net) {
        let path = Path::new(net);
        std::fs::metadata(path).map_err(|e| Failure::io(path, &e))?;
        return Ok(Read { label: net.to_owned(), network: MeasuredNetwork::File(path.to_owned()) });
    }
    let network = net::any(net, options)?;
    Ok(Read { label: network.name(), network: network.measured()? })
}

/// Refuses what would change a network, where all networks are files, which a runtime runs as they are.
fn as_they_are(files: &[String], options: NetOptions) -> Result<(), Failure> {
    let NetOptions { resolution, classes, se } = options;
    let given = [(resolution.is_some(), "--resolution"), (classes.is_some(), "--classes"), (se, "--se")];
    match given.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::usage(format!(
            "{option} has no effect on {}: a runtime runs a file as it is",
            files.join(", ")
        ))
        .remedy(format!("leave out {option}, or export the network anew with it"))),
        None => Ok(()),
    }
}

impl From<NotMeasurable> for Failure {
    fn from(error: NotMeasurable) -> Failure {
        match error {
            NotMeasurable::Blocks(error) => error.into(),
            NotMeasurable::Shape(error) => error.into(),
            NotMeasurable::NoFile { .. } => Failure::runtime(error.to_string()),
        }
    }
}

fn row(read: Read, reading: Option<Reading>, identity: &Identity, cold_caches: bool) -> Result<Row, Failure> {
    let Read { label, network } = read;
    let reading = reading.ok_or_else(|| Failure::runtime(format!("{label}: no samples came back")))?;
    let (net, name) = match network {
        MeasuredNetwork::PlainNet(model) => {
            let net = model.network.to_string();
            let name = (label != net).then_some(label);
            (net, name)
        }
        MeasuredNetwork::File(path) => (path.display().to_string(), None),
        MeasuredNetwork::Graph { name, .. } => (name.clone(), Some(label)),
    };
    let summary = &reading.summary;
    Ok(Row {
        net,
        name,
        device: identity.to_string(),
        identity: identity.in_words(),
        median_ms: summary.median.ms(),
        mean_ms: summary.mean.ms(),
        min_ms: summary.min.ms(),
        p10_ms: summary.p10.ms(),
        p90_ms: summary.p90.ms(),
        p99_ms: reading.p99.ms(),
        p99_reliable: reading.p99_is_reliable(),
        first_ms: reading.first.map(Latency::ms),
        load_ms: reading.load.map(Latency::ms),
        peak_memory_mb: reading.peak.map(|peak| peak.0 / 1e6),
        ci95_ms: [summary.ci95.0.ms(), summary.ci95.1.ms()],
        runs: summary.runs,
        runs_per_sample: summary.k,
        cold_caches,
        energy: reading.energy.and_then(Result::ok).map(Energy::from),
        energy_missing: reading.energy.and_then(Result::err).map(|why| why.to_string()),
        timed_by: reading.timed_by,
        outputs: reading.outputs,
        quality: reading.quality(),
        reason: reading.doubt.as_ref().map(ToString::to_string),
        launches: reading.launches.len(),
        launch_medians_ms: reading.launches.iter().map(|median| median.ms()).collect(),
        between_launches_pct: reading.agreement.map(|agreement| 100.0 * agreement.between),
        state: reading.state,
        batch: identity.batch,
    })
}

impl Row {
    fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.net)
    }
}

/// What `~` before a p99 means.
const FEW: &str =
    "~: of fewer than 1024 single runs, too few to tell the slowest hundredth; --seconds 60 makes more\n";

fn text(rows: &[&Row]) -> String {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), three_digits);
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.label().to_owned(),
                three_digits(row.median_ms),
                format!("{} – {}", three_digits(row.ci95_ms[0]), three_digits(row.ci95_ms[1])),
                three_digits(row.p90_ms),
                format!("{}{}", if row.p99_reliable { "" } else { "~" }, three_digits(row.p99_ms)),
                number(row.first_ms),
                number(row.load_ms),
                number(row.peak_memory_mb),
                row.launches.to_string(),
                row.quality.name().to_owned(),
            ]
        })
        .collect();
    let cold = |row: &&Row| if row.cold_caches { ", caches emptied before each run" } else { "" };
    let device =
        rows.first().map_or(String::new(), |row| format!("{}, per image{}\n", row.identity, cold(row)));
    let header = [
        "network",
        "median ms",
        "95 % interval",
        "p90",
        "p99",
        "first ms",
        "load ms",
        "memory MB",
        "launches",
        "quality",
    ];
    let few = rows.iter().any(|row| !row.p99_reliable && row.timed_by == TimedBy::Stopwatch);
    let few = if few { FEW } else { "" };
    let last = rows.last().map(|row| few.to_owned() + &by_tool(row) + &state(&row.state)).unwrap_or_default();
    device + &output::table(&header, &cells) + &energies(rows) + &last
}

/// The energies of the networks, with what they are; empty where nobody asked for them.
fn energies(rows: &[&Row]) -> String {
    let cells = |row: &&&Row| {
        let energy = row.energy.as_ref()?;
        let range = format!("{} – {}", three_digits(energy.range_mj[0]), three_digits(energy.range_mj[1]));
        Some(vec![
            row.label().to_owned(),
            three_digits(energy.per_image_mj),
            range,
            three_digits(energy.with_idle_mj),
            energy.step_mj.map_or("-".to_owned(), three_digits),
            three_digits(energy.idle_w),
            three_digits(energy.busy_w),
        ])
    };
    let mut out = String::new();
    if let Some(energy) = rows.iter().find_map(|row| row.energy.as_ref()) {
        let header =
            ["energy of an image", "mJ", "of the launches", "with rest", "step", "W at rest", "W running"];
        out += "\n";
        out += &output::table(&header, &rows.iter().filter_map(|row| cells(&row)).collect::<Vec<_>>());
        out += &format!(
            "coarse: by the meter {} of {}, whose power at rest is subtracted\n",
            energy.meter.name(),
            energy.covers
        );
    }
    for row in rows {
        if let Some(why) = &row.energy_missing {
            out += &format!("no energy of {}: {why}\n", row.label());
        }
    }
    out
}

/// What a reader must know of a row that a tool timed; empty for others.
fn by_tool(row: &Row) -> String {
    match row.timed_by {
        TimedBy::Stopwatch => String::new(),
        TimedBy::Tool => format!(
            "timed by the tool itself, {} runs a sample, whose means p90 and p99 are of; outputs unchecked\n",
            row.runs_per_sample
        ),
    }
}

/// The state of the machine in one line, as far as it is known.
fn state(state: &MachineState) -> String {
    let percent = |value: Option<f64>, what: &str| value.map(|value| format!("{value:.0} % of {what}"));
    let (machine, core) = (state.others_on_machine_percent, state.others_on_core_percent);
    let used: Vec<String> =
        percent(machine, "the machine").into_iter().chain(percent(core, "the measured core")).collect();
    let parts = [
        (!used.is_empty()).then(|| format!("other programs used {}", used.join(" and "))),
        state.load_average.map(|load| format!("load average {load:.2}")),
        state.disturbed_percent.map(|percent| format!("{percent:.0} % of the runs on a slow core")),
        state.temperature_c.map(|celsius| format!("{celsius:.0} °C")),
        state.throttled.clone(),
    ];
    let known: Vec<String> = parts.into_iter().flatten().collect();
    if known.is_empty() { String::new() } else { format!("{}: {}\n", state.usage.name(), known.join(", ")) }
}
