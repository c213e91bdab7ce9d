//! The 18 published set-ups of a search, by the names of the released scripts (docs/plainnet.md,
//! section 6.5).
//!
//! All of them follow [`super::Rules::REFERENCE`] and score in reference mode.

use crate::plainnet::published;

/// What a preset bounds besides the layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    Params(f64),
    Flops(f64),
    /// Per image; the device is the caller's choice.
    LatencyMs(f64),
}

/// One published set-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// Reference name of the proxy.
    pub proxy: &'static str,
    /// Reference name of the space.
    pub space: &'static str,
    pub budget: Budget,
    pub layers: u32,
    pub batch: u32,
    pub resolution: u32,
    pub classes: u32,
    pub initial: &'static str,
}

/// The preset called `name`.
pub fn by_name(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name)
}

pub const ALL: [Preset; 18] = [
    Preset {
        name: "Zen_NAS_cifar_params1M",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Flops_NAS_cifar_params1M",
        proxy: "Flops",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "GradNorm_NAS_cifar_params1M",
        proxy: "GradNorm",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "NASWOT_NAS_cifar_params1M",
        proxy: "NASWOT",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 8,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Params_NAS_cifar_params1M",
        proxy: "Params",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Random_NAS_cifar_params1M",
        proxy: "Random",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Syncflow_NAS_cifar_params1M",
        proxy: "Syncflow",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "TE_NAS_cifar_params1M",
        proxy: "TE-NAS",
        space: "XXBL",
        budget: Budget::Params(1.0e6),
        layers: 18,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Zen_NAS_cifar_params2M",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::Params(2.0e6),
        layers: 20,
        batch: 64,
        resolution: 32,
        classes: 100,
        initial: published::INIT_CIFAR,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency0.1ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(0.1),
        layers: 10,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency0.2ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(0.2),
        layers: 13,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency0.3ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(0.3),
        layers: 16,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency0.5ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(0.5),
        layers: 20,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency0.8ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(0.8),
        layers: 25,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_latency1.2ms",
        proxy: "Zen",
        space: "XXBL",
        budget: Budget::LatencyMs(1.2),
        layers: 30,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_LATENCY,
    },
    Preset {
        name: "Zen_NAS_ImageNet_flops400M",
        proxy: "Zen",
        space: "IDW_fixfc",
        budget: Budget::Flops(400.0e6),
        layers: 14,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_FLOPS,
    },
    Preset {
        name: "Zen_NAS_ImageNet_flops600M",
        proxy: "Zen",
        space: "IDW_fixfc",
        budget: Budget::Flops(600.0e6),
        layers: 14,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_FLOPS,
    },
    Preset {
        name: "Zen_NAS_ImageNet_flops800M",
        proxy: "Zen",
        space: "IDW_fixfc",
        budget: Budget::Flops(800.0e6),
        layers: 16,
        batch: 64,
        resolution: 224,
        classes: 1000,
        initial: published::INIT_IMAGENET_FLOPS,
    },
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
