//! The one feature extractor: a kernel in, physical quantities out, for fitting and for predicting.
//!
//! Features come in two roles. *Costs* are amounts of work (MACs, bytes, elements); a kernel's time is
//! modelled as a sum of them with non-negative prices. *Shapes* describe how the work is laid out
//! (tiles, waves, alignment) and are what trees split on. Predictor files name features, so a name
//! never changes its meaning; a new meaning gets a new name.

mod lists;
mod rounding;
mod tract_kernels;

pub use lists::{RARE, coarse_costs, costs, mobile_costs, positions, powers, shapes};

use crate::plainnet::Kernel;
use crate::plainnet::graph::Act;
use crate::predictor::roofline::Roofline;
use rounding::ceil;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// One named quantity of a kernel.
pub struct Feature {
    pub name: &'static str,
    pub unit: &'static str,
    of: fn(&Quantities) -> f64,
}

impl Feature {
    /// The value for the kernel behind `quantities`: finite and not negative.
    pub fn of(&self, quantities: &Quantities) -> f64 {
        (self.of)(quantities)
    }
}

/// What features are made of; computed once per kernel.
#[derive(Clone, Copy, Debug)]
pub struct Quantities {
    kernel: Kernel,
    machine: Machine,
    batch: f64,
    in_c: f64,
    out_c: f64,
    in_h: f64,
    taps: f64,
    fan_in: f64,
    /// Rows of the matrix product: output pixels of the whole batch.
    rows: f64,
    /// Multiply-accumulates of the whole batch.
    macs: f64,
    /// Elements of the input map, without second operands.
    input: f64,
    output: f64,
    params: f64,
    bytes: f64,
    /// How the matrix product falls into tiles, for each of [`TILES`], where several features need it.
    tilings: Option<[Tiling; TILES.len()]>,
    /// How tract would compute it on a CPU, likewise.
    tract: Option<tract_kernels::Choice>,
}

/// Rows and columns of the tiles that GPU kernels come in.
const TILES: [(f64, f64); 7] = [
    (256.0, 128.0),
    (128.0, 256.0),
    (128.0, 128.0),
    (256.0, 64.0),
    (128.0, 64.0),
    (64.0, 64.0),
    (128.0, 32.0),
];

/// One of [`TILES`], by its place there.
#[derive(Clone, Copy)]
enum Tile {
    R256C128,
    R128C256,
    R128C128,
    R256C64,
    R128C64,
    R64C64,
    R128C32,
}

#[derive(Clone, Copy, Debug)]
struct Tiling {
    tiles: f64,
    /// Rounds in which the multiprocessors work them off.
    waves: f64,
}

/// Bytes of one element of `precision`; fp32 where the name says nothing.
pub fn bytes_per_element(precision: &str) -> f64 {
    match precision {
        "fp16" | "bf16" => 2.0,
        "int8" | "uint8" => 1.0,
        // Weights of 8 bit; activations of 8 or 16.
        precision if precision.starts_with("w8a8") => 1.0,
        precision if precision.starts_with("w8a16") => 2.0,
        _ => 4.0,
    }
}

/// What features need to know of the device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    pub bytes_per_element: f64,
    /// Multiprocessors of a GPU, over which tiles are dealt out in waves; 1 where there are none.
    processors: f64,
    /// Nanoseconds.
    per_mac: f64,
    per_byte: f64,
    launch: f64,
    /// Whether what several features share is found once for each kernel, before any of them asks.
    tilings: bool,
    tract: bool,
}

impl Machine {
    pub fn new(precision: &str, roofline: &Roofline) -> Machine {
        Machine {
            bytes_per_element: bytes_per_element(precision),
            processors: f64::from(roofline.processors.unwrap_or(1).max(1)),
            per_mac: 1.0 / roofline.peak_gmacs_per_s,
            per_byte: 1.0 / roofline.gbytes_per_s,
            launch: roofline.launch_ns,
            tilings: true,
            tract: false,
        }
    }

    /// The same for these features alone, all others of which take longer.
    #[must_use]
    pub fn for_features(self, features: &[Named]) -> Machine {
        let any = |prefixes: &[&str]| {
            features.iter().any(|feature| prefixes.iter().any(|prefix| feature.0.name.starts_with(prefix)))
        };
        let tract = self.processors <= 1.0 && any(&["tract_"]);
        Machine { tilings: any(&["waves_", "fill_", "work_", "tiles_", "waved_"]), tract, ..self }
    }
}

