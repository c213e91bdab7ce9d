//! Trained networks with what is known of each: its chain, its features, its costs.

use super::table::AccuracyTable;
use crate::catalogue::networks::{self, AnyNetwork, NetworkError, Overrides};
use edgezen_core::accuracy::features::{self, Features};
use edgezen_core::plainnet::KernelKind;
use edgezen_core::plainnet::chain::{Chain, ChainError};
use edgezen_core::plainnet::lowering::Lowering;
use edgezen_core::proxy::{Mode, ScoreError};
use edgezen_core::stats;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// A network with its accuracy.
#[derive(Clone, Debug)]
pub struct Trained {
    /// As the table names it.
    pub net: String,
    /// In percent; the mean where the table holds the network several times.
    pub accuracy: f64,
    /// Its rows in the table, counted from 0.
    pub rows: Vec<usize>,
    pub known: Known,
}

/// What the network itself says.
#[derive(Clone, Debug)]
pub struct Known {
    /// `None` where the network is no chain of convolutions.
    pub chain: Option<Chain>,
    /// The features with the Zen-Score in paper mode; `None` without a chain.
    pub features: Option<Features>,
    /// The Zen-Score in reference mode.
    pub reference: Option<f64>,
    pub params: f64,
    pub macs: f64,
    /// Elements that convolutions write.
    pub activations: f64,
    /// Number of convolutions.
    pub layers: f64,
}

/// A row that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    pub net: String,
    pub reason: String,
}

/// Why nothing is known of a network.
#[derive(Debug, thiserror::Error)]
pub enum KnowError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Shape(#[from] edgezen_core::plainnet::ShapeError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Score(#[from] ScoreError),
}

/// The chain of any network.
///
/// # Errors
/// A network that is no chain of convolutions.
pub fn chain(network: &AnyNetwork) -> Result<Chain, ChainError> {
    match network {
        AnyNetwork::PlainNet(model) => Chain::of_model(model),
        AnyNetwork::Encoded(_, encoded) => {
            let parts = encoded.parts();
            Chain::of_graphs(parts.iter().map(|part| &part.graph))
        }
        AnyNetwork::Onnx(_, imported) | AnyNetwork::Tflite(_, imported) => Chain::of_graph(&imported.graph),
    }
}

/// The features of any network, with the Zen-Score in this mode.
///
/// # Errors
/// A network that is no chain of convolutions, or has no Zen-Score.
pub fn features(network: &AnyNetwork, mode: Mode) -> Result<Features, KnowError> {
    Ok(features::of_chain(&chain(network)?, mode)?)
}

impl Known {
    /// What is known of the network `net`.
    ///
    /// # Errors
    /// A text that stands for no network.
    pub fn of(net: &str) -> Result<Known, KnowError> {
        let network = networks::any(net, Overrides::default())?;
        let sections = network.sections(Lowering::Fused)?;
        let (mut params, mut macs, mut activations, mut layers) = (0.0, 0.0, 0.0, 0.0);
        for kernel in sections.iter().flat_map(|section| &section.kernels) {
            let convolution = matches!(kernel.kind, KernelKind::Conv | KernelKind::Dwconv);
            if convolution || kernel.kind == KernelKind::Linear {
                params += kernel.params();
                macs += kernel.macs();
            }
            if convolution && kernel.in_h > 1 {
                let side = f64::from(kernel.out_h()) * f64::from(kernel.out_w());
                activations += f64::from(kernel.out_c) * side;
                layers += 1.0;
            }
        }
        let chain = chain(&network).ok();
        let features = chain.as_ref().and_then(|chain| features::of_chain(chain, Mode::Paper).ok());
        let reference = chain.as_ref().and_then(|chain| features::of_chain(chain, Mode::Reference).ok());
        let reference = reference.map(|features| features[features::ZEN]);
        Ok(Known { chain, features, reference, params, macs, activations, layers })
    }
}

/// The networks of a table, each once: rows of one network are averaged. Rows whose network is not known come second.
pub fn of_table(table: &AccuracyTable) -> (Vec<Trained>, Vec<LeftOut>) {
    let known: Vec<Result<Known, LeftOut>> = table
        .nets
        .par_iter()
        .map(|net| {
            let net = net.as_deref().unwrap_or_default();
            let left_out = |reason: String| LeftOut { net: net.to_owned(), reason };
            if net.is_empty() {
                return Err(left_out("a published name that is not known".into()));
            }
            Known::of(net).map_err(|error| left_out(error.to_string()))
        })
        .collect();
    let mut by_chain: FxHashMap<Chain, usize> = FxHashMap::default();
    let mut by_name: FxHashMap<&str, usize> = FxHashMap::default();
    let (mut trained, mut left_out): (Vec<Trained>, _) = (Vec::new(), Vec::new());
    for (row, (known, net)) in known.into_iter().zip(&table.nets).enumerate() {
        let known = match known {
            Ok(known) => known,
            Err(reason) => {
                left_out.push(reason);
                continue;
            }
        };
        let net = net.as_deref().unwrap_or_default();
        let at = match &known.chain {
            Some(chain) => *by_chain.entry(chain.clone()).or_insert(trained.len()),
            None => *by_name.entry(net).or_insert(trained.len()),
        };
        match trained.get_mut(at) {
            Some(same) => same.rows.push(row),
            None => trained.push(Trained { net: net.to_owned(), accuracy: 0.0, rows: vec![row], known }),
        }
    }
    for network in &mut trained {
        let accuracies: Vec<f64> = network.rows.iter().map(|&row| table.accuracies[row]).collect();
        network.accuracy = stats::mean(&accuracies).unwrap_or_default();
    }
    (trained, left_out)
}

impl Trained {
    /// The mean over its rows of a column of numbers.
    pub fn mean_of(&self, column: &[Option<f64>]) -> Option<f64> {
        let values: Option<Vec<f64>> =
            self.rows.iter().map(|&row| column.get(row).copied().flatten()).collect();
        stats::mean(&values?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::table::KernelTable;

    #[test]
    fn a_network_counts_once_under_all_its_codes() {
        let mut table = KernelTable::empty(4);
        let nets = ["nbm:00000001", "nbm:00000010", "nbm:12221212", "resnet2000"];
        table.set_column("net", nets.map(str::to_owned));
        table.set_column("accuracy", ["64.2", "64.4", "92", "1"].map(str::to_owned));
        let (trained, left_out) = of_table(&AccuracyTable::of(table, None).unwrap());
        assert_eq!(trained.iter().map(|t| t.rows.clone()).collect::<Vec<_>>(), [vec![0, 1], vec![2]]);
        assert!((trained[0].accuracy - 64.3).abs() < 1e-9);
        assert_eq!(left_out.len(), 1);
        assert!(trained[0].known.features.is_some() && trained[1].known.macs > trained[0].known.macs);
    }

    #[test]
    fn costs_are_those_of_the_publisher() {
        let known = Known::of("nbm:00000001").unwrap();
        assert_eq!(known.macs, 14_115_328.0);
    }
}
