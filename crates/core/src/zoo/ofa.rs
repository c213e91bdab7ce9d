//! Once-for-all networks (Cai et al., ICLR 2020) in the space of MobileNetV3 at width 1.0.

use super::builder::{Net, divisible};
use super::{CodeError, Part, Visit, integers, number};
use crate::plainnet::graph::Act;
use std::fmt;
use std::str::FromStr;

pub const STAGES: usize = 5;
pub const SLOTS: usize = 20;
pub const GROUPS: [&str; 7] = ["stage1", "stage2", "stage3", "stage4", "stage5", "stem", "head"];
const WIDTHS: [u32; STAGES] = [24, 40, 80, 112, 160];
const STRIDES: [u32; STAGES] = [2, 2, 2, 1, 2];
const ACTS: [Act; STAGES] = [Act::Relu, Act::Relu, Act::HardSwish, Act::HardSwish, Act::HardSwish];
const SQUEEZE_EXCITE: [bool; STAGES] = [false, true, false, true, true];

/// A once-for-all network: its resolution, the number of blocks of each stage, and the kernel size and expansion of
/// each slot (slot 4 · stage + block). Slots beyond the depth of their stage are kept, but no block uses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ofa {
    pub resolution: u32,
    pub depths: [u8; STAGES],
    pub kernels: [u8; SLOTS],
    pub expansions: [u8; SLOTS],
}

impl Ofa {
    /// # Errors
    /// Values that the space does not have.
    pub fn new(
        resolution: u32,
        depths: &[u32],
        kernels: &[u32],
        expansions: &[u32],
    ) -> Result<Ofa, CodeError> {
        let all = |what: &str, values: &[u32], known: &[u32]| match values.iter().find(|v| !known.contains(v))
        {
            Some(value) => Err(CodeError(format!("{what} {value} is none of {known:?}"))),
            None => Ok(()),
        };
        if !(32..=1024).contains(&resolution) {
            return Err(CodeError(format!("resolution {resolution} is not from 32 to 1024")));
        }
        all("depth", depths, &[2, 3, 4])?;
        all("kernel", kernels, &[3, 5, 7])?;
        all("expansion", expansions, &[3, 4, 6])?;
        let count =
            |what: &str, found: usize, want: usize| CodeError(format!("{found} {what}s instead of {want}"));
        let slots = |what: &str, values: &[u32]| -> Result<[u8; SLOTS], CodeError> {
            let values: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            let found = values.len();
            values.try_into().map_err(|_| count(what, found, SLOTS))
        };
        let depths: Vec<u8> = depths.iter().map(|&value| value as u8).collect();
        let found = depths.len();
        Ok(Ofa {
            resolution,
            depths: depths.try_into().map_err(|_| count("depth", found, STAGES))?,
            kernels: slots("kernel", kernels)?,
            expansions: slots("expansion", expansions)?,
        })
    }

    pub(super) fn each_part(&self, visit: &mut Visit<'_>) {
        visit(number([0, self.resolution, 0, 0]), &|| {
            let mut stem = Net::new(3, self.resolution);
            stem.conv(16, 3, 2, Act::HardSwish);
            let start = stem.at;
            stem.depthwise(3, 1, Act::Relu).conv(16, 1, 1, Act::None).add(start);
            Part::new("stem", stem.graph)
        });
        let (mut channels, mut side) = (16, self.resolution.div_ceil(2));
        for stage in 0..STAGES {
            for block in 0..usize::from(self.depths[stage]) {
                let slot = 4 * stage + block;
                let stride = if block == 0 { STRIDES[stage] } else { 1 };
                let (kernel, expansion) = (u32::from(self.kernels[slot]), u32::from(self.expansions[slot]));
                // What a block reads follows from its stage, its side, and whether it is the first.
                let place = 2 * stage as u32 + u32::from(block == 0);
                visit(number([1 + place, side, kernel, expansion]), &|| {
                    let mut net = Net::new(channels, side);
                    let middle = divisible(f64::from(channels) * f64::from(expansion), 8);
                    net.conv(middle, 1, 1, ACTS[stage]).depthwise(kernel, stride, ACTS[stage]);
                    if SQUEEZE_EXCITE[stage] {
                        net.squeeze_excite(divisible(f64::from(middle) / 4.0, 8), Act::HardSigmoid);
                    }
                    net.conv(WIDTHS[stage], 1, 1, Act::None);
                    if stride == 1 && channels == WIDTHS[stage] {
                        net.add(0);
                    }
                    Part::new(GROUPS[stage], net.graph)
                });
                (channels, side) = (WIDTHS[stage], side.div_ceil(stride));
            }
        }
        visit(number([1 + 2 * STAGES as u32, side, 0, 0]), &|| {
            let mut head = Net::new(channels, side);
            head.conv(960, 1, 1, Act::HardSwish);
            head.then(crate::plainnet::graph::Op::GlobalAvgPool)
                .linear(1280, Act::HardSwish)
                .linear(1000, Act::None);
            Part::new("head", head.graph)
        });
    }
}

impl fmt::Display for Ofa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[u8]| values.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        write!(
            f,
            "{};{};{};{}",
            self.resolution,
            list(&self.depths),
            list(&self.kernels),
            list(&self.expansions)
        )
    }
}

impl FromStr for Ofa {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let parts: Vec<&str> = text.split(';').collect();
        let [resolution, depths, kernels, expansions] = parts[..] else {
            return Err(CodeError(format!("{} parts separated by semicolons instead of 4", parts.len())));
        };
        let resolution = integers(resolution, 1)?[0];
        Ofa::new(
            resolution,
            &integers(depths, STAGES)?,
            &integers(kernels, SLOTS)?,
            &integers(expansions, SLOTS)?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plainnet::lowering;

    #[test]
    fn the_smallest_and_the_largest_network_have_their_published_costs() {
        // The paper's accuracy-latency curves end at about 595 M MACs (all maxima, 224).
        let macs = |d: u32, k: u32, e: u32, resolution: u32| -> f64 {
            let net = Ofa::new(resolution, &[d; STAGES], &[k; SLOTS], &[e; SLOTS]).unwrap();
            let mut macs = 0.0;
            net.each_part(&mut |_, part| {
                macs += lowering::fused(&part().graph).iter().map(|kernel| kernel.macs()).sum::<f64>();
            });
            macs
        };
        let (least, most) = (macs(2, 3, 3, 128), macs(4, 7, 6, 224));
        assert!(least < 60e6 && (500e6..650e6).contains(&most), "{least} {most}");
    }
}