impl Quantities {
    pub fn of(kernel: &Kernel, machine: &Machine) -> Quantities {
        let bytes_per_element = machine.bytes_per_element;
        let batch = f64::from(kernel.batch);
        let all_rows = kernel.weighted_pixels();
        let all_columns = f64::from(kernel.out_c);
        let mut quantities = Quantities {
            kernel: *kernel,
            machine: *machine,
            batch,
            in_c: f64::from(kernel.in_c),
            out_c: all_columns,
            in_h: f64::from(kernel.in_h),
            taps: f64::from(kernel.taps()),
            fan_in: kernel.fan_in(),
            rows: all_rows,
            macs: kernel.macs(),
            input: batch * f64::from(kernel.in_c) * f64::from(kernel.in_h) * f64::from(kernel.in_w),
            output: kernel.output_elements(),
            params: kernel.params(),
            bytes: kernel.bytes(bytes_per_element),
            tilings: None,
            tract: None,
        };
        if machine.tilings {
            quantities.tilings = Some(TILES.map(|tile| quantities.tiled_by(tile)));
        }
        if machine.tract {
            quantities.tract = Some(quantities.chosen());
        }
        quantities
    }

    fn tiled_by(&self, (rows, columns): (f64, f64)) -> Tiling {
        let tiles = ceil(self.rows / rows) * ceil(self.out_c / columns);
        Tiling { tiles, waves: ceil(tiles / self.machine.processors) }
    }
    fn tiling(&self, tile: Tile) -> Tiling {
        match &self.tilings {
            Some(tilings) => tilings[tile as usize],
            None => self.tiled_by(TILES[tile as usize]),
        }
    }
    fn chosen(&self) -> tract_kernels::Choice {
        let pixels = u64::from(self.kernel.out_h()) * u64::from(self.kernel.out_w());
        tract_kernels::choice(self.kernel.out_c.into(), self.fan_in.max(1.0), pixels.max(1))
    }

    pub fn macs(&self) -> f64 {
        self.macs
    }
    pub fn bytes(&self) -> f64 {
        self.bytes
    }
    pub fn fan_in(&self) -> f64 {
        self.fan_in
    }

    /// Millions of bytes of so many elements.
    fn mb(&self, elements: f64) -> f64 {
        elements * self.machine.bytes_per_element * MEGA
    }
    /// Matrix product with rows, columns and depth rounded up to whole tiles, in MACs.
    fn tiled(&self, rows: f64, columns: f64, depth: f64) -> f64 {
        let groups = f64::from(self.kernel.groups.max(1));
        let up = |value: f64, tile: f64| ceil(value / tile) * tile;
        groups * up(self.rows, rows) * up(self.out_c / groups, columns) * up(self.fan_in, depth)
    }
    /// Nanoseconds at the device's peak rates.
    fn compute_ns(&self) -> f64 {
        self.macs * self.machine.per_mac
    }
    fn memory_ns(&self) -> f64 {
        self.bytes * self.machine.per_byte
    }
    /// Rounds in which the multiprocessors work off tiles.
    fn waves(&self, tile: Tile) -> f64 {
        self.tiling(tile).waves
    }
    /// How far those rounds are filled: 1 is full.
    fn fill(&self, tile: Tile) -> f64 {
        let Tiling { tiles, waves } = self.tiling(tile);
        tiles / (waves * self.machine.processors)
    }
    /// Work done in those rounds for each MAC that is needed: idle multiprocessors count as busy.
    fn work(&self, tile: Tile) -> f64 {
        let depth = ceil(self.fan_in / 32.0) * 32.0;
        let rounds = self.waves(tile) * self.machine.processors;
        let (rows, columns) = TILES[tile as usize];
        rounds * rows * columns * depth / self.macs.max(1.0)
    }
    /// The MACs of whole rounds of tiles; nothing where the multiprocessors are not counted.
    fn waved(&self, tile: Tile) -> f64 {
        when(self.machine.processors > 1.0, self.work(tile) * self.macs)
    }
    fn tiles(&self, tile: Tile) -> f64 {
        self.tiling(tile).tiles
    }
    /// Distinct ways in which windows overlap the edge, both axes together.
    fn zones(&self) -> f64 {
        let reach = (self.kernel.kernel / 2).div_ceil(self.kernel.stride.max(1));
        let along = |side: u32| f64::from(side.min(2 * reach + 1));
        along(self.kernel.out_h()) * along(self.kernel.out_w())
    }
    /// How tract would compute it on a CPU.
    fn tract(&self) -> Option<tract_kernels::Choice> {
        (self.machine.processors <= 1.0).then(|| self.tract.unwrap_or_else(|| self.chosen()))
    }
    fn is_spatial(&self) -> bool {
        self.kernel.kernel > 1
    }
    fn has_slow_act(&self) -> bool {
        !matches!(self.kernel.act, Act::None | Act::Relu | Act::Relu6)
    }
}

