//! The runner program of a device: where it is on this computer.

use super::machine::Machine;
use crate::device::profile::{Kind, Profile};
use std::path::{Path, PathBuf};

/// The environment variable that names the file of the runner to use, before all others.
pub const VARIABLE: &str = "EDGEZEN_RUNNER";

/// What the file of a runner is called.
pub const PROGRAM: &str = "device-runner";

/// Rust targets whose programs the device can run, the best first: the one that its profile names, then those of the
/// architecture that Android reports, then those of the architecture that the Linux kernel reports. Boards have no Android.
pub fn triples(machine: &Machine, profile: &Profile) -> Vec<String> {
    let architectures = machine.architectures();
    let named = profile.runner.as_ref().map(|runner| runner.triple.to_string());
    let fits = |triple: &String| {
        architectures.is_empty() || architectures.contains(&triple.split('-').next().unwrap_or_default())
    };
    let systems = |arch: &str| match arch {
        "armv7" => ["linux-androideabi", "unknown-linux-musleabihf", "unknown-linux-gnueabihf"],
        _ => ["linux-android", "unknown-linux-musl", "unknown-linux-gnu"],
    };
    let runs = |system: &&str| profile.kind != Kind::LinuxCpu || !system.contains("android");
    let own = architectures.iter().flat_map(|arch| {
        systems(arch).into_iter().filter(runs).map(move |system| format!("{arch}-{system}"))
    });
    let mut triples: Vec<String> = named.into_iter().filter(fits).chain(own).collect();
    let mut seen = Vec::new();
    triples.retain(|triple| {
        !seen.contains(triple) && {
            seen.push(triple.clone());
            true
        }
    });
    triples
}

/// Runners that exist on this computer, the best first.
///
/// # Errors
/// There is none; these are the places that were searched.
pub fn find(machine: &Machine, triples: &[String]) -> Result<Vec<PathBuf>, Vec<String>> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set(VARIABLE) {
        let place = format!("{VARIABLE}={}", named.display());
        return if named.is_file() { Ok(vec![named]) } else { Err(vec![place]) };
    }
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let folders = [
        Some(PathBuf::from("runners")),
        data.map(|data| data.join("edgezen/runners")),
        beside.map(|beside| beside.join("runners")),
    ];
    let mut places: Vec<PathBuf> = folders
        .into_iter()
        .flatten()
        .flat_map(|folder| triples.iter().map(move |triple| folder.join(triple).join(PROGRAM)))
        .collect();
    // The runner that was built together with this program runs on devices with this computer's architecture.
    if machine.architectures().contains(&std::env::consts::ARCH) {
        places.extend(beside.map(|beside| beside.join(PROGRAM)));
    }
    let found: Vec<PathBuf> = places.iter().filter(|place| place.is_file()).cloned().collect();
    if found.is_empty() {
        return Err(places.iter().map(|place| place.display().to_string()).collect());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::pixel2;
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn targets_follow_the_phone() {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let mut machine = pixel2();
        assert_eq!(triples(&machine, &profile)[0], "aarch64-linux-android");
        assert_eq!(triples(&machine, &profile).len(), 3);
        // A device that is a PC below: both kinds of programs may run.
        machine.machine = Some("x86_64".into());
        let both = triples(&machine, &profile);
        assert!(both[0].starts_with("aarch64") && both.iter().any(|t| t == "x86_64-unknown-linux-gnu"));
        // Those of 32 bit have targets of other names.
        let mut old = pixel2();
        old.properties.insert("ro.product.cpu.abi".into(), "armeabi-v7a".into());
        old.machine = Some("armv7l".into());
        assert_eq!(
            triples(&old, &profile),
            ["armv7-linux-androideabi", "armv7-unknown-linux-musleabihf", "armv7-unknown-linux-gnueabihf"]
        );
        machine.properties.remove("ro.product.cpu.abi");
        assert!(triples(&machine, &profile).iter().all(|triple| triple.starts_with("x86_64")));
    }
}
