//! Which features each kind of model reads, by kind of kernel. Features are given by name.

use crate::plainnet::KernelKind;

/// Costs of a kernel of `kind`, all that is known to matter on some runtime.
pub fn costs(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => &[
            "launch",
            "pointwise_mmacs",
            "spatial_mmacs",
            "grouped_mmacs",
            "tiled_mmacs",
            "waved_128_mmacs",
            "waved_64_mmacs",
            "lane_mmacs",
            "im2col_mb",
            "spatial_input_mb",
            "pointwise_input_mb",
            "gathered_mb",
            "output_mb",
            "weight_mb",
            "cold_weight_mb",
            "residual_mb",
            "unfused_act_mb",
            "slow_act_mb",
        ],
        KernelKind::Dwconv => &[
            "launch",
            "dw3_mmacs",
            "dw5_mmacs",
            "dw7_mmacs",
            "dw_strided_mmacs",
            "dw_zones",
            "channels",
            "rows",
            "input_mb",
            "output_mb",
            "residual_mb",
            "slow_act_mb",
        ],
        KernelKind::Linear => &["launch", "weight_mb", "cold_weight_mb"],
        KernelKind::Maxpool => &["launch", "window_melements", "input_mb", "output_mb"],
        KernelKind::Pool => &["launch", "channels", "input_mb"],
        // Each channel has a factor of its own, and is begun anew.
        KernelKind::Scale => &["launch", "channels", "bytes_mb", "slow_act_mb"],
        KernelKind::Act => &["launch", "bytes_mb", "slow_act_mb", "hard_swish_mb"],
        KernelKind::Add | KernelKind::Concat => &["launch", "bytes_mb", "slow_act_mb"],
    }
}

/// Costs that few data have. They are priced where a kernel has them; elsewhere, a price without a kernel would only take part in
/// the regularisation of the others.
pub const RARE: &[&str] = &["hard_swish_mb"];

/// The few costs that a handful of whole networks can price.
pub fn coarse_costs(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => &["mmacs", "bytes_mb"],
        KernelKind::Dwconv => &["mmacs"],
        _ => &["bytes_mb"],
    }
}

/// Costs whose powers a generalised linear model multiplies: few, because they are collinear.
pub fn powers(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => {
            &["roofline_us", "mmacs", "tiled_mmacs", "input_mb", "output_mb", "weight_mb", "residual_mb"]
        }
        KernelKind::Dwconv => &["roofline_us", "mmacs", "input_mb", "output_mb", "channels", "residual_mb"],
        KernelKind::Linear => &["roofline_us", "mmacs", "tiled_mmacs", "weight_mb", "output_mb"],
        _ => &["roofline_us", "bytes_mb"],
    }
}

/// What the time of mobile networks is made of on a CPU, for some ten whole networks to price: depthwise
/// convolutions cost several times as much per MAC, wide layers must fetch their weights.
pub fn mobile_costs(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => &["mmacs", "output_mb", "weight_mb"],
        KernelKind::Dwconv => &["mmacs", "output_mb"],
        _ => &["bytes_mb"],
    }
}

/// What trees split on, besides the kinds that have too little to tell.
pub fn shapes(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => &[
            "batch",
            "in_c",
            "out_c",
            "in_h",
            "out_h",
            "kernel",
            "stride",
            "residual",
            "out_pixels",
            "fan_in",
            "mmacs",
            "bytes_mb",
            "weight_mb",
            "map_bytes",
            "output_mb",
            "intensity",
            "tiles_128",
            "tiles_64",
            "waves_128x128",
            "waves_64x64",
            "roofline_us",
            "fill_256x128",
            "fill_128x256",
            "fill_128x128",
            "fill_256x64",
            "fill_128x64",
            "fill_64x64",
            "fill_128x32",
            "work_256x128",
            "work_128x256",
            "work_128x128",
            "work_256x64",
            "work_128x64",
            "work_64x64",
            "work_128x32",
            "map_warps",
            "pixel_remainder",
            "side_remainder",
            "in_c_remainder",
            "out_c_remainder",
        ],
        KernelKind::Dwconv => &[
            "batch",
            "out_c",
            "in_h",
            "kernel",
            "stride",
            "residual",
            "out_pixels",
            "mmacs",
            "bytes_mb",
            "out_c_remainder",
            "map_bytes",
        ],
        _ => &["batch", "in_c", "out_c", "in_h", "kernel", "stride", "mmacs", "bytes_mb"],
    }
}

/// Coordinates in which near kernels are off by about as much.
pub fn positions(kind: KernelKind) -> &'static [&'static str] {
    match kind {
        KernelKind::Conv => &[
            "batch",
            "in_c",
            "out_c",
            "out_h",
            "kernel",
            "stride",
            "residual",
            "activation",
            "padding_32",
            "tract_rows",
            "tract_columns",
            "tract_ps_per_mac",
        ],
        _ => &["batch", "in_c", "out_c", "out_h", "kernel", "stride", "residual", "activation"],
    }
}
