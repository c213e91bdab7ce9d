//! A profile drafted from what a phone reports about itself, for phones that no profile describes.

use super::facts::{device, title};
use crate::device::remote::machine::Core;
use crate::device::remote::{self, Machine};
use std::fmt::Write as _;

/// The text of the drafted profile, which can be used as it is. It leaves out what the phone does not tell.
pub fn draft(phone: &Machine) -> String {
    let clusters = clusters(phone);
    let id = device(phone).map_or_else(|| "my-phone".to_owned(), name);
    // Text of the phone stands in the draft as it is printed: a profile holds no control characters.
    let property = |name: &str| phone.properties.get(name).map(ToString::to_string);
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line("# Drafted by a program from what the phone says of itself; look it over.".into());
    line("schema = 1".into());
    line(format!("id = {}", text(&id)));
    line("kind = \"android-cpu\"".into());
    line(format!("description = {}", text(&title(phone))));
    line("generated = true".into());
    if let Some(device) = property("ro.product.device") {
        line("\n[match]".into());
        line(format!("product_device = [{}]", text(&device)));
        if let Some(platform) = property("ro.board.platform") {
            line(format!("platform = {}", text(&platform)));
        }
    }
    line("\n[default]\nruntime = \"tract\"\nprecision = \"fp32\"\nbatch = 1\nthreads = 1".into());
    line("\n[search]\nspace = \"mobilenet\"\nresolution = 224\nclasses = 1000\nlayers = 14".into());
    let soc = property("ro.soc.model").or_else(|| property("ro.board.platform"));
    if let Some(soc) = &soc {
        line(format!("\n[soc]\nname = {}", text(soc)));
    }
    for (name, cores) in &clusters {
        line(format!("\n[[cluster]]\nname = \"{name}\""));
        line(format!("cpus = [{}]", remote::list(&ids(cores))));
        if let Some(midr) = cores.first().and_then(|core| core.midr.as_ref()) {
            line(format!("midr = {}", text(&midr.to_string())));
        }
        if let Some(khz) = cores.first().and_then(|core| core.max_khz) {
            line(format!("max_khz = {khz}"));
        }
    }
    line("\n[measure]".into());
    if let Some((_, cores)) = clusters.first() {
        line(format!("taskset = \"{}\" # the fastest cluster", remote::mask(&ids(cores))));
    }
    line("launches = 3\nstate = \"warm\"".into());
    line(
        "\n[require]\nairplane_mode = true\nscreen = \"on-dim\"\nbattery_min_pct = 30\ncharging = \"allowed\"\n\
         thermal_status_max = 0\nstart_temp_max_c = 40.0\nsentinel_drift_max = 0.05"
            .into(),
    );
    line("\n[thermal]".into());
    let zones: Vec<String> = zones(phone).iter().map(|zone| text(zone)).collect();
    line(format!("zones_by_type = [{}]", zones.join(", ")));
    line("cooldown_s = [30, 60, 120, 300]".into());
    let architecture = phone.architectures().first().copied().unwrap_or("aarch64");
    line("\n[runner]\npush_dir = \"/data/local/tmp\"".into());
    line(format!("triple = \"{architecture}-linux-android\""));
    let build = property("ro.build.fingerprint").unwrap_or_else(|| "an unknown build".to_owned());
    let source = text(&format!("read from a phone with {build}"));
    line("\n[sources]".into());
    if device(phone).is_some() {
        line(format!("match = {source}"));
    }
    if soc.is_some() {
        line(format!("soc = {source}"));
    }
    if !clusters.is_empty() {
        line(format!("cluster = {source}"));
    }
    out
}

/// A device name as the id of a profile.
fn name(device: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    device.chars().take(60).map(plain).collect()
}

fn ids(cores: &[&Core]) -> Vec<u32> {
    cores.iter().map(|core| core.id).collect()
}

/// Groups of cores with the same design and clock, the fastest first, each with a name.
fn clusters(phone: &Machine) -> Vec<(&'static str, Vec<&Core>)> {
    let mut groups: Vec<Vec<&Core>> = Vec::new();
    for core in &phone.cores {
        let same = |group: &&mut Vec<&Core>| group[0].max_khz == core.max_khz && group[0].midr == core.midr;
        match groups.iter_mut().find(same) {
            Some(group) => group.push(core),
            None => groups.push(vec![core]),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group[0].max_khz));
    let names: &[&str] = match groups.len() {
        1 => &["cores"],
        2 => &["big", "little"],
        3 => &["prime", "big", "little"],
        _ => &["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"],
    };
    names.iter().copied().zip(groups).collect()
}

/// Thermal zones of the chip, by the beginnings of their names; usual patterns where the phone lists none. `soc` alone is the
/// charge of the battery in per cent (`bcl_soc` of Qualcomm's kernels).
fn zones(phone: &Machine) -> Vec<String> {
    let of_the_chip = ["cpu", "gpu", "soc", "tsens", "msm", "big", "little", "mid"];
    let matching = |zone: &String| {
        let zone = zone.to_lowercase();
        zone != "soc" && of_the_chip.iter().any(|start| zone.starts_with(start))
    };
    let found: Vec<String> = phone.zones.iter().map(ToString::to_string).filter(matching).collect();
    if found.is_empty() { vec!["cpu*".into()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::android::matching;
    use crate::device::profile::Profile;
    use crate::device::remote::machine::tests::pixel2;

    #[test]
    fn a_draft_is_a_profile() {
        let mut phone = pixel2();
        phone.properties.insert("ro.product.device".into(), "Some \"Phone\"".into());
        let profile = Profile::parse(&draft(&phone), "draft.toml").unwrap();
        assert_eq!((profile.id.as_str(), profile.generated), ("some--phone-", true));
        assert_eq!(profile.matching.product_device, ["Some \"Phone\""]);
        assert_eq!(profile.clusters.len(), 2, "{:?}", profile.clusters);
        assert!(profile.facts().iter().all(|fact| fact.source.is_some()));
        assert_eq!(matching::differences(&phone, &profile), [] as [String; 0]);
        // The charge in per cent is no temperature.
        phone.zones = ["battery", "cpu-0-0-usr", "soc", "soc_thermal"].map(Into::into).to_vec();
        let profile = Profile::parse(&draft(&phone), "draft.toml").unwrap();
        assert_eq!(profile.thermal.unwrap().zones_by_type, ["cpu-0-0-usr", "soc_thermal"]);
    }

    #[test]
    fn a_phone_that_tells_nothing_still_has_a_draft() {
        let profile = Profile::parse(&draft(&Machine::default()), "draft.toml").unwrap();
        assert_eq!((profile.id.as_str(), profile.clusters.len()), ("my-phone", 0));
    }
}