const MEGA: f64 = 1e-6;
/// Elements of the maps of a kernel that stay on the chip of an accelerator: 2^20.
const ON_CHIP: f64 = 1_048_576.0;

/// `value` where `condition` holds, else nothing.
fn when(condition: bool, value: f64) -> f64 {
    if condition { value } else { 0.0 }
}

macro_rules! features {
    ($($name:literal [$unit:literal] = $of:expr;)*) => {
        &[$(Feature { name: $name, unit: $unit, of: $of }),*]
    };
}

/// Every feature, costs first.
pub static ALL: &[Feature] = features! {
    // Costs.
    "launch" ["1"] = |_| 1.0;
    "mmacs" ["10^6 MAC"] = |q| q.macs * MEGA;
    "pointwise_mmacs" ["10^6 MAC"] = |q| when(!q.is_spatial() && q.kernel.groups <= 1, q.macs * MEGA);
    "spatial_mmacs" ["10^6 MAC"] = |q| when(q.is_spatial() && q.kernel.groups <= 1, q.macs * MEGA);
    "grouped_mmacs" ["10^6 MAC"] = |q| when(q.kernel.groups > 1, q.macs * MEGA);
    "tiled_mmacs" ["10^6 MAC"] = |q| q.tiled(64.0, 64.0, 32.0) * MEGA;
    // Whole rounds of the multiprocessors, where it is known how many there are.
    "waved_128_mmacs" ["10^6 MAC"] = |q| q.waved(Tile::R128C128) * MEGA;
    "waved_64_mmacs" ["10^6 MAC"] = |q| q.waved(Tile::R64C64) * MEGA;
    "lane_mmacs" ["10^6 MAC"] = |q| q.tiled(1.0, 16.0, 1.0) * MEGA;
    "dw3_mmacs" ["10^6 MAC"] = |q| when(q.kernel.kernel <= 3, q.macs * MEGA);
    "dw5_mmacs" ["10^6 MAC"] = |q| when((4..=5).contains(&q.kernel.kernel), q.macs * MEGA);
    "dw7_mmacs" ["10^6 MAC"] = |q| when(q.kernel.kernel > 5, q.macs * MEGA);
    "dw_strided_mmacs" ["10^6 MAC"] = |q| when(q.kernel.stride > 1, q.macs * MEGA);
    // Runtimes treat each way of leaving the map (left, right, top, …) on its own, channel by channel.
    "dw_zones" ["10^3"] = |q| q.batch * q.out_c * q.zones() * 1e-3;
    "channels" ["10^3"] = |q| q.batch * q.out_c * 1e-3;
    "rows" ["10^3"] = |q| q.batch * q.out_c * f64::from(q.kernel.out_h()) * 1e-3;
    "im2col_mb" ["MB"] = |q| when(q.is_spatial() && q.kernel.groups <= 1, q.mb(q.rows * q.fan_in));
    "input_mb" ["MB"] = |q| q.mb(q.input);
    "spatial_input_mb" ["MB"] = |q| when(q.is_spatial(), q.mb(q.input));
    "pointwise_input_mb" ["MB"] = |q| when(!q.is_spatial(), q.mb(q.input));
    "output_mb" ["MB"] = |q| q.mb(q.output);
    // A strided 1×1 convolution first gathers the pixels that it uses.
    "gathered_mb" ["MB"] = |q| when(!q.is_spatial() && q.kernel.stride > 1, q.mb(q.rows * q.in_c));
    "weight_mb" ["MB"] = |q| q.mb(q.params);
    // Beyond what a cache keeps from one run to the next.
    "cold_weight_mb" ["MB"] = |q| (q.mb(q.params) - 1.0).max(0.0);
    "bytes_mb" ["MB"] = |q| q.bytes * MEGA;
    "residual_mb" ["MB"] = |q| when(q.kernel.residual, q.mb(q.output));
    "unfused_act_mb" ["MB"] = |q| when(q.is_spatial() && q.kernel.act != Act::None, q.mb(q.output));
    "slow_act_mb" ["MB"] = |q| when(q.has_slow_act(), q.mb(q.output));
    // Runtimes that compute other activations on integers by a table have none for this one.
    "hard_swish_mb" ["MB"] = |q| when(q.kernel.act == Act::HardSwish, q.mb(q.output));
    // Beyond what accelerators keep on the chip from one kernel to the next.
    "spilled_melements" ["10^6"] = |q| (q.input + q.output - ON_CHIP).max(0.0) * MEGA;
    // Layer normalisations, activations without a name here, and other passes over a map.
    "pass_mb" ["MB"] = |q| when(q.kernel.act == Act::None, q.bytes * MEGA);
    "grouped" ["1"] = |q| when(q.kernel.groups > 1, 1.0);
    "window_melements" ["10^6"] = |q| q.output * q.taps * MEGA;
    // Shapes.
    "batch" ["1"] = |q| q.batch;
    "in_c" ["1"] = |q| q.in_c;
    "out_c" ["1"] = |q| q.out_c;
    "in_h" ["1"] = |q| q.in_h;
    "out_h" ["1"] = |q| f64::from(q.kernel.out_h());
    "kernel" ["1"] = |q| f64::from(q.kernel.kernel);
    "stride" ["1"] = |q| f64::from(q.kernel.stride);
    "residual" ["1"] = |q| when(q.kernel.residual, 1.0);
    "out_pixels" ["1"] = |q| q.rows;
    "fan_in" ["1"] = |q| q.fan_in;
    "intensity" ["MAC/B"] = |q| q.macs / q.bytes.max(1.0);
    "channel_ratio" ["1"] = |q| q.out_c / q.in_c.max(1.0);
    "tile_fill" ["1"] = |q| q.macs / q.tiled(128.0, 128.0, 32.0).max(1.0);
    "tiles_128" ["1"] = |q| q.tiles(Tile::R128C128);
    "tiles_64" ["1"] = |q| q.tiles(Tile::R64C64);
    "roofline_us" ["µs"] = |q| (q.machine.launch + q.compute_ns().max(q.memory_ns())) * 1e-3;
    "compute_us" ["µs"] = |q| q.compute_ns() * 1e-3;
    "memory_us" ["µs"] = |q| q.memory_ns() * 1e-3;
    "waves_256x128" ["1"] = |q| q.waves(Tile::R256C128);
    "waves_128x128" ["1"] = |q| q.waves(Tile::R128C128);
    "waves_128x64" ["1"] = |q| q.waves(Tile::R128C64);
    "waves_64x64" ["1"] = |q| q.waves(Tile::R64C64);
    "fill_256x128" ["1"] = |q| q.fill(Tile::R256C128);
    "fill_128x128" ["1"] = |q| q.fill(Tile::R128C128);
    "fill_128x64" ["1"] = |q| q.fill(Tile::R128C64);
    "fill_64x64" ["1"] = |q| q.fill(Tile::R64C64);
    "fill_128x256" ["1"] = |q| q.fill(Tile::R128C256);
    "fill_256x64" ["1"] = |q| q.fill(Tile::R256C64);
    "fill_128x32" ["1"] = |q| q.fill(Tile::R128C32);
    "work_256x128" ["1"] = |q| q.work(Tile::R256C128);
    "work_128x256" ["1"] = |q| q.work(Tile::R128C256);
    "work_128x128" ["1"] = |q| q.work(Tile::R128C128);
    "work_256x64" ["1"] = |q| q.work(Tile::R256C64);
    "work_128x64" ["1"] = |q| q.work(Tile::R128C64);
    "work_64x64" ["1"] = |q| q.work(Tile::R64C64);
    "work_128x32" ["1"] = |q| q.work(Tile::R128C32);
    "map_warps" ["1"] = |q| q.batch * ceil(f64::from(q.kernel.out_h() * q.kernel.out_w()) / 32.0);
    "pixel_remainder" ["1"] = |q| (f64::from(q.kernel.out_h() * q.kernel.out_w()) / 32.0).fract();
    "side_remainder" ["1"] = |q| f64::from(q.kernel.out_h() % 4);
    "in_c_remainder" ["1"] = |q| f64::from(q.kernel.in_c % 32);
    "out_c_remainder" ["1"] = |q| f64::from(q.kernel.out_c % 64);
    "activation" ["1"] = |q| when(q.kernel.act != Act::None, 1.0);
    // What kernels of processors with wide registers do in vain.
    "padding_32" ["1"] = |q| ceil(q.out_c / 32.0) * 32.0 / q.out_c;
    // Nothing on GPUs.
    "tract_rows" ["1"] = |q| q.tract().map_or(0.0, |choice| choice.rows);
    "tract_columns" ["1"] = |q| q.tract().map_or(0.0, |choice| choice.columns);
    "tract_ps_per_mac" ["ps/MAC"] = |q| q.tract().map_or(0.0, |choice| 1e3 * choice.ns * q.batch / q.macs.max(1.0));
    "map_bytes" ["B"] = |q| q.input * q.machine.bytes_per_element;
};

