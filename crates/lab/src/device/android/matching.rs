//! Which profile describes a phone, and where they disagree; then the phone is right.

use super::facts::Phone;
use crate::device::profile::{Cluster, Kind, Profile};
use std::collections::BTreeSet;

/// The profile that names this phone's device, otherwise one that names its platform.
pub fn best<'a>(phone: &Phone, profiles: impl Iterator<Item = &'a Profile> + Clone) -> Option<&'a Profile> {
    let phones = profiles.filter(|profile| profile.kind == Kind::AndroidCpu);
    let device = phone.device()?;
    let named = |profile: &&Profile| profile.matching.product_device.iter().any(|name| name == device);
    phones.clone().find(named).or_else(|| {
        let platform = phone.property("ro.board.platform")?;
        // A profile that names devices describes only those.
        phones.clone().find(|profile| {
            profile.matching.product_device.is_empty()
                && profile.matching.platform.as_deref() == Some(platform)
        })
    })
}

/// Why the phone is another one than `profile` describes; `None` where it is that one, does not tell, or the profile describes no
/// special one.
pub fn other(phone: &Phone, profile: &Profile) -> Option<String> {
    let names = &profile.matching.product_device;
    let told = |name: &str| phone.properties.get(name);
    if names.is_empty() {
        let (here, there) = (told("ro.board.platform")?, profile.matching.platform.as_deref()?);
        return (*here != there).then(|| format!("platform {here}, in the profile {there}"));
    }
    let device = told("ro.product.device")?;
    let fits = names.iter().any(|name| device == name.as_str());
    (!fits).then(|| format!("the phone is a {device}, the profile is of {}", names.join(", ")))
}

/// The facts in which the phone and the profile disagree, one line each.
pub fn differences(phone: &Phone, profile: &Profile) -> Vec<String> {
    let mut found = Vec::new();
    let is_named = !profile.matching.product_device.is_empty();
    found.extend(other(phone, profile).filter(|_| is_named));
    let platform = phone.properties.get("ro.board.platform").zip(profile.matching.platform.as_deref());
    if let Some((here, there)) = platform.filter(|(here, there)| *here != there) {
        found.push(format!("platform {here}, in the profile {there}"));
    }
    for cluster in &profile.clusters {
        found.extend(cluster_differences(phone, cluster));
    }
    let known: BTreeSet<u32> =
        profile.clusters.iter().flat_map(|cluster| cluster.cpus.iter().copied()).collect();
    let more: Vec<u32> = phone.cores.iter().map(|core| core.id).filter(|id| !known.contains(id)).collect();
    if !known.is_empty() && !more.is_empty() {
        found.push(format!("cores {} are not in the profile", list(&more)));
    }
    found
}

