//! Other names of devices that have predictors and no profile.

use crate::dataset::import::COPIES;

/// Shorter names of devices.
const SHORT: [(&str, &str); 5] = [
    ("galaxy_s22", "galaxy_s22_5g"),
    ("snapdragon_x_elite_laptop", "snapdragon_x_elite_crd"),
    ("dragonwing_iq_9075", "dragonwing_iq_9075_evk"),
    ("qcs8550", "qcs8550_proxy"),
    ("dragonwing_rb3_gen_2", "dragonwing_rb3_gen_2_vision_kit"),
];

/// All pairs of another name and the device that it stands for: shorter names, and devices for which a source lists the
/// measurements of another one.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHORT.into_iter().chain(COPIES)
}

/// `name`, a device or an identity, with the name that its device has here.
pub fn resolved(name: &str) -> String {
    let (device, rest) = name.split_at(name.find('@').unwrap_or(name.len()));
    let device = all().find(|(other, _)| *other == device).map_or(device, |(_, own)| own);
    format!("{device}{rest}")
}

/// The other names of a device: shorter ones, and those of [`copies`].
pub fn of(device: &str) -> Vec<String> {
    all().filter(|(_, own)| *own == device).map(|(other, _)| other.to_owned()).collect()
}

/// The devices for which a source lists the measurements of this one: one measurement, and not a second device.
pub fn copies(device: &str) -> Vec<String> {
    COPIES.iter().filter(|(_, own)| *own == device).map(|(other, _)| (*other).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_stands_for_the_device_that_was_measured() {
        assert_eq!(resolved("dragonwing_q_8750@qnn@w8a8"), "galaxy_s25@qnn@w8a8");
        assert_eq!(resolved("galaxy_s22"), "galaxy_s22_5g");
        assert_eq!(resolved("pixel2@tflite"), "pixel2@tflite");
        assert_eq!(of("sa8775p_adp"), ["sa8255p_adp", "sa8650p_adp"]);
        assert_eq!(of("galaxy_s22_5g"), ["galaxy_s22", "snapdragon_xr2_gen_2"]);
        assert_eq!(copies("galaxy_s22_5g"), ["snapdragon_xr2_gen_2"]);
    }
}
