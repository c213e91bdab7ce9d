//! The weights of a network under the names that its module has in PyTorch, and back.

use super::tree::{Child, Kind, PytorchError, Tree};
use crate::Tensor;
use crate::safetensors::Tensors;
use edgezen_core::plainnet::Model;
use edgezen_core::plainnet::graph::{Graph, Op};
use std::collections::{BTreeMap, BTreeSet};

/// Why weights are not those of a network.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Pytorch(#[from] PytorchError),
    #[error("the modules of this network do not fit its layers at {0}")]
    Order(String),
    #[error("of another network: it has no {0}")]
    Missing(String),
    #[error("of another network: {name} is {there:?} there and {here:?} here")]
    Shape { name: String, there: Vec<usize>, here: Vec<usize> },
    #[error("of another network: nothing here is called {name}, nor {more} others of its tensors")]
    Unknown { name: String, more: usize },
}

/// What wraps a module puts before the names: training on many GPUs, compilation, means over the steps.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];
/// Counters of steps, which PyTorch keeps beside the weights.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];

/// A tensor's name in PyTorch, that in files of weights, and its shape.
struct Name {
    there: String,
    here: String,
    shape: Vec<usize>,
    is_classifier: bool,
}

/// The paths of modules with weights, in running order.
fn paths(children: &[Child], prefix: &str, out: &mut Vec<(String, Kind)>) {
    let modules = children.iter().filter(|child| !matches!(child, Child::Comment(_)));
    for (index, child) in modules.enumerate() {
        let at = format!("{prefix}.{index}");
        match child {
            Child::Comment(_) | Child::Module { kind: Kind::Plain, .. } => {}
            Child::Module { kind, .. } => out.push((at, *kind)),
            Child::Residual { body, projection } => {
                paths(body, &format!("{at}.body"), out);
                if projection.is_some() {
                    out.push((format!("{at}.projection.0"), Kind::Conv));
                    out.push((format!("{at}.projection.1"), Kind::Norm));
                }
            }
            Child::Branches { branches, .. } => {
                for (number, branch) in branches.iter().enumerate() {
                    paths(branch, &format!("{at}.branches.{number}"), out);
                }
            }
            Child::SqueezeExcite { .. } => {
                let inner = [(1, Kind::Conv), (2, Kind::Norm), (4, Kind::Conv), (5, Kind::Norm)];
                out.extend(inner.map(|(place, kind)| (format!("{at}.gate.{place}"), kind)));
            }
        }
    }
}

/// All tensors of a network.
fn names(model: &Model) -> Result<Vec<Name>, StateError> {
    let tree = Tree::of(model)?;
    let graph: Graph = model.graph().map_err(PytorchError::from)?;
    let mut modules = Vec::new();
    paths(&tree.children, "layers", &mut modules);
    let mut modules = modules.into_iter();
    let mut out = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let c = node.shape.c as usize;
        let (kind, tensors) = match node.op {
            Op::Conv { in_c, out_c, kernel, groups, bias, .. } => {
                let weight = [out_c, in_c / groups.max(1), kernel, kernel].map(|n| n as usize).to_vec();
                let bias = bias.then(|| ("bias", vec![c]));
                (Kind::Conv, [("weight", weight)].into_iter().chain(bias).collect::<Vec<_>>())
            }
            Op::Linear { in_c, out_c, bias } => {
                let weight = vec![out_c as usize, in_c as usize];
                let bias = bias.then(|| ("bias", vec![out_c as usize]));
                (Kind::Linear, [("weight", weight)].into_iter().chain(bias).collect())
            }
            Op::BatchNorm => {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                (Kind::Norm, parts.map(|part| (part, vec![c])).to_vec())
            }
            _ => continue,
        };
        let found = modules.next().filter(|(_, found)| *found == kind);
        let (path, _) = found.ok_or_else(|| StateError::Order(format!("n{index}")))?;
        out.extend(tensors.into_iter().map(|(part, shape)| Name {
            there: format!("{path}.{part}"),
            here: format!("n{index}.{part}"),
            shape,
            is_classifier: false,
        }));
    }
    if let Some((path, _)) = modules.next() {
        return Err(StateError::Order(path));
    }
    if let Some(last) = out.iter().rposition(|name| name.shape.len() == 2) {
        out[last].is_classifier = true;
    }
    Ok(out)
}

