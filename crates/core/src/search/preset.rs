//! The 18 published set-ups of a search, by the names of the released scripts (docs/plainnet.md,
//! section 6.5).
//!
//! All of them follow [`super::Rules::REFERENCE`] and score in reference mode.

use super::budget::Quantity::{self, Flops, Latency, Params};
use super::budget::{Budgets, TrackedDevice};
use crate::plainnet::published;

/// One published set-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// Reference name of the proxy.
    pub proxy: &'static str,
    /// Reference name of the space.
    pub space: &'static str,
    /// What is bounded besides the layers, in the unit of files: a number, or milliseconds per image. The device of a
    /// latency is the caller's choice.
    pub budget: (Quantity, f64),
    pub layers: u32,
    pub batch: u32,
    pub resolution: u32,
    pub classes: u32,
    pub initial: &'static str,
}

impl Preset {
    /// The budgets of the set-up; a latency is bounded on `device`.
    pub fn budgets(&self, device: Option<TrackedDevice>) -> Budgets {
        let mut budgets = Budgets::default();
        budgets.bound(Quantity::Layers, f64::from(self.layers));
        let device = device.map(|device| budgets.track(device));
        let (quantity, limit) = self.budget;
        let limit = quantity.from_reported(limit);
        match (quantity.is_per_device(), device) {
            (true, Some(device)) => budgets.bound_latency(device, crate::units::Latency::from_ns(limit)),
            (true, None) => {}
            (false, _) => budgets.bound(quantity, limit),
        }
        budgets
    }
}

/// The preset called `name`.
pub fn by_name(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}

/// Side of the images, classes, and the initial structure.
type Task = (u32, u32, &'static str);
const CIFAR: Task = (32, 100, published::INIT_CIFAR);
const IMAGENET: Task = (224, 1000, published::INIT_IMAGENET_LATENCY);
const IMAGENET_FLOPS: Task = (224, 1000, published::INIT_IMAGENET_FLOPS);

const fn row(
    name: &'static str,
    proxy: &'static str,
    space: &'static str,
    budget: (Quantity, f64),
    layers: u32,
    batch: u32,
    (resolution, classes, initial): Task,
) -> Preset {
    Preset { name, proxy, space, budget, layers, batch, resolution, classes, initial }
}

/// Name, proxy, space, budget, most layers, batch, task.
pub const ALL: [Preset; 18] = [
    row("Zen_NAS_cifar_params1M", "Zen", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("Flops_NAS_cifar_params1M", "Flops", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("GradNorm_NAS_cifar_params1M", "GradNorm", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("NASWOT_NAS_cifar_params1M", "NASWOT", "XXBL", (Params, 1e6), 18, 8, CIFAR),
    row("Params_NAS_cifar_params1M", "Params", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("Random_NAS_cifar_params1M", "Random", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("Syncflow_NAS_cifar_params1M", "Syncflow", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("TE_NAS_cifar_params1M", "TE-NAS", "XXBL", (Params, 1e6), 18, 64, CIFAR),
    row("Zen_NAS_cifar_params2M", "Zen", "XXBL", (Params, 2e6), 20, 64, CIFAR),
    row("Zen_NAS_ImageNet_latency0.1ms", "Zen", "XXBL", (Latency, 0.1), 10, 64, IMAGENET),
    row("Zen_NAS_ImageNet_latency0.2ms", "Zen", "XXBL", (Latency, 0.2), 13, 64, IMAGENET),
    row("Zen_NAS_ImageNet_latency0.3ms", "Zen", "XXBL", (Latency, 0.3), 16, 64, IMAGENET),
    row("Zen_NAS_ImageNet_latency0.5ms", "Zen", "XXBL", (Latency, 0.5), 20, 64, IMAGENET),
    row("Zen_NAS_ImageNet_latency0.8ms", "Zen", "XXBL", (Latency, 0.8), 25, 64, IMAGENET),
    row("Zen_NAS_ImageNet_latency1.2ms", "Zen", "XXBL", (Latency, 1.2), 30, 64, IMAGENET),
    row("Zen_NAS_ImageNet_flops400M", "Zen", "IDW_fixfc", (Flops, 400e6), 14, 64, IMAGENET_FLOPS),
    row("Zen_NAS_ImageNet_flops600M", "Zen", "IDW_fixfc", (Flops, 600e6), 14, 64, IMAGENET_FLOPS),
    row("Zen_NAS_ImageNet_flops800M", "Zen", "IDW_fixfc", (Flops, 800e6), 16, 64, IMAGENET_FLOPS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::notation;

    #[test]
    fn spaces_and_structures_exist() {
        for preset in ALL {
            assert!(crate::space::by_name(preset.space).is_some(), "{}", preset.name);
            let network = notation::parse(preset.initial).unwrap();
            assert!(network.layers().unwrap() <= preset.layers, "{}", preset.name);
        }
    }
}
