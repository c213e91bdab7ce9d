//! What a network answers for images, computed by the runtime that it is for.

use super::DeployError;
use crate::images::{self, Answers, Pictures, View};
use edgezen_engine::{Loaded, Tensor};

/// The logits of each input.
///
/// # Errors
/// Whatever the runtime says.
pub fn logits(
    network: &mut dyn Loaded,
    engine: &'static str,
    inputs: &[Tensor],
) -> Result<Vec<Tensor>, DeployError> {
    let of = |input: &Tensor| {
        let outputs = network.run(std::slice::from_ref(input))?;
        outputs.into_iter().next().ok_or(DeployError::NoOutput(engine))
    };
    inputs.iter().map(of).collect()
}

/// What the network takes each picture for. `progress` is called after each.
///
/// # Errors
/// Whatever the runtime says; a file that can no longer be read; a network of fewer classes.
pub fn answers(
    network: &mut dyn Loaded,
    engine: &'static str,
    pictures: &Pictures,
    view: &View,
    classes: usize,
    progress: &dyn Fn(),
) -> Result<Answers, DeployError> {
    let mut answers = Answers::default();
    for (index, &label) in pictures.labels().iter().enumerate() {
        let input = images::tensor(view, pictures.picture(index)?.as_ref());
        let outputs = network.run(std::slice::from_ref(&input))?;
        let output = outputs.first().ok_or(DeployError::NoOutput(engine))?;
        if output.data.len() < classes {
            return Err(DeployError::Classes { found: output.data.len(), classes });
        }
        let given = (0..output.data.len()).max_by(|&a, &b| {
            // Of equal ones, which integers often are, the first counts, as elsewhere.
            output.data[a].total_cmp(&output.data[b]).then(b.cmp(&a))
        });
        answers.push(label, given.unwrap_or(0) as u32);
        progress();
    }
    Ok(answers)
}
