//! Whether a runtime computes what tract computes: the same network, weights and input. A runtime that computes something else
//! is not timed, because a wrong run may be a fast one.

use super::weights;
use super::{Engine, EngineError, Loaded, Tensor, Tract};
use edgezen_core::plainnet::Graph;
use edgezen_core::plainnet::graph::Op;

/// How near the outputs must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// The largest difference, relative to the largest value.
    Relative(f64),
    /// The least cosine of the angle between the outputs, as vectors.
    Cosine(f64),
}

impl Tolerance {
    /// The one for networks in `precision`.
    pub fn of(precision: &str) -> Tolerance {
        match precision {
            "int8" => Tolerance::Cosine(0.99),
            "fp16" => Tolerance::Relative(2e-2),
            _ => Tolerance::Relative(1e-3),
        }
    }

    /// Compares the outputs of one runtime with those of another.
    ///
    /// # Errors
    /// How they differ.
    pub fn compare(self, ours: &[Tensor], theirs: &[Tensor]) -> Result<(), String> {
        if ours.len() != theirs.len() {
            return Err(format!("{} outputs, not {}", ours.len(), theirs.len()));
        }
        for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
            // Runtimes differ in whether they keep sizes of one.
            if a.data.len() != b.data.len() {
                return Err(format!("output {index} has {} elements, not {}", a.data.len(), b.data.len()));
            }
            if let Some(value) = a.data.iter().find(|value| !value.is_finite()) {
                return Err(format!("output {index} holds {value}"));
            }
            match self {
                Tolerance::Relative(most) => {
                    let scale = b.data.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
                    let pairs = a.data.iter().zip(&b.data);
                    let worst = pairs.map(|(a, b)| f64::from((a - b).abs() / scale)).fold(0.0, f64::max);
                    if worst > most {
                        return Err(format!(
                            "output {index} differs by {worst:.1e} of its largest value; {most:.0e} is allowed"
                        ));
                    }
                }
                Tolerance::Cosine(least) => {
                    let cosine = cosine(&a.data, &b.data);
                    if cosine.is_none_or(|cosine| cosine < least) {
                        let cosine =
                            cosine.map_or("no cosine".into(), |cosine| format!("a cosine of {cosine:.4}"));
                        return Err(format!("output {index} has {cosine} with it; {least} is needed"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// `None` where one of them is zero.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    (lengths > 0.0).then(|| dot(a, b) / lengths)
}

/// Runs `loaded`, which is `graph` in another runtime, and tract on the same inputs, and compares the outputs. Both have
/// weights drawn from `seed`.
///
/// # Errors
/// [`EngineError::Disagrees`]; or that one of them cannot run.
pub fn check(
    engine: &dyn Engine,
    loaded: &mut dyn Loaded,
    graph: &Graph,
    (batch, seed): (u32, u64),
    tolerance: Tolerance,
) -> Result<(), EngineError> {
    let is_input = |&index: &usize| graph.nodes[index].op == Op::Input;
    let inputs: Vec<Tensor> = (0..graph.nodes.len())
        .filter(is_input)
        .map(|index| weights::input(graph, index, batch.max(1), seed))
        .collect();
    let theirs = Tract.load(graph, batch, seed)?.run(&inputs)?;
    tolerance
        .compare(&loaded.run(&inputs)?, &theirs)
        .map_err(|difference| EngineError::Disagrees { engine: engine.name(), difference })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(data: &[f32]) -> Vec<Tensor> {
        vec![Tensor { shape: vec![1, data.len()], data: data.to_vec() }]
    }

    #[test]
    fn outputs_are_near_or_not() {
        let exact = Tolerance::of("fp32");
        let theirs = tensor(&[1.0, -4.0, 0.0]);
        assert_eq!(exact.compare(&tensor(&[1.003, -4.0, 0.0]), &theirs), Ok(()));
        let far = exact.compare(&tensor(&[1.005, -4.0, 0.0]), &theirs).unwrap_err();
        assert!(far.contains("1.2e-3") || far.contains("1.3e-3"), "{far}");
        assert_eq!(Tolerance::of("fp16").compare(&tensor(&[1.07, -4.0, 0.0]), &theirs), Ok(()));
        for bad in [&[1.0, -4.0][..], &[1.0, f32::NAN, 0.0], &[1.0, f32::INFINITY, 0.0]] {
            assert!(exact.compare(&tensor(bad), &theirs).is_err(), "{bad:?}");
        }
        assert!(exact.compare(&[], &theirs).is_err());
        // All zeros agree with all zeros, and with nothing else.
        assert_eq!(exact.compare(&tensor(&[0.0; 3]), &tensor(&[0.0; 3])), Ok(()));
        assert!(exact.compare(&tensor(&[1e-9, 0.0, 0.0]), &tensor(&[0.0; 3])).is_err());
    }

    #[test]
    fn quantised_outputs_point_in_the_same_direction() {
        let coarse = Tolerance::of("int8");
        let theirs = tensor(&[1.0, -4.0, 0.2]);
        assert_eq!(coarse.compare(&tensor(&[1.2, -3.9, 0.0]), &theirs), Ok(()));
        assert!(coarse.compare(&tensor(&[-1.0, 4.0, -0.2]), &theirs).is_err());
        assert!(coarse.compare(&tensor(&[0.0; 3]), &theirs).is_err());
    }
}
