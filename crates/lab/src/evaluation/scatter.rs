//! Predicted over measured, both on logarithmic axes, as SVG.

use edgezen_core::predictor::metrics::Pair;
use std::fmt::Write;

const SIDE: f64 = 480.0;
const MARGIN: f64 = 48.0;
/// More points than this only make the file larger; they are thinned out evenly.
const MAX_POINTS: usize = 5_000;
/// Lines beside the diagonal.
const BAND: f64 = 0.10;

/// One point for each pair, in milliseconds; the diagonal, and a band of ±10 % around it.
pub fn draw(title: &str, pairs: &[Pair]) -> String {
    let values = pairs.iter().flat_map(|pair| [pair.predicted, pair.measured]).filter(|v| *v > 0.0);
    let (low, high) =
        values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
    let (low, high) = if low < high { (low.log10(), high.log10()) } else { (0.0, 1.0) };
    let scale = (SIDE - 2.0 * MARGIN) / (high - low);
    let x = |ns: f64| MARGIN + (ns.log10() - low) * scale;
    let y = |ns: f64| SIDE - MARGIN - (ns.log10() - low) * scale;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIDE} {SIDE}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{SIDE}\" height=\"{SIDE}\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"20\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">measured, ms</text>\n\
         <text x=\"{MARGIN}\" y=\"38\">predicted, ms (lines: ±{:.0} %)</text>\n",
        escape(title),
        SIDE - MARGIN,
        SIDE - 8.0,
        100.0 * BAND
    );
    let (first, last) = (low.ceil() as i32, high.floor() as i32);
    for decade in first..=last {
        let ns = 10_f64.powi(decade);
        let label = format!("{}", ns / 1e6);
        let (at_x, at_y, end) = (x(ns), y(ns), SIDE - MARGIN);
        let _ = writeln!(
            out,
            "<path d=\"M{at_x:.1} {MARGIN}V{end}M{MARGIN} {at_y:.1}H{end}\" stroke=\"#ddd\"/>\n\
             <text x=\"{at_x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            end + 14.0,
            MARGIN - 4.0,
            at_y + 4.0
        );
    }
    let (low_ns, high_ns) = (10_f64.powf(low), 10_f64.powf(high));
    for (factor, colour) in [(1.0, "#444"), (1.0 + BAND, "#bbb"), (1.0 / (1.0 + BAND), "#bbb")] {
        let (from, to) = (low_ns * factor, high_ns * factor);
        let _ = writeln!(
            out,
            "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{colour}\"/>",
            x(low_ns),
            y(from),
            x(high_ns),
            y(to)
        );
    }
    out += "<g fill=\"#1b6ca8\" fill-opacity=\"0.35\">\n";
    let step = pairs.len().div_ceil(MAX_POINTS).max(1);
    for pair in pairs.iter().step_by(step).filter(|pair| pair.predicted > 0.0 && pair.measured > 0.0) {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"1.6\"/>",
            x(pair.measured),
            y(pair.predicted)
        );
    }
    out + "</g>\n</svg>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_a_point_and_titles_are_escaped() {
        let pair = |predicted: f64, measured: f64| Pair { predicted, interval: None, measured };
        let text = draw("a < b", &[pair(1e6, 2e6), pair(3e5, 3e5), pair(5e6, 4e6)]);
        assert_eq!(text.matches("<circle").count(), 3);
        assert!(text.contains("a &lt; b") && !text.contains("NaN"), "{text}");
        assert!(!draw("one", &[pair(1.0, 1.0)]).contains("NaN"));
        assert!(!draw("none", &[]).contains("inf"));
    }
}
