//! NVIDIA GPUs as their driver describes them through `nvidia-smi`: which there are, the state they are in,
//! the profile that fits, a draft where none does.

use super::profile::{Profile, Profiles};
use edgezen_runner::conditions::GpuState;
use serde::Serialize;
use std::process::Command;

/// What libtorch can be measured as: channels first, or last.
pub const RUNTIMES: [&str; 2] = ["torch", "torch-nhwc"];
pub const PRECISIONS: [&str; 3] = ["fp32", "fp16", "bf16"];

/// A GPU of this computer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gpu {
    /// The number that libtorch knows it by.
    pub index: u32,
    pub name: String,
    pub uuid: String,
    pub driver: String,
    pub memory_mib: Option<u64>,
    pub max_sm_mhz: Option<f64>,
    /// CUDA's compute capability, as `7.0`.
    pub compute_capability: Option<String>,
    pub state: GpuState,
}

/// Why nothing is known of the GPUs.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    #[error("nvidia-smi cannot be run: {0}")]
    NoDriver(String),
    #[error("nvidia-smi says something else than expected: {0:?}")]
    Unreadable(String),
    #[error("there is no GPU {index}; nvidia-smi lists {}", if .found.is_empty() { "none".into() } else { .found.join(", ") })]
    None { index: u32, found: Vec<String> },
    #[error("the GPUs here are of different kinds, and CUDA may count them otherwise than nvidia-smi does")]
    Order,
    #[error("{device} is another GPU than is here: {}", found.join(", "))]
    Other {
        device: String,
        found: Vec<String>,
        /// Names of devices that fit those here.
        fitting: Vec<String>,
    },
}

const FIELDS: &str = "index,name,uuid,driver_version,memory.total,clocks.max.sm,compute_cap,\
                      temperature.gpu,clocks.sm,clocks.mem,power.draw,power.limit,clocks_throttle_reasons.active";

/// Bits of the driver's throttle reasons (NVML, `nvmlClocksEventReasons`).
const REASONS: [(u64, &str); 9] = [
    (0x1, "idle"),
    (0x2, "applications_clocks_setting"),
    (0x4, "sw_power_cap"),
    (0x8, "hw_slowdown"),
    (0x10, "sync_boost"),
    (0x20, "sw_thermal_slowdown"),
    (0x40, "hw_thermal_slowdown"),
    (0x80, "hw_power_brake_slowdown"),
    (0x100, "display_clock_setting"),
];

fn smi(arguments: &[&str]) -> Result<String, GpuError> {
    let output =
        Command::new("nvidia-smi").args(arguments).output().map_err(|e| GpuError::NoDriver(e.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said =
        if text.trim().is_empty() { String::from_utf8_lossy(&output.stderr).into_owned() } else { text };
    Err(GpuError::NoDriver(said.lines().next().unwrap_or("it failed").trim().to_owned()))
}

/// The GPUs that libtorch may use, in its order.
///
/// # Errors
/// No driver; GPUs of which the order is not known.
pub fn list() -> Result<Vec<Gpu>, GpuError> {
    let text = smi(&[&format!("--query-gpu={FIELDS}"), "--format=csv,noheader,nounits"])?;
    let environment = |name: &str| std::env::var(name).ok();
    visible(parse(&text)?, environment("CUDA_VISIBLE_DEVICES"), environment("CUDA_DEVICE_ORDER"))
}

/// The state of the GPU with this UUID; nothing where the driver does not tell.
pub fn state(uuid: &str) -> Option<GpuState> {
    let fields = format!("--query-gpu={FIELDS}");
    let text = smi(&["-i", uuid, &fields, "--format=csv,noheader,nounits"]).ok()?;
    parse(&text).ok()?.pop().map(|gpu| gpu.state)
}

fn parse(text: &str) -> Result<Vec<Gpu>, GpuError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [
                index,
                name,
                uuid,
                driver,
                memory,
                max_sm,
                capability,
                temperature,
                sm,
                mem,
                power,
                limit,
                why,
            ] = fields[..]
            else {
                return Err(GpuError::Unreadable(line.to_owned()));
            };
            // What a GPU does not tell is `[N/A]` or `[Not Supported]`.
            let number = |text: &str| text.parse::<f64>().ok();
            let bits = why.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
            let held = REASONS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| (*name).to_owned());
            Ok(Gpu {
                index: index.parse().map_err(|_| GpuError::Unreadable(line.to_owned()))?,
                name: name.to_owned(),
                uuid: uuid.to_owned(),
                driver: driver.to_owned(),
                memory_mib: memory.parse().ok(),
                max_sm_mhz: number(max_sm),
                compute_capability: number(capability).map(|_| capability.to_owned()),
                state: GpuState {
                    temperature_c: number(temperature),
                    sm_mhz: number(sm),
                    memory_mhz: number(mem),
                    power_w: number(power),
                    power_limit_w: number(limit),
                    held_down_by: held.collect(),
                },
            })
        })
        .collect()
}