fn cluster_differences(phone: &Phone, cluster: &Cluster) -> Vec<String> {
    let mut found = Vec::new();
    let core = |id: u32| phone.cores.iter().find(|core| core.id == id);
    let missing: Vec<u32> = cluster.cpus.iter().copied().filter(|&id| core(id).is_none()).collect();
    if !phone.cores.is_empty() && !missing.is_empty() {
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
    phone: &Phone,
    profile: &Profile,
    asked: Option<&[u32]>,
    threads: u32,
) -> (Vec<u32>, Option<String>) {
    let usable = |id: &u32| phone.allowed.is_empty() || phone.allowed.contains(id);
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
    let clock = |id: u32| phone.cores.iter().find(|core| core.id == id).and_then(|core| core.max_khz);
    let cores = match phone.allowed.iter().filter_map(|&id| clock(id)).max() {
        Some(fastest) => {
            let mut by_clock = phone.allowed.clone();
            by_clock.sort_by_key(|&id| std::cmp::Reverse(clock(id)));
            let alike = by_clock.iter().filter(|&&id| clock(id) == Some(fastest)).count();
            by_clock.truncate(alike.max(threads));
            let mut cores = one_each(by_clock);
            cores.sort_unstable();
            cores
        }
        None => phone.allowed[phone.allowed.len().saturating_sub(threads)..].to_vec(),
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
    use super::super::facts::tests::pixel2;
    use super::*;
    use crate::device::profile::Profiles;

    fn shipped() -> Vec<Profile> {
        Profiles::of_repository().entries().into_iter().map(|entry| entry.profile.unwrap()).collect()
    }

    #[test]
    fn phones_find_their_profile() {
        let profiles = shipped();
        let mut phone = pixel2();
        assert_eq!(best(&phone, profiles.iter()).unwrap().id, "pixel2");
        for (device, id) in [("taimen", "pixel2"), ("blueline", "pixel3"), ("flame", "pixel4")] {
            phone.properties.insert("ro.product.device".into(), device.into());
            assert_eq!(best(&phone, profiles.iter()).unwrap().id, id);
        }
        // The platform alone does not make it a Pixel.
        phone.properties.insert("ro.product.device".into(), "cheeseburger".into());
        assert_eq!(best(&phone, profiles.iter()), None);
    }

    #[test]
    fn another_phone_is_known_by_its_name_or_its_platform() {
        let profiles = shipped();
        let find = |id: &str| profiles.iter().find(|profile| profile.id == id).unwrap().clone();
        let mut phone = pixel2();
        assert_eq!(other(&phone, &find("pixel2")), None);
        assert!(other(&phone, &find("pixel3")).unwrap().contains("is a walleye, the profile is of blueline"));
        assert_eq!(other(&phone, &find("android-generic")), None);
        let mut of_platform = find("pixel2");
        of_platform.matching.product_device.clear();
        assert_eq!(other(&phone, &of_platform), None);
        of_platform.matching.platform = Some("sdm845".into());
        assert!(other(&phone, &of_platform).unwrap().contains("sdm845"));
        // A phone that does not tell is not accused.
        phone.properties.remove("ro.product.device");
        assert_eq!(other(&phone, &find("pixel3")), None);
    }

    #[test]
    fn differences_are_told() {
        let profiles = shipped();
        let pixel2_profile = profiles.iter().find(|profile| profile.id == "pixel2").unwrap();
        let mut phone = pixel2();
        assert_eq!(differences(&phone, pixel2_profile), [] as [String; 0]);
        phone.cores[4].max_khz = Some(2_035_200);
        phone.cores[0].midr = Some("0x41/0xd03".into());
        phone.properties.insert("ro.board.platform".into(), "sdm845".into());
        phone.cores.truncate(7);
        let found = differences(&phone, pixel2_profile).join("\n");
        for word in ["sdm845", "2035200 kHz", "0x41/0xd03", "cores 7 of cluster gold"] {
            assert!(found.contains(word), "{word}: {found}");
        }
    }

    #[test]
    fn cores_come_from_the_profile_if_the_phone_has_them() {
        let profiles = shipped();
        let find = |id: &str| profiles.iter().find(|profile| profile.id == id).unwrap();
        let mut phone = pixel2();
        assert_eq!(cores(&phone, find("pixel2"), None, 1), (vec![4, 5, 6, 7], None));
        assert_eq!(cores(&phone, find("pixel2"), Some(&[2]), 1).0, [2]);
        // No mask in the profile: the fastest cluster.
        assert_eq!(cores(&phone, find("android-generic"), None, 1), (vec![4, 5, 6, 7], None));
        // Several threads have a core each.
        assert_eq!(cores(&phone, find("pixel2"), None, 2), (vec![4, 5], None));
        assert_eq!(cores(&phone, find("android-generic"), None, 3).0, [4, 5, 6]);
        let (found, reason) = cores(&phone, find("pixel2"), None, 5);
        assert_eq!(found, [0, 4, 5, 6, 7]);
        assert!(reason.unwrap().contains("fewer than the threads"));
        phone.allowed = vec![0, 1];
        phone.cores.truncate(2);
        phone.cores.iter_mut().for_each(|core| core.max_khz = None);
        let (found, reason) = cores(&phone, find("pixel2"), None, 1);
        assert_eq!(found, [1]);
        assert_eq!(cores(&phone, find("pixel2"), None, 2).0, [0, 1]);
        assert!(reason.unwrap().contains("4, 5, 6, 7"));
        assert_eq!(mask(&[4, 5, 6, 7]), "f0");
        assert_eq!(mask_cores("f0"), Some(vec![4, 5, 6, 7]));
    }
}
