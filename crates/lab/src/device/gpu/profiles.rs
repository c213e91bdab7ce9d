//! GPUs and their profiles: which one fits, and a draft where none does.

use super::error::GpuError;
use super::smi::{Gpu, list};
use crate::device::error::DeviceError;
use crate::device::profile::{Profile, Profiles};

/// Ids of the profiles that fit a GPU of this name.
pub fn fitting(profiles: &Profiles, name: &str) -> Vec<String> {
    let fits = |profile: &Profile| profile.matching.gpu_name.iter().any(|known| known == name);
    profiles.usable().filter(fits).map(|profile| profile.id).collect()
}

/// The GPU number `index`.
fn at(gpus: &[Gpu], index: u32) -> Result<&Gpu, GpuError> {
    let found = || gpus.iter().map(|gpu| format!("{} ({})", gpu.index, gpu.name)).collect();
    gpus.iter().find(|gpu| gpu.index == index).ok_or_else(|| GpuError::None { index, found: found() })
}

/// The profile of GPU number `index`: the one that fits its name, or a draft.
///
/// # Errors
/// No such GPU, or a draft that does not hold what profiles must.
pub fn profile(profiles: &Profiles, index: u32) -> Result<Profile, DeviceError> {
    let gpus = list()?;
    let gpu = at(&gpus, index)?;
    match fitting(profiles, &gpu.name).first() {
        Some(id) => Ok(profiles.by_name(id)?),
        None => Ok(Profile::parse(&draft(gpu), "the draft")?),
    }
}

/// The GPU that `profile` describes: number `index`, or the first that the profile fits.
///
/// # Errors
/// There is none that the profile fits.
pub fn of(profile: &Profile, profiles: &Profiles, index: Option<u32>) -> Result<Gpu, GpuError> {
    let gpus = list()?;
    let candidates: Vec<&Gpu> = match index {
        Some(index) => vec![at(&gpus, index)?],
        None => gpus.iter().collect(),
    };
    let fits = |gpu: &&&Gpu| profile.matching.gpu_name.contains(&gpu.name);
    if let Some(gpu) = candidates.iter().find(fits) {
        return Ok((**gpu).clone());
    }
    let found: Vec<String> = candidates.iter().map(|gpu| gpu.name.clone()).collect();
    let fitting = found.iter().flat_map(|name| fitting(profiles, name)).collect();
    Err(GpuError::Other { device: profile.id.clone(), found, fitting })
}

/// A profile file drafted from what NVIDIA's driver says of a GPU. The driver tells no peak rates, so the draft has none.
pub fn draft(gpu: &Gpu) -> String {
    let text = |value: &str| toml::Value::String(value.to_owned()).to_string();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let id: String = gpu.name.chars().map(plain).collect();
    let name = text(&gpu.name);
    let mut out = format!(
        "# Drafted by a program from what the GPU's driver says; look it over. Rates for a roofline ([gpu], [memory])\n\
         # are not known: see t4.toml for what they look like.\n\
         schema = 1\nid = {}\nkind = \"nvidia-gpu\"\ndescription = {name}\ngenerated = true\n\n\
         [match]\ngpu_name = [{name}]\n\n\
         [default]\nruntime = \"torch\"\nprecision = \"fp16\"\nbatch = 64\nthreads = 1\n\n\
         [search]\nspace = \"resnet\"\nresolution = 224\nclasses = 1000\nlayers = 30\n\n",
        text(id.trim_matches('-'))
    );
    out += &format!(
        "[require]\nsentinel_drift_max = 0.05\n\n[thermal]\nzones_by_type = []\ncooldown_s = [30, 60, 120]\n\n\
         [sources]\nmatch = {}\n",
        text(&format!("nvidia-smi, driver {}", gpu.driver))
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_fit_by_name() {
        let profiles = Profiles::of_repository();
        assert_eq!(fitting(&profiles, "Tesla T4"), ["t4"]);
        assert_eq!(fitting(&profiles, "Toaster 3000"), [] as [String; 0]);
    }

    #[test]
    fn a_draft_is_a_profile() {
        let gpu = Gpu { name: "NVIDIA \"X\" 9000".into(), driver: "600.1".into(), ..Gpu::default() };
        let profile = Profile::parse(&draft(&gpu), "draft.toml").unwrap();
        assert_eq!((profile.id.as_str(), profile.generated), ("nvidia--x--9000", true));
        assert_eq!(profile.matching.gpu_name, ["NVIDIA \"X\" 9000"]);
        assert_eq!(profile.measured_identity().to_string(), "nvidia--x--9000@torch@fp16");
    }
}