/// Takes the tensors `from`, by the first of the names, and gives them the second one.
fn renamed<'a>(
    names: impl Iterator<Item = (&'a str, &'a str, &'a [usize])>,
    from: &BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>, StateError> {
    let mut out = BTreeMap::new();
    for (old, new, shape) in names {
        let found = from.get(old).ok_or_else(|| StateError::Missing(old.to_owned()))?;
        if found.shape != shape {
            let (there, here) = (found.shape.clone(), shape.to_vec());
            return Err(StateError::Shape { name: old.to_owned(), there, here });
        }
        out.insert(new.to_owned(), found.clone());
    }
    Ok(out)
}

/// The weights of a training as the state dict of the module.
///
/// # Errors
/// A file of another network.
pub fn to_state_dict(model: &Model, weights: &Tensors) -> Result<Tensors, StateError> {
    let names = names(model)?;
    let names = names.iter().map(|name| (name.here.as_str(), name.there.as_str(), name.shape.as_slice()));
    // What PyTorch's own readers look for.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    Ok(Tensors { metadata, tensors: renamed(names, &weights.tensors)? })
}

/// The state dict of the module as the weights of a training.
///
/// # Errors
/// The state dict of another module.
pub fn from_state_dict(model: &Model, state: &Tensors) -> Result<Tensors, StateError> {
    let names = names(model)?;
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for (name, tensor) in &state.tensors {
        if !COUNTERS.iter().any(|counter| name.ends_with(counter)) {
            tensors.insert(unwrapped(name).to_owned(), tensor.clone());
        }
    }
    let known: BTreeSet<&str> = names.iter().map(|name| name.there.as_str()).collect();
    let mut unknown = tensors.keys().filter(|name| !known.contains(name.as_str()));
    if let Some(name) = unknown.next() {
        return Err(StateError::Unknown { name: name.clone(), more: unknown.count() });
    }
    let names = names.iter().map(|name| (name.there.as_str(), name.here.as_str(), name.shape.as_slice()));
    let metadata = [
        ("structure", model.network.to_string()),
        ("resolution", model.resolution.to_string()),
        ("classes", model.classes.to_string()),
        ("se", model.se.to_string()),
    ];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), value)).into();
    Ok(Tensors { metadata, tensors: renamed(names, &tensors)? })
}

/// How many classes the classifier of a state dict tells apart, as far as it has the one of this network.
///
/// # Errors
/// A structure that makes no module.
pub fn classes(model: &Model, state: &Tensors) -> Result<Option<u32>, StateError> {
    let names = names(model)?;
    let Some(classifier) = names.iter().find(|name| name.is_classifier) else { return Ok(None) };
    let mut found = state.tensors.iter().filter(|(name, _)| unwrapped(name) == classifier.there);
    Ok(found.next().and_then(|(_, tensor)| u32::try_from(*tensor.shape.first()?).ok()))
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgezen_core::plainnet::{notation, published};

    fn weights(model: &Model) -> Tensors {
        let mut file = Tensors::default();
        for (number, name) in names(model).unwrap().into_iter().enumerate() {
            let count = name.shape.iter().product();
            file.tensors.insert(name.here, Tensor { shape: name.shape, data: vec![number as f32; count] });
        }
        file
    }

    #[test]
    fn weights_of_all_published_networks_go_there_and_back() {
        for name in published::names() {
            let model = published::by_name(name).unwrap();
            let model = Model { resolution: model.resolution.min(64), ..model };
            let file = weights(&model);
            let state = to_state_dict(&model, &file).unwrap();
            assert_eq!(from_state_dict(&model, &state).unwrap().tensors, file.tensors, "{name}");
            assert_eq!(classes(&model, &state).unwrap(), Some(model.classes), "{name}");
        }
    }

    #[test]
    fn wrapped_names_are_known_and_other_networks_are_not() {
        let net = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,16,1)";
        let model = Model {
            name: None,
            network: notation::parse(net).unwrap(),
            resolution: 16,
            classes: 3,
            se: false,
        };
        let state = to_state_dict(&model, &weights(&model)).unwrap();
        assert!(state.tensors.contains_key("layers.3.body.0.weight"), "{:?}", state.tensors.keys());
        assert!(state.tensors.contains_key("layers.3.projection.1.running_var"));
        let mut wrapped = Tensors::default();
        for (name, tensor) in &state.tensors {
            wrapped.tensors.insert(format!("module._orig_mod.{name}"), tensor.clone());
        }
        let counter = Tensor { shape: vec![], data: vec![7.0] };
        wrapped.tensors.insert("module.layers.1.num_batches_tracked".into(), counter.clone());
        assert_eq!(from_state_dict(&model, &wrapped).unwrap().tensors, weights(&model).tensors);
        let mut more = state.clone();
        more.tensors.insert("head.weight".into(), counter);
        let said = from_state_dict(&model, &more).unwrap_err().to_string();
        assert!(said.contains("head.weight"), "{said}");
        let mut less = state.clone();
        less.tensors.remove("layers.0.weight");
        let said = from_state_dict(&model, &less).unwrap_err().to_string();
        assert!(said.contains("no layers.0.weight"), "{said}");
        let said = from_state_dict(&Model { classes: 4, ..model }, &state).unwrap_err().to_string();
        assert!(said.contains("[3, 16] there and [4, 16] here"), "{said}");
    }
}
