//! The cores of a device: which of them to measure on, and where they are not as a profile says.

use super::machine::Machine;
use crate::device::profile::{Cluster, Profile};

/// The facts in which the device and the cluster of a profile disagree, one line each.
pub fn cluster_differences(machine: &Machine, cluster: &Cluster) -> Vec<String> {
    let mut found = Vec::new();
    let core = |id: u32| machine.cores.iter().find(|core| core.id == id);
    let missing: Vec<u32> = cluster.cpus.iter().copied().filter(|&id| core(id).is_none()).collect();
    if !machine.cores.is_empty() && !missing.is_empty() {
        found.push(format!("cores {} of cluster {} do not exist", list(&missing), cluster.name));
    }
    let here = cluster.cpus.iter().find_map(|&id| core(id));
    let clocks = here.and_then(|core| core.max_khz).zip(cluster.max_khz);
    if let Some((here, there)) = clocks.filter(|(here, there)| here != there) {
        found.push(format!("cluster {} clocks up to {here} kHz, in the profile {there}", cluster.name));
    }
    let parts = here.and_then(|core| core.midr.as_ref()).zip(cluster.midr.as_deref());
    if let Some((here, there)) = parts.filter(|(here, there)| *here != there) {
        found.push(format!("cluster {} has cores {here}, in the profile {there}", cluster.name));
    }
    found
}

/// The cores to measure on with so many `threads`: `asked` if given; otherwise those of the profile, if they may all be used and
/// are enough; otherwise the fastest; otherwise the last that may be used, because interrupts and most daemons prefer the
/// first. A single thread moves between all of these, and several have one each. The text says why they are not the profile's.
pub fn cores(
    machine: &Machine,
    profile: &Profile,
    asked: Option<&[u32]>,
    threads: u32,
) -> (Vec<u32>, Option<String>) {
    let usable = |id: &u32| machine.allowed.is_empty() || machine.allowed.contains(id);
    let threads = threads.max(1) as usize;
    if let Some(asked) = asked {
        return (asked.to_vec(), None);
    }
    let one_each = |mut cores: Vec<u32>| {
        if threads > 1 {
            cores.truncate(threads);
        }
        cores
    };
    let wanted = profile.measure.taskset.as_deref().and_then(mask_cores);
    if let Some(wanted) = &wanted
        && wanted.iter().all(usable)
        && wanted.len() >= threads
    {
        return (one_each(wanted.clone()), None);
    }
    let clock = |id: u32| machine.cores.iter().find(|core| core.id == id).and_then(|core| core.max_khz);
    let cores = match machine.allowed.iter().filter_map(|&id| clock(id)).max() {
        Some(fastest) => {
            let mut by_clock = machine.allowed.clone();
            by_clock.sort_by_key(|&id| std::cmp::Reverse(clock(id)));
            let alike = by_clock.iter().filter(|&&id| clock(id) == Some(fastest)).count();
            by_clock.truncate(alike.max(threads));
            let mut cores = one_each(by_clock);
            cores.sort_unstable();
            cores
        }
        None => machine.allowed[machine.allowed.len().saturating_sub(threads)..].to_vec(),
    };
    let reason = wanted.map(|wanted| {
        let missing = if wanted.len() < threads { "are fewer than the threads" } else { "are not all there" };
        format!(
            "the profile measures on cores {}, which {missing}; measuring on {}",
            list(&wanted),
            list(&cores)
        )
    });
    (cores, reason)
}

/// The cores of a hexadecimal mask: `f0` means 4, 5, 6 and 7.
fn mask_cores(mask: &str) -> Option<Vec<u32>> {
    let bits = u128::from_str_radix(mask, 16).ok()?;
    Some((0..128).filter(|bit| bits >> bit & 1 == 1).collect())
}

/// The hexadecimal mask of these cores: `f0` for 4, 5, 6 and 7.
pub fn mask(cores: &[u32]) -> String {
    format!("{:x}", cores.iter().filter(|&&core| core < 128).fold(0_u128, |bits, core| bits | 1 << core))
}

/// The cores as text: `0, 1, 2`.
pub fn list(cores: &[u32]) -> String {
    cores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::pixel2;
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn cores_come_from_the_profile_if_the_phone_has_them() {
        let find = |id: &str| Profiles::of_repository().by_name(id).unwrap();
        let mut machine = pixel2();
        assert_eq!(cores(&machine, &find("pixel2"), None, 1), (vec![4, 5, 6, 7], None));
        assert_eq!(cores(&machine, &find("pixel2"), Some(&[2]), 1).0, [2]);
        // No mask in the profile: the fastest cluster.
        assert_eq!(cores(&machine, &find("android-generic"), None, 1), (vec![4, 5, 6, 7], None));
        // Several threads have a core each.
        assert_eq!(cores(&machine, &find("pixel2"), None, 2), (vec![4, 5], None));
        assert_eq!(cores(&machine, &find("android-generic"), None, 3).0, [4, 5, 6]);
        let (found, reason) = cores(&machine, &find("pixel2"), None, 5);
        assert_eq!(found, [0, 4, 5, 6, 7]);
        assert!(reason.unwrap().contains("fewer than the threads"));
        machine.allowed = vec![0, 1];
        machine.cores.truncate(2);
        machine.cores.iter_mut().for_each(|core| core.max_khz = None);
        let (found, reason) = cores(&machine, &find("pixel2"), None, 1);
        assert_eq!(found, [1]);
        assert_eq!(cores(&machine, &find("pixel2"), None, 2).0, [0, 1]);
        assert!(reason.unwrap().contains("4, 5, 6, 7"));
        assert_eq!(mask(&[4, 5, 6, 7]), "f0");
        assert_eq!(mask_cores("f0"), Some(vec![4, 5, 6, 7]));
    }
}
