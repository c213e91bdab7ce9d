//! Line charts, small and without a library.

use std::fmt::Write;

/// One chart: lines over a common axis. Missing points end a line.
pub struct Panel {
    pub title: &'static str,
    pub x: &'static str,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, Option<f64>)>,
}

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 220.0;
const MARGIN: f64 = 40.0;
const COLOURS: [&str; 5] = ["#1b6ca8", "#c8553d", "#3a7d44", "#7d5ba6", "#8a8a8a"];

/// The panels, three to a row.
pub fn draw(panels: &[Panel]) -> String {
    let columns = panels.len().clamp(1, 3);
    let rows = panels.len().div_ceil(columns);
    let (width, height) = (WIDTH * columns as f64, HEIGHT * rows as f64);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n"
    );
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = ((i % columns) as f64 * WIDTH, (i / columns) as f64 * HEIGHT);
        let _ = write!(out, "<g transform=\"translate({x} {y})\">\n{}</g>\n", chart(panel));
    }
    out + "</svg>\n"
}

fn chart(panel: &Panel) -> String {
    let known = panel.lines.iter().flat_map(|line| &line.points).filter_map(|&(x, y)| Some((x, y?)));
    let (mut low, mut high) = ((f64::INFINITY, f64::INFINITY), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    for (x, y) in known {
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    if low.0 > high.0 {
        (low, high) = ((0.0, 0.0), (1.0, 1.0));
    }
    let span = |low: f64, high: f64| if high > low { high - low } else { 1.0 };
    let at_x = |x: f64| MARGIN + (x - low.0) / span(low.0, high.0) * (WIDTH - 1.5 * MARGIN);
    let at_y = |y: f64| HEIGHT - MARGIN - (y - low.1) / span(low.1, high.1) * (HEIGHT - 2.0 * MARGIN);
    let mut out = String::new();
    let (left, right, top, bottom) = (MARGIN, WIDTH - 0.5 * MARGIN, MARGIN, HEIGHT - MARGIN);
    let _ = writeln!(
        out,
        "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#444\"/>\n\
         <text x=\"{left}\" y=\"16\" font-weight=\"bold\">{}</text>\n\
         <text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        panel.title,
        HEIGHT - 8.0,
        panel.x
    );
    for share in [0.0, 0.5, 1.0] {
        let (x, y) = (low.0 + share * (high.0 - low.0), low.1 + share * (high.1 - low.1));
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x:.0}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{y:.1}</text>",
            at_x(x),
            bottom + 12.0,
            left - 4.0,
            at_y(y) + 3.0
        );
    }
    for (i, line) in panel.lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let mut path = String::new();
        let mut pen_down = false;
        for &(x, y) in &line.points {
            if let Some(y) = y {
                let _ = write!(path, "{}{:.1} {:.1}", if pen_down { 'L' } else { 'M' }, at_x(x), at_y(y));
            }
            pen_down = y.is_some();
        }
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
            left + 6.0,
            30.0 + 11.0 * i as f64,
            line.name
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_points_break_the_line() {
        let points = vec![(1.0, Some(1.0)), (2.0, None), (3.0, Some(2.0)), (4.0, Some(3.0))];
        let text = draw(&[Panel { title: "t", x: "x", lines: vec![Line { name: "l", points }] }]);
        let path = text.lines().find(|line| line.contains("stroke-width")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    }
}
