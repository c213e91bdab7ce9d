//! Which profile describes a board, and where they disagree; then the board is right.

use super::facts::model;
use crate::device::profile::{Kind, Profile};
use crate::device::remote::{Machine, cluster_differences, list};
use edgezen_core::foreign::ForeignText;
use std::collections::BTreeSet;

/// The profile that names this board: the one with the longest name that its model begins with.
pub fn best<'a>(board: &Machine, profiles: impl Iterator<Item = &'a Profile>) -> Option<&'a Profile> {
    let model = model(board)?;
    let fits = |profile: &'a Profile| {
        let names = profile.matching.board_model.iter().filter(|name| model.starts_with(name.as_str()));
        Some((names.map(String::len).max()?, profile))
    };
    let boards = profiles.filter(|profile| profile.kind == Kind::LinuxCpu);
    boards.filter_map(fits).max_by_key(|(length, _)| *length).map(|(_, profile)| profile)
}

/// Why the board is another one than `profile` describes; `None` where it is that one, does not tell, or the profile describes no
/// special one.
pub fn other(board: &Machine, profile: &Profile) -> Option<String> {
    let names = &profile.matching.board_model;
    let here = model(board).filter(|_| !names.is_empty())?;
    let fits = names.iter().any(|name| here.starts_with(name.as_str()));
    let told = ForeignText::from(here);
    (!fits).then(|| format!("the board is a {told}, the profile is of {}", names.join(", ")))
}

/// The facts in which the board and the profile disagree, one line each.
pub fn differences(board: &Machine, profile: &Profile) -> Vec<String> {
    let mut found: Vec<String> = other(board, profile).into_iter().collect();
    found.extend(profile.clusters.iter().flat_map(|cluster| cluster_differences(board, cluster)));
    let known: BTreeSet<u32> = profile.clusters.iter().flat_map(|cluster| cluster.cpus.clone()).collect();
    let more: Vec<u32> = board.cores.iter().map(|core| core.id).filter(|id| !known.contains(id)).collect();
    if !known.is_empty() && !more.is_empty() {
        found.push(format!("cores {} are not in the profile", list(&more)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::pi4;
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn boards_find_their_profile() {
        let profiles: Vec<Profile> = Profiles::of_repository().usable().collect();
        let named = |model: &str| {
            let mut board = pi4();
            board.properties.insert("board.model".into(), model.into());
            best(&board, profiles.iter()).map(|profile| profile.id.clone())
        };
        for (model, id) in [
            ("Raspberry Pi 3 Model B Plus Rev 1.3", "raspberrypi3"),
            ("Raspberry Pi 4 Model B Rev 1.4", "raspberrypi4"),
            ("Raspberry Pi 5 Model B Rev 1.0", "raspberrypi5"),
            ("Raspberry Pi Zero 2 W Rev 1.0", "raspberrypizero2w"),
            ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
            ("NVIDIA Jetson Orin Nano Developer Kit", "jetson-orin"),
            ("Orange Pi 5", "orangepi5"),
        ] {
            assert_eq!(named(model).as_deref(), Some(id), "{model}");
        }
        assert_eq!(named("Some other board"), None);
    }

    #[test]
    fn another_board_is_known_by_its_model() {
        let find = |id: &str| Profiles::of_repository().by_name(id).unwrap();
        assert_eq!(other(&pi4(), &find("raspberrypi4")), None);
        assert_eq!(differences(&pi4(), &find("raspberrypi4")), [] as [String; 0]);
        assert!(other(&pi4(), &find("raspberrypi5")).unwrap().contains("Raspberry Pi 4 Model B"));
        assert_eq!(other(&pi4(), &find("linux-generic")), None);
        assert_eq!(other(&Machine::default(), &find("raspberrypi5")), None);
    }
}
