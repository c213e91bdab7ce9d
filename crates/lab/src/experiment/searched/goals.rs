//! What the paper searched for, and the networks that it published.

use edgezen_core::search::Quantity;

/// One search of the paper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    pub name: &'static str,
    /// The network that the paper found.
    pub published: &'static str,
    pub space: &'static str,
    /// In the unit of files: a number, or milliseconds per image on [`V100`].
    pub budget: (Quantity, f64),
    /// Most layers, as in the released scripts; absent where none was released: then it follows from the budget.
    pub layers: Option<u32>,
    pub squeeze_excite: bool,
    pub resolution: u32,
    pub classes: u32,
}

/// The paper's protocol: eager PyTorch in half precision, 64 images.
pub const V100: &str = "v100@torch@fp16";

const fn latency(name: &'static str, published: &'static str, ms: f64, layers: u32) -> Goal {
    Goal {
        name,
        published,
        space: "resnet",
        budget: (Quantity::Latency, ms),
        layers: Some(layers),
        squeeze_excite: false,
        resolution: 224,
        classes: 1000,
    }
}

const fn flops(name: &'static str, published: &'static str, flops: f64, layers: Option<u32>) -> Goal {
    let (space, squeeze_excite, budget) = ("mobilenet", true, (Quantity::Flops, flops));
    Goal { name, published, space, budget, layers, squeeze_excite, resolution: 224, classes: 1000 }
}

/// Six latencies on the V100 (figure 1), three numbers of multiply-adds (figure 4), and a number of parameters on CIFAR.
pub const GOALS: [Goal; 10] = [
    latency("0.1 ms", "zennet_imagenet1k_latency01ms_res224", 0.1, 10),
    latency("0.2 ms", "zennet_imagenet1k_latency02ms_res224", 0.2, 13),
    latency("0.3 ms", "zennet_imagenet1k_latency03ms_res224", 0.3, 16),
    latency("0.5 ms", "zennet_imagenet1k_latency05ms_res224", 0.5, 20),
    latency("0.8 ms", "zennet_imagenet1k_latency08ms_res224", 0.8, 25),
    latency("1.2 ms", "zennet_imagenet1k_latency12ms_res224", 1.2, 30),
    flops("400 M", "zennet_imagenet1k_flops400M_SE_res224", 400e6, Some(14)),
    flops("600 M", "zennet_imagenet1k_flops600M_SE_res224", 600e6, Some(14)),
    flops("900 M", "zennet_imagenet1k_flops900M_SE_res224", 900e6, None),
    Goal {
        name: "CIFAR 1 M",
        published: "zennet_cifar10_model_size1M_res32",
        space: "resnet",
        budget: (Quantity::Params, 1e6),
        layers: Some(18),
        squeeze_excite: false,
        resolution: 32,
        classes: 10,
    },
];
