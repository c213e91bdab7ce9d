//! How libtorch devices are called: `torch-cpu`, `t4@torch-nhwc`, `cuda:1@torch@fp32`.

use crate::device::error::DeviceError;
use crate::device::name::DeviceName;
use crate::device::profile::Profile;

/// The runtime that keeps feature maps with the channels first (NCHW).
const CHANNELS_FIRST: &str = "torch";
/// The runtime that keeps feature maps with the channels last (NHWC).
pub const CHANNELS_LAST: &str = "torch-nhwc";
const RUNTIMES: [&str; 2] = [CHANNELS_FIRST, CHANNELS_LAST];
const PRECISIONS: [&str; 3] = ["fp32", "fp16", "bf16"];

/// `profile` with the runtime and the precision of `name`; the profile's own where `name` has none.
///
/// # Errors
/// A runtime or a precision that libtorch does not have.
pub fn configured(mut profile: Profile, name: DeviceName<'_>) -> Result<Profile, DeviceError> {
    let known = |part: Option<&str>, list: &[&str]| part.is_none_or(|part| list.contains(&part));
    let threads = name.threads.is_some_and(|threads| threads > 1);
    let more = name.has_more || name.sustained || threads;
    if !known(name.runtime, &RUNTIMES) || !known(name.precision, &PRECISIONS) || more {
        let what = format!(
            "measuring as {} (runtimes: {}; precisions: {})",
            name.text,
            RUNTIMES.join(", "),
            PRECISIONS.join(", ")
        );
        return Err(DeviceError::Unsupported { device: profile.id, what });
    }
    let usual = profile.measured_identity();
    profile.measure.runtime = Some(name.runtime.map_or(usual.runtime.into(), str::to_owned));
    profile.measure.precision = Some(name.precision.map_or(usual.precision.into(), str::to_owned));
    Ok(profile)
}

/// The number of the GPU in `cuda:1`; `None` where the name is of another form.
pub fn gpu_index(name: DeviceName<'_>) -> Option<u32> {
    name.device.strip_prefix("cuda:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::profile::Profiles;

    #[test]
    fn gpus_are_called_by_number() {
        assert_eq!(gpu_index(DeviceName::parse("cuda:1")), Some(1));
        assert_eq!(gpu_index(DeviceName::parse("cuda:12@torch@fp32")), Some(12));
        for other in ["cuda", "cuda:", "cuda:x", "t4", "torch-cpu"] {
            assert_eq!(gpu_index(DeviceName::parse(other)), None, "{other}");
        }
    }

    #[test]
    fn libtorch_computes_in_several_ways() {
        let t4 = Profiles::of_repository().by_name("t4").unwrap();
        let measured = |text: &str| {
            let profile = configured(t4.clone(), DeviceName::parse(text))?;
            Ok::<String, DeviceError>(profile.measured_identity().to_string())
        };
        assert_eq!(measured("t4@torch-nhwc").unwrap(), "t4@torch-nhwc@fp16");
        assert_eq!(measured("t4@torch@bf16").unwrap(), "t4@torch@bf16");
        for bad in ["t4@tensorrt", "t4@torch@int8", "t4@torch@fp16@warm"] {
            assert!(measured(bad).unwrap_err().to_string().contains("torch-nhwc"), "{bad}");
        }
    }
}
