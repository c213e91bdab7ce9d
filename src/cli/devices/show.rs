//! `edgezen devices show NAME`: everything known of one device.

use super::predicted_only;
use super::seen::{self, ThisComputer};
use super::words::facts_text;
use crate::cli::{Failure, Global};
use crate::shipped;
use edgezen_core::measurement::Identity;
use edgezen_core::units::three_digits;
use edgezen_lab::catalogue::KnownDevice;
use edgezen_lab::device::profile::{Fact, Kind, Peaks, Profile, Profiles};
use serde::Serialize;

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

pub fn run(name: &str, profiles: &Profiles, global: Global) -> Result<(), Failure> {
    if let Some(known) = predicted_only::find(name, profiles)? {
        return global.output().result(&known, || known.text());
    }
    let profile = profiles.by_name(name)?;
    let show = show(&profile, profiles)?;
    global.output().result(&show, || text(&show))
}

/// What is known of a device beside its profile.
fn known_of(id: &str) -> Result<Option<KnownDevice>, Failure> {
    Ok(shipped::known_devices()?.into_iter().find(|known| known.id == id))
}

fn show<'a>(profile: &'a Profile, profiles: &Profiles) -> Result<Show<'a>, Failure> {
    let identity = profile.identity();
    let peaks = profile.peaks(&identity.precision, identity.threads);
    let computer = match profile.kind {
        Kind::Host => Some(seen::this_computer(profiles)?.0),
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
        predictors: shipped::predictors_of(&profile.id),
        computer,
        profile,
    })
}

fn text(show: &Show<'_>) -> String {
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
