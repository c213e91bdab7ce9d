//! The runner program of a phone: where it is on this computer.

use super::facts::Phone;
use crate::device::profile::Profile;
use std::path::{Path, PathBuf};

/// The environment variable that names the file of the runner to use, before all others.
pub const VARIABLE: &str = "EDGEZEN_RUNNER";

/// What the file of a runner is called.
pub const PROGRAM: &str = "device-runner";

/// Rust targets whose programs the phone can run, the best first: the one that its profile names, then those of the
/// architecture that Android reports, then those of the architecture that the Linux kernel reports.
pub fn triples(phone: &Phone, profile: &Profile) -> Vec<String> {
    let architectures = phone.architectures();
    let named = profile.runner.as_ref().map(|runner| runner.triple.to_string());
    let fits = |triple: &String| {
        architectures.is_empty() || architectures.contains(&triple.split('-').next().unwrap_or_default())
    };
    let systems = |arch: &str| match arch {
        "armv7" => ["linux-androideabi", "unknown-linux-musleabihf", "unknown-linux-gnueabihf"],
        _ => ["linux-android", "unknown-linux-musl", "unknown-linux-gnu"],
    };
    let own = architectures.iter().flat_map(|arch| systems(arch).map(|system| format!("{arch}-{system}")));
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
pub fn find(phone: &Phone, triples: &[String]) -> Result<Vec<PathBuf>, Vec<String>> {
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
    // The runner that was built together with this program runs on phones with this computer's architecture.
    if phone.architectures().contains(&std::env::consts::ARCH) {
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
    use super::super::facts::tests::pixel2;
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn targets_follow_the_phone() {
        let profile = Profiles::of_repository().by_name("pixel2").unwrap();
        let mut phone = pixel2();
        assert_eq!(triples(&phone, &profile)[0], "aarch64-linux-android");
        assert_eq!(triples(&phone, &profile).len(), 3);
        // A phone that is a PC below: both kinds of programs may run.
        phone.machine = Some("x86_64".into());
        let both = triples(&phone, &profile);
        assert!(both[0].starts_with("aarch64") && both.iter().any(|t| t == "x86_64-unknown-linux-gnu"));
        // Those of 32 bit have targets of other names.
        let mut old = pixel2();
        old.properties.insert("ro.product.cpu.abi".into(), "armeabi-v7a".into());
        old.machine = Some("armv7l".into());
        assert_eq!(
            triples(&old, &profile),
            ["armv7-linux-androideabi", "armv7-unknown-linux-musleabihf", "armv7-unknown-linux-gnueabihf"]
        );
        phone.properties.remove("ro.product.cpu.abi");
        assert!(triples(&phone, &profile).iter().all(|triple| triple.starts_with("x86_64")));
    }
}
