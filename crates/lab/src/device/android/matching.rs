//! Which profile describes a phone, and where they disagree; then the phone is right.

use super::facts;
use crate::device::profile::{Kind, Profile};
use crate::device::remote::{Machine, cluster_differences, list};
use std::collections::BTreeSet;

/// The profile that names this phone's device, otherwise one that names its platform.
pub fn best<'a>(phone: &Machine, profiles: impl Iterator<Item = &'a Profile> + Clone) -> Option<&'a Profile> {
    let phones = profiles.filter(|profile| profile.kind == Kind::AndroidCpu);
    let device = facts::device(phone)?;
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
pub fn other(phone: &Machine, profile: &Profile) -> Option<String> {
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
pub fn differences(phone: &Machine, profile: &Profile) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;
    use crate::device::remote::machine::tests::pixel2;

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
}
