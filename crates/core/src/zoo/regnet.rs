//! RegNet (Radosavovic et al. 2020, "Designing Network Design Spaces"): widths by a line, quantised.

use super::builder::{Net, divisible};
use crate::plainnet::graph::Act;

pub(super) const EXAMPLES: &[&str] = &["regnet_x_3_2gf", "regnety_064"];
const CLASSES: u32 = 1000;
const STEM: u32 = 32;
/// Widths are multiples of this before they are made to fit the groups.
const QUANTUM: f64 = 8.0;

/// A row of the paper's tables 5 and 6: w₀, wₐ, w_m, depth, channels of a group.
type Row = (f64, f64, f64, u32, u32);

static X: [Row; 12] = [
    (24.0, 36.44, 2.49, 13, 8),
    (24.0, 24.48, 2.54, 22, 16),
    (48.0, 36.97, 2.24, 16, 24),
    (56.0, 35.73, 2.28, 16, 16),
    (80.0, 34.01, 2.25, 18, 24),
    (88.0, 26.31, 2.25, 25, 48),
    (96.0, 38.65, 2.43, 23, 40),
    (184.0, 60.83, 2.07, 17, 56),
    (80.0, 49.56, 2.88, 23, 120),
    (168.0, 73.36, 2.37, 19, 112),
    (216.0, 55.59, 2.1, 22, 128),
    (320.0, 69.86, 2.0, 23, 168),
];
static Y: [Row; 12] = [
    (24.0, 36.44, 2.49, 13, 8),
    (48.0, 27.89, 2.09, 16, 8),
    (48.0, 32.54, 2.32, 15, 16),
    (56.0, 38.84, 2.4, 14, 16),
    (48.0, 20.71, 2.65, 27, 24),
    (80.0, 42.63, 2.66, 21, 24),
    (96.0, 31.41, 2.24, 22, 64),
    (112.0, 33.22, 2.27, 25, 72),
    (192.0, 76.82, 2.19, 17, 56),
    (168.0, 73.36, 2.37, 19, 112),
    (200.0, 106.23, 2.48, 18, 112),
    (232.0, 115.89, 2.53, 20, 232),
];
/// The sizes as torchvision spells them, in the order of the tables above, where it has the network.
const TORCHVISION: [Option<&str>; 12] = [
    None,
    Some("400mf"),
    None,
    Some("800mf"),
    Some("1_6gf"),
    Some("3_2gf"),
    None,
    None,
    Some("8gf"),
    None,
    Some("16gf"),
    Some("32gf"),
];
/// The sizes as timm spells them.
const TIMM: [&str; 12] = ["002", "004", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320"];

/// How a width becomes a multiple of the channels of a group. The paper's code and torchvision differ in four networks.
#[derive(Clone, Copy)]
enum Fit {
    /// The nearest multiple, of two equally near ones the even one: the paper's code and timm.
    Nearest,
    /// The nearest multiple, at most 10 % below: torchvision.
    Torchvision,
}

impl Fit {
    fn width(self, width: u32, group: u32) -> u32 {
        let group = group.min(width);
        match self {
            Fit::Nearest => {
                let groups = (f64::from(width) / f64::from(group)).round_ties_even();
                groups as u32 * group
            }
            Fit::Torchvision => divisible(f64::from(width), group),
        }
    }
}

/// The network called `name`, if it is one of these: `regnetx_032` and `regnetx_004_tv` as timm calls them, `regnet_x_3_2gf`
/// as torchvision does.
pub fn by_name(name: &str, side: u32) -> Option<Net> {
    let (squeeze_excite, (rows, place, fit)) =
        match (name.strip_prefix("regnetx_"), name.strip_prefix("regnety_")) {
            (Some(size), _) => (false, of_timm(&X, size)?),
            (_, Some(size)) => (true, of_timm(&Y, size)?),
            _ => {
                let (squeeze_excite, rows, size) = match name.strip_prefix("regnet_x_") {
                    Some(size) => (false, &X, size),
                    None => (true, &Y, name.strip_prefix("regnet_y_")?),
                };
                let place = TORCHVISION.iter().position(|known| *known == Some(size))?;
                (squeeze_excite, (rows, place, Fit::Torchvision))
            }
        };
    Some(regnet(Net::new(3, side), rows.get(place).copied()?, fit, squeeze_excite))
}

/// The rows, the place among them, and how widths fit; `_tv` marks torchvision's variants.
fn of_timm(rows: &'static [Row; 12], size: &str) -> Option<(&'static [Row; 12], usize, Fit)> {
    let (size, fit) = match size.strip_suffix("_tv") {
        Some(size) => (size, Fit::Torchvision),
        None => (size, Fit::Nearest),
    };
    Some((rows, TIMM.iter().position(|known| *known == size)?, fit))
}

/// Widths and depths of the stages: the blocks lie on a line, whose widths are rounded to w₀ times powers of w_m.
fn stages((w0, wa, wm, depth, group): Row, fit: Fit) -> Vec<(u32, u32)> {
    let mut stages: Vec<(u32, u32)> = Vec::new();
    for block in 0..depth {
        let power = ((w0 + wa * f64::from(block)) / w0).ln() / wm.ln();
        let width = w0 * wm.powf(power.round_ties_even());
        let width = ((width / QUANTUM).round_ties_even() * QUANTUM) as u32;
        match stages.last_mut() {
            Some((last, count)) if *last == width => *count += 1,
            _ => stages.push((width, 1)),
        }
    }
    stages.into_iter().map(|(width, count)| (fit.width(width, group), count)).collect()
}

fn regnet(mut net: Net, row: Row, fit: Fit, squeeze_excite: bool) -> Net {
    let group = row.4;
    net.conv(STEM, 3, 2, Act::Relu);
    for (width, count) in stages(row, fit) {
        for block in 0..count {
            let stride = if block == 0 { 2 } else { 1 };
            let (start, in_c) = (net.at, net.channels());
            net.conv(width, 1, 1, Act::Relu);
            net.grouped(width, 3, stride, width / group.min(width), Act::Relu);
            if squeeze_excite {
                // A quarter of what the block reads.
                let hidden = (f64::from(in_c) / 4.0).round_ties_even() as u32;
                net.squeeze_excite(hidden, Act::Sigmoid);
            }
            net.conv(width, 1, 1, Act::None);
            let body = net.at;
            net.at = start;
            if stride > 1 || in_c != width {
                net.conv(width, 1, stride, Act::None);
            }
            net.add(body).act(Act::Relu);
        }
    }
    net.classifier(CLASSES);
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::graph_cost;

    #[test]
    fn networks_have_the_parameters_and_macs_of_timm_and_torchvision() {
        // 10^6 parameters, 10^9 multiply-adds on images of side 224, as timm's and torchvision's tables of results say.
        for (name, params, gmacs) in [
            ("regnetx_002", 2.68, 0.2),
            ("regnetx_004", 5.16, 0.4),
            ("regnetx_004_tv", 5.496, 0.414),
            ("regnetx_006", 6.2, 0.61),
            ("regnetx_008", 7.26, 0.81),
            ("regnetx_016", 9.19, 1.62),
            ("regnetx_032", 15.3, 3.2),
            ("regnetx_040", 22.12, 3.99),
            ("regnetx_064", 26.21, 6.49),
            ("regnetx_080", 39.57, 8.02),
            ("regnetx_120", 46.11, 12.13),
            ("regnetx_160", 54.28, 15.99),
            ("regnetx_320", 107.81, 31.81),
            ("regnety_002", 3.16, 0.2),
            ("regnety_004", 4.34, 0.41),
            ("regnety_006", 6.06, 0.61),
            ("regnety_008", 6.26, 0.81),
            ("regnety_008_tv", 6.43, 0.84),
            ("regnety_016", 11.2, 1.63),
            ("regnety_032", 19.44, 3.2),
            ("regnety_040", 20.65, 4.0),
            ("regnety_064", 30.58, 6.39),
            ("regnety_080", 39.18, 8.0),
            ("regnety_080_tv", 39.38, 8.51),
            ("regnety_120", 51.82, 12.14),
            ("regnety_160", 83.59, 15.96),
            ("regnety_320", 145.05, 32.34),
            ("regnet_x_1_6gf", 9.1901, 1.603),
            ("regnet_y_8gf", 39.3815, 8.473),
            ("regnet_y_3_2gf", 19.4363, 3.176),
        ] {
            let cost = graph_cost::of(&by_name(name, 224).unwrap().graph);
            let (own_params, own_gmacs) = (cost.params as f64 / 1e6, cost.macs as f64 / 1e9);
            assert!((own_params - params).abs() < 0.005 + 0.0002 * params, "{name}: {own_params} {params}");
            // timm counts what normalisations and pools do as well.
            assert!((own_gmacs / gmacs - 1.0).abs() < 0.03, "{name}: {own_gmacs} {gmacs}");
        }
        for bad in ["regnet_x_", "regnet_x_200mf", "regnet_z_1_6gf", "regnetx_005", "regnety_"] {
            assert!(by_name(bad, 224).is_none(), "{bad}");
        }
    }
}
