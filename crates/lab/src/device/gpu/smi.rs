//! What `nvidia-smi`, the program of NVIDIA's driver, says: which GPUs there are, and the state they are in.

use super::error::GpuError;
use edgezen_runner::conditions::GpuState;
use serde::Serialize;
use std::process::Command;

/// A GPU of this computer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Gpu {
    /// The number by which CUDA, and so libtorch, knows it.
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

/// What is asked of each GPU.
const FIELDS: &str = "index,name,uuid,driver_version,memory.total,clocks.max.sm,compute_cap,\
                      temperature.gpu,clocks.sm,clocks.mem,power.draw,power.limit,clocks_throttle_reasons.active";

/// Why the clocks are held down: bits and names of the driver's reasons (NVML, `nvmlClocksEventReasons`).
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

/// Runs `nvidia-smi` and returns what it prints.
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

/// The state of the GPU with this UUID; `None` where the driver does not tell.
pub fn state(uuid: &str) -> Option<GpuState> {
    let fields = format!("--query-gpu={FIELDS}");
    let text = smi(&["-i", uuid, &fields, "--format=csv,noheader,nounits"]).ok()?;
    parse(&text).ok()?.pop().map(|gpu| gpu.state)
}

/// Reads lines of comma-separated [`FIELDS`].
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
            // A value that a GPU does not report is `[N/A]` or `[Not Supported]`.
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

/// Those of `all` that CUDA shows to this process, numbered as CUDA numbers them. `shown` and `order` are the values of
/// `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`.
fn visible(all: Vec<Gpu>, shown: Option<String>, order: Option<String>) -> Result<Vec<Gpu>, GpuError> {
    let by_uuid = |shown: &str| shown.split(',').all(|part| part.trim().starts_with("GPU-"));
    let mixed = all.windows(2).any(|pair| pair[0].name != pair[1].name);
    // Without CUDA_DEVICE_ORDER, CUDA puts the fastest GPU first, and nvidia-smi does not tell which that is.
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
        // CUDA ignores everything after the first entry that does not exist.
        let Some(gpu) = found else { break };
        out.push(Gpu { index: out.len() as u32, ..gpu.clone() });
    }
    Ok(out)
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
}