/// The feature called `name`.
pub fn by_name(name: &str) -> Option<&'static Feature> {
    ALL.iter().find(|feature| feature.name == name)
}

/// A feature by reference; in files, its name.
#[derive(Clone, Copy)]
pub struct Named(pub &'static Feature);

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Named) -> bool {
        self.0.name == other.0.name
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name)
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Named, D::Error> {
        let name = String::deserialize(deserializer)?;
        by_name(&name).map(Named).ok_or_else(|| serde::de::Error::custom(format!("unknown feature {name:?}")))
    }
}

/// The features called `names`.
pub fn named(names: &[&str]) -> Vec<Named> {
    names.iter().filter_map(|name| by_name(name).map(Named)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::KernelKind;

    #[test]
    fn names_are_unique_and_lists_resolve() {
        for (i, feature) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|other| other.name != feature.name), "{} twice", feature.name);
        }
        for kind in KernelKind::ALL {
            for list in [costs(kind), coarse_costs(kind), shapes(kind), positions(kind)] {
                assert_eq!(named(list).len(), list.len(), "{kind}: a name does not resolve");
            }
        }
    }

    #[test]
    fn quantities_by_hand() {
        let kernel = Kernel {
            kind: KernelKind::Conv,
            batch: 2,
            in_c: 16,
            out_c: 24,
            in_h: 10,
            in_w: 10,
            kernel: 3,
            stride: 2,
            groups: 1,
            act: Act::Relu,
            residual: true,
            window: None,
        };
        let roofline = Roofline {
            peak_gmacs_per_s: 100.0,
            gbytes_per_s: 10.0,
            launch_ns: 1000.0,
            processors: Some(4),
            source: String::new(),
        };
        let q = Quantities::of(&kernel, &Machine::new("fp32", &roofline));
        let value = |name: &str| by_name(name).unwrap().of(&q);
        // 2 images × 5×5 pixels × 24 channels × 16·9 weights.
        assert!((value("mmacs") - 2.0 * 25.0 * 24.0 * 144.0 * 1e-6).abs() < 1e-12);
        assert!((value("im2col_mb") - 50.0 * 144.0 * 4e-6).abs() < 1e-12);
        assert!((value("residual_mb") - 50.0 * 24.0 * 4e-6).abs() < 1e-12);
        assert_eq!(value("pointwise_mmacs"), 0.0);
        // One tile of 64 rows × 64 columns × 160 (144 rounded up to 32).
        assert!((value("tiled_mmacs") - 64.0 * 64.0 * 160.0 * 1e-6).abs() < 1e-12);
        // What is found beforehand for some features changes no value.
        for processors in [None, Some(4)] {
            let roofline = Roofline { processors, ..roofline.clone() };
            let usual = Machine::new("fp32", &roofline);
            for list in [vec![], named(&["waves_64x64", "tract_rows"]), named(&["in_c", "tract_columns"])] {
                let q = [usual, usual.for_features(&list)].map(|machine| Quantities::of(&kernel, &machine));
                for feature in ALL {
                    assert_eq!(feature.of(&q[0]).to_bits(), feature.of(&q[1]).to_bits(), "{}", feature.name);
                }
            }
        }
    }
}
