//! What is wrong with the shape of a network that a search found: signs that the score, and not a budget, has decided.

use super::{Budgets, Search};
use crate::plainnet::{KernelKind, Model, Network, ShapeError, SuperBlock, SuperKind};
use crate::predictor::extrapolation::{self, Extrapolated, Why};
use crate::space::shape_rules::{self, Load, Stage};
use crate::space::{SearchSpace, ShapeRules, narrowed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A sign of a network that nobody would deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degeneracy {
    pub kind: Kind,
    /// A sentence for people.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Depth or width of a stage beyond what published networks have.
    Shape,
    /// A stage before the last is as wide as the space allows, or the inside of a block is.
    WidthAtCap,
    /// Kernel sizes that the predictor of a bounded latency was not fitted to.
    UnknownKernels,
}

/// What of `blocks` lies outside the domain of each device's predictor.
///
/// # Errors
/// A structure that has no shape.
pub fn extrapolated(
    search: &Search<'_>,
    blocks: &[SuperBlock],
) -> Result<BTreeMap<String, Vec<Extrapolated>>, ShapeError> {
    let model = Model {
        name: None,
        network: Network::from(blocks),
        resolution: search.resolution,
        classes: search.classes,
        se: search.se,
    };
    let mut all = BTreeMap::new();
    for device in search.budgets.devices() {
        let Some(predictor) = device.predictor.of_kernels() else { continue };
        let rows = extrapolation::of(&**predictor, &model.lowered(predictor.lowering())?);
        all.insert(device.name.clone(), rows);
    }
    Ok(all)
}

/// All signs that `blocks`, as a result of `search`, is degenerate, whether or not the search kept the rules of shape;
/// `extrapolated` is what [`extrapolated`] found.
pub fn of(
    search: &Search<'_>,
    blocks: &[SuperBlock],
    extrapolated: &BTreeMap<String, Vec<Extrapolated>>,
) -> Vec<Degeneracy> {
    let mut found = Vec::new();
    let rules: ShapeRules = search.space.shape_rules();
    if let Some(broken) = rules.fullest(blocks).filter(|load| load.share() > 1.0) {
        found.push(Degeneracy { kind: Kind::Shape, text: Load::sentence(&broken) });
    }
    // The last stage of published networks is as wide as that, and wider.
    let most = search.space.max_channels().unsigned_abs();
    let stages = shape_rules::stages(blocks);
    let before_last = stages.len().saturating_sub(1);
    let at_cap = |(i, stage): (usize, &Stage)| stage.hidden >= most || i < before_last && stage.width >= most;
    let at_cap = stages.iter().enumerate().filter(|pair| at_cap(*pair)).count();
    if at_cap > 0 {
        let text =
            format!("{at_cap} of {} stages are as wide as the space allows, {most} channels", stages.len());
        found.push(Degeneracy { kind: Kind::WidthAtCap, text });
    }
    for (index, device) in search.budgets.devices().iter().enumerate() {
        let unknown = extrapolated.get(&device.name).into_iter().flatten();
        // Every network has pooling and a classifier; a search chooses convolutions.
        let chosen =
            unknown.filter(|row| !matches!(row.why, Why::Shape | Why::Lent) && row.kernel.contains("conv"));
        let names: Vec<String> = chosen.map(|row| format!("{} × {}", row.count, row.kernel)).collect();
        if search.budgets.time_limit(index).is_some() && !names.is_empty() {
            let text = format!(
                "{} {} of a size that the predictor of {} was not fitted to",
                names.join(", "),
                if names.len() == 1 { "is" } else { "are" },
                device.name
            );
            found.push(Degeneracy { kind: Kind::UnknownKernels, text });
        }
    }
    found
}

/// The kernel sizes of `space` that the predictor of every bounded latency was fitted to; all of them where
/// there would be none.
pub fn known_sizes(space: &dyn SearchSpace, budgets: &Budgets) -> Vec<u32> {
    let all = narrowed::kernel_sizes(space);
    let bounded = || {
        let devices = budgets.devices().iter().enumerate();
        devices.filter(|(index, _)| budgets.time_limit(*index).is_some()).map(|(_, device)| device)
    };
    let known = |size: u32| {
        bounded().all(|device| {
            let kinds = space.kinds().iter().map(|(kind, _)| *kind);
            let mut windows = kinds.filter(|kind| kind.kernel() == size).map(|kind| {
                if matches!(kind, SuperKind::Inverted { .. }) { KernelKind::Dwconv } else { KernelKind::Conv }
            });
            windows.all(|kind| device.predictor.of_kernels().is_none_or(|known| known.knows(kind, size)))
        })
    };
    let sizes: Vec<u32> = all.iter().copied().filter(|size| known(*size)).collect();
    if sizes.is_empty() { all } else { sizes }
}
