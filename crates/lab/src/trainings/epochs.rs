//! The epochs of a training as a table.

use serde::Serialize;
use std::fmt::Write;

const HEADER: &str = "epoch,rate,train_loss,test_loss,top1";

/// One line of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: u32,
    /// Of its last step.
    pub rate: f64,
    /// Mean over the steps.
    pub train_loss: f64,
    /// Cross entropy of the images that choose the epoch, without smoothing.
    pub test_loss: f64,
    /// Share of them that are right.
    pub top1: f64,
}

pub fn encode(epochs: &[Epoch]) -> String {
    let mut text = format!("{HEADER}\n");
    for e in epochs {
        let _ = writeln!(text, "{},{},{},{},{}", e.epoch, e.rate, e.train_loss, e.test_loss, e.top1);
    }
    text
}

/// The epochs of a table; `None` where it is none of a training.
pub fn decode(text: &str) -> Option<Vec<Epoch>> {
    let mut lines = text.lines();
    lines.next().filter(|header| *header == HEADER)?;
    lines.map(line).collect()
}

fn line(line: &str) -> Option<Epoch> {
    let mut parts = line.split(',');
    let epoch = parts.next()?.parse().ok()?;
    let mut number = || parts.next()?.parse::<f64>().ok();
    let line = Epoch { epoch, rate: number()?, train_loss: number()?, test_loss: number()?, top1: number()? };
    parts.next().is_none().then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_read_as_they_were_written() {
        let epoch = |epoch, top1| Epoch { epoch, rate: 0.1, train_loss: 2.5, test_loss: f64::INFINITY, top1 };
        let epochs = [epoch(1, 0.25), epoch(2, 1.0 / 3.0)];
        assert_eq!(decode(&encode(&epochs)).unwrap(), epochs);
        assert_eq!(decode(&encode(&[])).unwrap(), []);
        for text in
            ["", "epoch,rate\n", &format!("{HEADER}\n1,2,3,4\n"), &format!("{HEADER}\n1,2,3,4,5,6\n"), "x"]
        {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
