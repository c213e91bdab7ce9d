//! A range test of the learning rate: a training of some hundred steps whose rate grows from step to step, until the loss is far
//! beyond what it was. What its losses suggest is in [`crate::trainings::rates`].

use super::TrainError;
use super::course::Course;
use crate::trainings::rates::{self, Tried};
use std::ops::ControlFlow;

/// Rates between these, for 256 images a step, are tried: from one that changes nothing to one that nothing is learnt with.
const LOWEST: f64 = 1e-4;
const HIGHEST: f64 = 100.0;
/// Steps from the lowest to the highest rate.
pub const STEPS: u64 = 200;
/// A loss that is so many times the lowest one ends the test.
const BEYOND: f64 = 4.0;

/// The rate of a step, for 256 images.
fn rate(step: u64) -> f64 {
    LOWEST * (HIGHEST / LOWEST).powf(step as f64 / (STEPS - 1) as f64)
}

/// Tries the rates on the network of a course, all of whose layers learn. The course is used up, since its weights are spoilt;
/// nothing in its folder is changed. `progress` gets the number of each step, from 1, and its loss.
///
/// # Errors
/// As in a training; [`TrainError::Interrupted`].
pub fn try_rates(
    mut course: Course<'_>,
    progress: &mut dyn FnMut(u64, f64) -> ControlFlow<()>,
) -> Result<Vec<Tried>, TrainError> {
    course.state.recipe.head_epochs = 0;
    let batch = f64::from(course.state.recipe.batch);
    let in_epoch = course.steps();
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for step in 0..STEPS {
        let lr = rate(step);
        let mut images = course.batch((step / in_epoch) as u32, step % in_epoch)?;
        images.rate = lr * batch / 256.0;
        let loss = course.learn(&images)?;
        if !loss.is_finite() {
            break;
        }
        steps.push((lr, loss));
        if progress(step + 1, loss).is_break() {
            return Err(TrainError::Interrupted { epoch: 1 });
        }
        if rates::is_beyond(&steps, BEYOND) {
            break;
        }
    }
    Ok(rates::smoothed(&steps, batch / 256.0))
}
