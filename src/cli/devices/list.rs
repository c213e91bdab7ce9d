//! `edgezen devices list`: the known devices, and what is attached.

use super::seen::{self, ThisComputer, Unit};
use super::words::columns;
use crate::cli::{Failure, Global};
use crate::shipped;
use edgezen_core::measurement::Identity;
use edgezen_lab::catalogue::{KnownDevice, aliases};
use edgezen_lab::device::profile::{ProfileEntry, Profiles};
use edgezen_lab::device::runtimes::{self, ForPhones, Found};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Serialize)]
struct List {
    devices: Vec<Row>,
    computer: ThisComputer,
    /// What this computer's CPU can be measured with: host@NAME.
    runtimes: Vec<Found>,
    /// What phones with 64-bit Arm cores can be measured with: pixel2@NAME.
    phone_runtimes: Vec<ForPhones>,
    phones: Vec<Unit>,
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

pub fn run(profiles: &Profiles, global: Global) -> Result<(), Failure> {
    let list = list(profiles)?;
    global.output().result(&list, || text(&list))
}

fn list(profiles: &Profiles) -> Result<List, Failure> {
    let known = shipped::known_devices()?;
    let year = |id: &str| known.iter().find(|known| known.id == id).and_then(|known| known.year);
    let row = |entry: ProfileEntry| {
        let origin = entry.location.to_string();
        match entry.profile {
            Ok(profile) => Row {
                predictors: shipped::predictors_of(&profile.id),
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
    let (phones, no_phones_because) = match seen::phones(profiles, None) {
        Ok(phones) => (phones, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let (computer, _) = seen::this_computer(profiles)?;
    let devices = profiled.into_iter().chain(predicted_only).chain(facts_only).collect();
    let (runtimes, phone_runtimes) = (runtimes::found(), runtimes::for_phones());
    Ok(List { devices, computer, runtimes, phone_runtimes, phones, no_phones_because })
}

fn text(list: &List) -> String {
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
        out += &phone.text();
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
