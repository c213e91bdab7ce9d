//! The contract of device profiles: every shipped one is complete, and a broken one is refused by name.

use edgezen::catalogue::Location;
use edgezen::device::profile::{Kind, Profile, ProfileError, Profiles};
use edgezen::shipped::DEVICE_PROFILES;
use edgezen::units::Latency;
use std::collections::BTreeSet;
use std::path::Path;

/// The shipped profiles, and the user's in `folder`.
fn profiles_in(folder: &Path) -> Profiles {
    Profiles::new(edgezen::shipped::DEVICE_PROFILES, folder)
}

/// The shipped profiles, whatever lies in the current folder.
fn shipped() -> Vec<Profile> {
    let entries = profiles_in(Path::new("no such folder")).entries();
    assert!(entries.iter().all(|entry| matches!(entry.location, Location::Shipped { .. })));
    entries
        .into_iter()
        .map(|entry| {
            let profile = entry.profile.unwrap();
            assert_eq!(entry.name, profile.id, "a file is called after its device");
            profile
        })
        .collect()
}

#[test]
fn all_announced_devices_are_shipped() {
    let ids: BTreeSet<String> = shipped().into_iter().map(|profile| profile.id).collect();
    let phones = ["pixel2", "pixel3", "pixel4", "pixel5", "pixel6", "pixel7", "pixel8", "pixel9"];
    let boards = [
        "raspberrypi3",
        "raspberrypi4",
        "raspberrypi5",
        "raspberrypizero2w",
        "jetson-nano",
        "jetson-orin",
        "orangepi5",
        "linux-generic",
    ];
    let others = ["host", "simulated", "v100", "v100-pcie", "t4"];
    for id in phones.into_iter().chain(boards).chain(others) {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn names_and_aliases_are_unique() {
    let mut seen = BTreeSet::new();
    for profile in shipped() {
        for name in std::iter::once(&profile.id).chain(&profile.aliases) {
            assert!(seen.insert(name.clone()), "{name} is used twice");
        }
    }
}

#[test]
fn every_fact_has_a_source() {
    for profile in shipped() {
        for fact in profile.facts() {
            assert!(fact.source.is_some(), "{}: {} has no source", profile.id, fact.path);
        }
        let needs_facts = matches!(profile.kind, Kind::AndroidCpu | Kind::LinuxCpu | Kind::NvidiaGpu);
        assert!(!needs_facts || !profile.facts().is_empty() || profile.id.ends_with("-generic"));
    }
}

#[test]
fn short_names_mean_the_documented_identities() {
    for (name, runtime, precision, batch) in [
        ("pixel2", "tflite", "fp32", 1),
        ("v100", "tensorrt", "fp16", 64),
        ("v100-sxm2", "tensorrt", "fp16", 64),
        ("t4", "tensorrt", "int8", 64),
        ("host", "tract", "fp32", 1),
    ] {
        let identity = profiles_in(Path::new("no such folder")).by_name(name).unwrap().identity();
        let is = (identity.runtime.as_str(), identity.precision.as_str(), identity.batch, identity.threads);
        assert_eq!(is, (runtime, precision, batch, 1), "{name}");
    }
}

#[test]
fn search_defaults_follow_the_presets() {
    let find = |name| profiles_in(Path::new("no such folder")).by_name(name).unwrap();
    let v100 = find("v100");
    assert_eq!(v100.space().map(|space| space.name()), Some("resnet"));
    for (ms, layers) in [(0.1, 10), (0.2, 13), (0.3, 16), (0.5, 20), (0.8, 25), (1.2, 30)] {
        assert_eq!(v100.search.max_layers(Some(Latency::from_ms(ms))), Some(layers), "{ms} ms");
    }
    let pixel2 = find("pixel2");
    assert_eq!(pixel2.space().map(|space| space.name()), Some("mobilenet"));
    assert_eq!(pixel2.search.max_layers(Some(Latency::from_ms(80.0))), Some(14));
}

#[test]
fn rooflines_can_be_built_from_the_facts() {
    let find = |name| profiles_in(Path::new("no such folder")).by_name(name).unwrap();
    let v100 = find("v100").peaks("fp16", 1).unwrap();
    assert_eq!((v100.macs_per_s, v100.bytes_per_s), (62.5e12, 900e9));
    assert_eq!(v100.launch, Latency::from_ns(6000.0));
    assert!(
        find("t4").peaks("int8", 1).unwrap().macs_per_s > find("t4").peaks("fp16", 1).unwrap().macs_per_s
    );
    // 2.4576 GHz, 8 operations a cycle: 9.83e9 multiply-adds a second on one core, four times that on four.
    let pixel2 = find("pixel2");
    assert!((pixel2.peaks("fp32", 1).unwrap().macs_per_s - 9.8304e9).abs() < 1.0);
    assert!((pixel2.peaks("fp32", 9).unwrap().macs_per_s - 4.0 * 9.8304e9).abs() < 1.0);
    assert_eq!(pixel2.peaks("int8", 1), None);
    assert_eq!(find("host").peaks("fp32", 1), None);
}

#[test]
fn an_unknown_field_in_any_table_is_refused_by_name() {
    for (name, text) in DEVICE_PROFILES {
        for table in text.lines().filter(|line| line.starts_with('[') && *line != "[sources]") {
            let broken = text.replacen(table, &format!("{table}\nno_such_field = 1"), 1);
            let message = Profile::parse(&broken, "broken.toml").unwrap_err().to_string();
            assert!(message.contains("`no_such_field`"), "{name} {table}: {message}");
            assert!(message.starts_with("broken.toml, line "), "{message}");
        }
    }
}

#[test]
fn a_file_of_the_user_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = DEVICE_PROFILES.iter().find(|(name, _)| *name == "pixel2").unwrap();
    let own = text.replace("Google Pixel 2, one big core", "my phone");
    let path = folder.path().join("pixel2.toml");
    std::fs::write(&path, &own).unwrap();
    assert_eq!(profiles_in(folder.path()).by_name("pixel2").unwrap().title(), "my phone");
    assert_eq!(profiles_in(folder.path()).by_name("walleye").unwrap().title(), "my phone");
    assert_eq!(profiles_in(folder.path()).by_name(path.to_str().unwrap()).unwrap().title(), "my phone");

    // A broken file is an error for who asks for it, and a row for who lists all.
    std::fs::write(folder.path().join("mine.toml"), "schema = 1").unwrap();
    assert!(matches!(profiles_in(folder.path()).by_name("mine").unwrap_err(), ProfileError::Syntax { .. }));
    assert!(profiles_in(folder.path()).by_name("v100").is_ok());
    let entries = profiles_in(folder.path()).entries();
    assert_eq!(entries.len(), DEVICE_PROFILES.len() + 1);
    assert_eq!(entries.iter().filter(|entry| entry.profile.is_err()).count(), 1);
}

#[test]
fn an_unknown_device_lists_near_names() {
    let error = profiles_in(Path::new("no such folder")).by_name("pixle2").unwrap_err();
    let ProfileError::Unknown { name, near } = error else { panic!("{error}") };
    assert_eq!((name.as_str(), near[0].as_str()), ("pixle2", "pixel2"));
}

#[test]
fn names_never_leave_the_folder() {
    let error = profiles_in(Path::new("device-profiles")).by_name("../device-profiles/pixel2").unwrap_err();
    assert!(matches!(error, ProfileError::Unknown { .. }), "{error}");
}

#[test]
fn damaged_files_are_errors_and_never_panics() {
    for (_, text) in DEVICE_PROFILES {
        for end in (0..text.len()).step_by(23).filter(|&end| text.is_char_boundary(end)) {
            let _ = Profile::parse(&text[..end], "cut.toml");
            let doubled = format!("{}\n{}", &text[..end], text.get(end / 2..).unwrap_or_default());
            let _ = Profile::parse(&doubled, "mixed.toml");
        }
    }
}

#[test]
fn facts_without_a_profile_are_of_devices_that_people_ask_for() {
    // Phones of a series whose others are predicted.
    const ASKED_FOR: [&str; 7] =
        ["galaxy_s23", "galaxy_s24", "pixel5", "pixel6", "pixel7", "pixel8", "pixel9"];
    let predicted: BTreeSet<&str> =
        edgezen::shipped::PREDICTORS.iter().filter_map(|(id, _)| id.split('@').next()).collect();
    let profiles = profiles_in(Path::new("no such folder"));
    let known = edgezen::shipped::known_devices().unwrap();
    for device in &known {
        assert!(predicted.contains(&*device.id) || ASKED_FOR.contains(&&*device.id), "{}", device.id);
        // The facts of a device with a profile are there, but for its year.
        let has_profile = profiles.by_name(&device.id).is_ok();
        assert!(!has_profile || device.facts().iter().all(|fact| fact.path == "year"), "{}", device.id);
    }
    for of_today in
        ["galaxy_s22_5g", "galaxy_s25", "galaxy_s26", "orangepi5plus", "hailo10h", "snapdragon_x_elite_crd"]
    {
        let device = known.iter().find(|device| device.id == of_today).unwrap();
        assert!(device.year.is_some_and(|year| year >= 2022) && device.facts().len() > 2, "{of_today}");
    }
}

#[test]
fn many_devices_of_today_have_a_predictor_and_a_year_with_a_source() {
    let predicted: BTreeSet<&str> =
        edgezen::shipped::PREDICTORS.iter().filter_map(|(id, _)| id.split('@').next()).collect();
    let known = edgezen::shipped::known_devices().unwrap();
    let of_today = |device: &&edgezen::catalogue::KnownDevice| {
        predicted.contains(&*device.id) && device.year.is_some_and(|year| year >= 2022)
    };
    assert!(known.iter().filter(of_today).count() >= 25);
}

#[test]
fn phones_with_a_profile_are_measured_on_the_cores_of_their_first_cluster() {
    for profile in shipped().into_iter().filter(|profile| profile.kind == Kind::AndroidCpu) {
        let (Some(mask), Some(first)) = (&profile.measure.taskset, profile.clusters.first()) else {
            continue;
        };
        let cores = first.cpus.iter().fold(0_u64, |mask, cpu| mask | (1_u64 << *cpu));
        assert_eq!(u64::from_str_radix(mask, 16).unwrap(), cores, "{}", profile.id);
        let all: Vec<u32> = profile.clusters.iter().flat_map(|cluster| cluster.cpus.clone()).collect();
        assert_eq!(BTreeSet::from_iter(all.clone()), (0..all.len() as u32).collect(), "{}", profile.id);
    }
}

#[test]
fn what_is_shipped_of_devices_is_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let size = |folder: &str| -> u64 {
        let files = std::fs::read_dir(root.join(folder)).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let all: u64 = ["predictors", "device-profiles", "device-profiles/facts"].map(size).iter().sum();
    assert!(all <= 12_000_000, "{all} bytes");
}