/// Of `all`, those that CUDA shows to this process, numbered as it does.
fn visible(all: Vec<Gpu>, shown: Option<String>, order: Option<String>) -> Result<Vec<Gpu>, GpuError> {
    let by_uuid = |shown: &str| shown.split(',').all(|part| part.trim().starts_with("GPU-"));
    let mixed = all.windows(2).any(|pair| pair[0].name != pair[1].name);
    // CUDA puts the fastest first, unless it is told otherwise.
    if mixed && order.as_deref() != Some("PCI_BUS_ID") && !shown.as_deref().is_some_and(by_uuid) {
        return Err(GpuError::Order);
    }
    let Some(shown) = shown else { return Ok(all) };
    let mut out = Vec::new();
    for part in shown.split(',').map(str::trim) {
        let found = match part.parse::<u32>() {
            Ok(index) => all.iter().find(|gpu| gpu.index == index),
            Err(_) => all.iter().find(|gpu| !part.is_empty() && gpu.uuid.starts_with(part)),
        };
        // CUDA stops at the first that does not exist.
        let Some(gpu) = found else { break };
        out.push(Gpu { index: out.len() as u32, ..gpu.clone() });
    }
    Ok(out)
}

/// Ids of the profiles that fit a GPU of this name.
pub fn fitting(profiles: &Profiles, name: &str) -> Vec<String> {
    let fits = |profile: &Profile| profile.matching.gpu_name.iter().any(|known| known == name);
    profiles.usable().filter(fits).map(|profile| profile.id).collect()
}

fn at(gpus: &[Gpu], index: u32) -> Result<&Gpu, GpuError> {
    let found = || gpus.iter().map(|gpu| format!("{} ({})", gpu.index, gpu.name)).collect();
    gpus.iter().find(|gpu| gpu.index == index).ok_or_else(|| GpuError::None { index, found: found() })
}

/// The profile of GPU number `index`: the one that fits its name, or a draft.
///
/// # Errors
/// No such GPU, or a draft that does not hold what profiles must.
pub fn profile(profiles: &Profiles, index: u32) -> Result<Profile, super::DeviceError> {
    let gpus = list()?;
    let gpu = at(&gpus, index)?;
    match fitting(profiles, &gpu.name).first() {
        Some(id) => Ok(profiles.by_name(id)?),
        None => Ok(Profile::parse(&draft(gpu), "the draft")?),
    }
}

/// The GPU that `profile` describes: number `index`, or the first that it fits.
///
/// # Errors
/// None is there that it fits.
pub fn of(profile: &Profile, index: Option<u32>) -> Result<Gpu, GpuError> {
    let gpus = list()?;
    let candidates: Vec<&Gpu> = match index {
        Some(index) => vec![at(&gpus, index)?],
        None => gpus.iter().collect(),
    };
    let fits = |gpu: &&&Gpu| profile.matching.gpu_name.contains(&gpu.name);
    if let Some(gpu) = candidates.iter().find(fits) {
        return Ok((**gpu).clone());
    }
    let found = candidates.iter().map(|gpu| gpu.name.clone()).collect();
    Err(GpuError::Other { device: profile.id.clone(), found, fitting: Vec::new() })
}

/// A profile from what the driver says of a GPU. Rates are not among that, so the draft has none.
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

impl GpuError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            GpuError::NoDriver(_) => {
                "install NVIDIA's driver, and try nvidia-smi; without a GPU: --device torch-cpu".into()
            }
            GpuError::Unreadable(_) => "a driver of the last five years".into(),
            GpuError::None { .. } => "one of those, or another CUDA_VISIBLE_DEVICES".into(),
            GpuError::Order => "export CUDA_DEVICE_ORDER=PCI_BUS_ID".into(),
            GpuError::Other { fitting, .. } if fitting.is_empty() => {
                "--device cuda:0, which drafts a profile".into()
            }
            GpuError::Other { fitting, .. } => {
                let names: Vec<String> = fitting.iter().map(|name| format!("--device {name}")).collect();
                names.join(" or ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "0, Tesla T4, GPU-aa, 550.54, 15360, 1590, 7.5, 41, 585, 405, 12.31, 70.00, 0x0000000000000001\n\
                       1, Tesla V100-SXM2-16GB, GPU-bb, 550.54, 16384, 1530, 7.0, [N/A], 1380, 877, 280.0, 300.0, 0x0000000000000044\n";

    #[test]
    fn what_the_driver_says_is_read() {
        let gpus = parse(TWO).unwrap();
        assert_eq!((gpus[0].name.as_str(), gpus[0].memory_mib), ("Tesla T4", Some(15_360)));
        assert_eq!(gpus[0].state.power_w, Some(12.31));
        assert_eq!(gpus[1].state.temperature_c, None);
        assert_eq!(gpus[1].state.held_down_by, ["sw_power_cap", "hw_thermal_slowdown"]);
        assert_eq!(gpus[1].state.throttled_by(), Some("hw_thermal_slowdown"));
        assert_eq!(gpus[0].state.throttled_by(), None);
        assert!(matches!(parse("No devices were found"), Err(GpuError::Unreadable(_))));
        let profiles = crate::catalogue::of_repository().profiles;
        assert_eq!(fitting(&profiles, "Tesla T4"), ["t4"]);
        assert_eq!(fitting(&profiles, "Toaster 3000"), [] as [String; 0]);
    }

    #[test]
    fn gpus_are_numbered_as_cuda_numbers_them() {
        let all = || parse(TWO).unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert!(matches!(visible(all(), None, None), Err(GpuError::Order)));
        assert_eq!(visible(all(), None, text("PCI_BUS_ID")).unwrap().len(), 2);
        let one = visible(all(), text("1"), text("PCI_BUS_ID")).unwrap();
        assert_eq!((one.len(), one[0].index, one[0].uuid.as_str()), (1, 0, "GPU-bb"));
        let one = visible(all(), text("GPU-b,GPU-zz,GPU-aa"), None).unwrap();
        assert_eq!((one.len(), one[0].index), (1, 0));
        assert!(visible(all(), text(""), text("PCI_BUS_ID")).unwrap().is_empty());
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
