//! Charts of points and lines over two axes.

use super::axis::{self, Axis, Scale};
use super::svg::{Anchor, Drawing, escape, text, text_width};
use std::fmt::Write;

pub struct Chart {
    pub title: String,
    pub x: Label,
    pub y: Label,
    pub series: Vec<Series>,
    /// Vertical lines with a name, such as budgets.
    pub limits: Vec<(f64, String)>,
    /// A line where both axes have the same value; the axes then have the same range.
    pub diagonal: bool,
}

/// What an axis shows, and how.
pub struct Label {
    pub text: String,
    pub scale: Scale,
}

/// How the points of a series are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Line,
    Dots,
    LineAndDots,
    /// Larger, and each with its name.
    Named,
}

pub struct Series {
    pub name: String,
    /// 1 to 8.
    pub colour: usize,
    pub mark: Mark,
    pub points: Vec<Dot>,
}

pub struct Dot {
    pub x: f64,
    /// Absent: the line is broken here.
    pub y: Option<f64>,
    /// A range of x, drawn as a bar.
    pub spread: Option<(f64, f64)>,
    /// Written beside it, if there is room.
    pub name: String,
    /// Shown when the pointer rests on it.
    pub about: String,
    /// The place of the network that it stands for, where a page knows more of it.
    pub net: Option<usize>,
}

impl Dot {
    pub fn new(x: f64, y: f64) -> Dot {
        Dot { x, y: Some(y), spread: None, name: String::new(), about: String::new(), net: None }
    }
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 290.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 42.0;
const LINE: f64 = 15.0;

/// A rectangle that a label takes: left, top, right, bottom.
type Room = (f64, f64, f64, f64);

impl Chart {
    pub fn draw(&self) -> Drawing {
        let legend = self.legend();
        let top = 12.0 + LINE * legend.len() as f64;
        let (x, y) = self.axes(top);
        let mut body = String::new();
        self.frame(&mut body, &x, &y, top);
        draw_legend(&mut body, &legend);
        self.draw_limits(&mut body, &x, top);
        for series in &self.series {
            series.draw(&mut body, &x, &y);
        }
        // Dots keep labels away from themselves.
        let mut taken: Vec<Room> = Vec::new();
        for dot in self.dots() {
            if let Some(value) = dot.y {
                let (cx, cy) = (x.at(dot.x), y.at(value));
                taken.push((cx - 2.0, cy - 2.0, cx + 2.0, cy + 2.0));
            }
        }
        let named: Vec<&Series> = self.series.iter().filter(|series| series.mark == Mark::Named).collect();
        let points = named.iter().flat_map(|series| &series.points);
        let points: Vec<(f64, f64)> = points.filter_map(|dot| Some((x.at(dot.x), y.at(dot.y?)))).collect();
        for series in named {
            series.names(&mut body, &x, &y, top, &points, &mut taken);
        }
        Drawing { width: WIDTH, height: HEIGHT, title: self.title.clone(), body }
    }

    fn dots(&self) -> impl Iterator<Item = &Dot> {
        self.series.iter().flat_map(|series| &series.points)
    }

    /// The axes that hold all points with their spreads, and the limits; the vertical one begins below `top`.
    fn axes(&self, top: f64) -> (Axis, Axis) {
        let xs = self.dots().flat_map(|dot| {
            let (low, high) = dot.spread.unwrap_or((dot.x, dot.x));
            [low, dot.x, high]
        });
        let xs: Vec<f64> = xs.chain(self.limits.iter().map(|limit| limit.0)).collect();
        let ys: Vec<f64> = self.dots().filter_map(|dot| dot.y).collect();
        let both = || xs.iter().chain(&ys).copied();
        let x_values: Vec<f64> = if self.diagonal { both().collect() } else { xs.clone() };
        let y_values: Vec<f64> = if self.diagonal { both().collect() } else { ys.clone() };
        let x = Axis::around(x_values, self.x.scale, LEFT, WIDTH - RIGHT);
        let y = Axis::around(y_values, self.y.scale, HEIGHT - BOTTOM, top + 4.0);
        (x, y)
    }

    /// A dashed vertical line with its name for each limit.
    fn draw_limits(&self, body: &mut String, x: &Axis, top: f64) {
        for (value, name) in &self.limits {
            let at = x.at(*value);
            let _ =
                writeln!(body, "<path d=\"M{at:.1} {:.1}V{:.1}\" class=\"limit\"/>", top, HEIGHT - BOTTOM);
            let (anchor, shift) = if at > WIDTH / 2.0 { (Anchor::End, -4.0) } else { (Anchor::Start, 4.0) };
            text(body, at + shift, HEIGHT - BOTTOM - 6.0, anchor, "muted small halo", name);
        }
    }

    /// The names of the series, in lines that fit.
    fn legend(&self) -> Vec<Vec<(usize, &str)>> {
        let mut lines: Vec<Vec<(usize, &str)>> = Vec::new();
        let mut at = f64::INFINITY;
        for series in self.series.iter().filter(|series| !series.points.is_empty()) {
            let width = 31.0 + text_width(&series.name);
            if at + width > WIDTH - RIGHT + 16.0 {
                lines.push(Vec::new());
                at = LEFT;
            }
            at += width;
            if let Some(line) = lines.last_mut() {
                line.push((series.colour, &series.name));
            }
        }
        lines
    }

    fn frame(&self, body: &mut String, x: &Axis, y: &Axis, top: f64) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in y.ticks(5) {
            let at = y.at(tick);
            let _ = writeln!(body, "<path d=\"M{LEFT} {at:.1}H{right}\" class=\"grid\"/>");
            text(body, LEFT - 6.0, at + 4.0, Anchor::End, "muted", &axis::label(tick));
        }
        let mut free = f64::NEG_INFINITY;
        for tick in x.ticks(5) {
            let (at, name) = (x.at(tick), axis::label(tick));
            let half = text_width(&name) / 2.0;
            let _ = writeln!(body, "<path d=\"M{at:.1} {bottom:.1}v4\" class=\"grid\"/>");
            if at - half > free && at + half < WIDTH {
                text(body, at, bottom + 16.0, Anchor::Middle, "muted", &name);
                free = at + half + 6.0;
            }
        }
        let _ = writeln!(body, "<path d=\"M{LEFT} {bottom:.1}H{right}\" class=\"grid\"/>");
        text(body, (LEFT + right) / 2.0, HEIGHT - 8.0, Anchor::Middle, "muted", &self.x.text);
        let middle = (top + bottom) / 2.0;
        let _ = writeln!(
            body,
            "<text x=\"11\" y=\"{middle:.1}\" text-anchor=\"middle\" class=\"muted\" transform=\"rotate(-90 11 {middle:.1})\">{}</text>",
            escape(&self.y.text)
        );
        if self.diagonal {
            let _ =
                writeln!(body, "<path d=\"M{LEFT} {bottom:.1}L{right} {:.1}\" class=\"grid\"/>", top + 4.0);
        }
    }
}

/// The names of the series in their colours, line by line.
fn draw_legend(body: &mut String, legend: &[Vec<(usize, &str)>]) {
    for (row, line) in legend.iter().enumerate() {
        let mut at = LEFT;
        for (colour, name) in line {
            let middle = 8.0 + LINE * row as f64;
            let _ = writeln!(
                body,
                "<rect x=\"{at:.1}\" y=\"{:.1}\" width=\"10\" height=\"8\" rx=\"2\" class=\"f{colour}\"/>",
                middle - 4.0
            );
            text(body, at + 15.0, middle + 4.0, Anchor::Start, "", name);
            at += 15.0 + text_width(name) + 16.0;
        }
    }
}

/// A name is nearer to its own point than to any other by this much at least.
const CLEAR: f64 = 2.0;

/// The distance of a point from a rectangle.
fn distance(room: &Room, (x, y): (f64, f64)) -> f64 {
    let beside = (room.0 - x).max(x - room.2).max(0.0);
    let above = (room.1 - y).max(y - room.3).max(0.0);
    beside.hypot(above)
}

impl Series {
    fn draw(&self, body: &mut String, x: &Axis, y: &Axis) {
        let colour = self.colour;
        if matches!(self.mark, Mark::Line | Mark::LineAndDots) {
            let mut path = String::new();
            let mut pen_down = false;
            for dot in &self.points {
                if let Some(value) = dot.y {
                    let step = if pen_down { 'L' } else { 'M' };
                    let _ = write!(path, "{step}{:.1} {:.1}", x.at(dot.x), y.at(value));
                }
                pen_down = dot.y.is_some();
            }
            let _ = writeln!(body, "<path d=\"{path}\" class=\"line k{colour}\"/>");
        }
        if self.mark == Mark::Line {
            return;
        }
        let radius = if self.mark == Mark::Named { 4.2 } else { 2.8 };
        for dot in &self.points {
            let Some(value) = dot.y else { continue };
            let (cx, cy) = (x.at(dot.x), y.at(value));
            if let Some((low, high)) = dot.spread {
                let _ = writeln!(
                    body,
                    "<path d=\"M{:.1} {cy:.1}H{:.1}\" class=\"line k{colour}\" stroke-opacity=\".4\"/>",
                    x.at(low),
                    x.at(high)
                );
            }
            let about = if dot.about.is_empty() {
                String::new()
            } else {
                format!("<title>{}</title>", escape(&dot.about))
            };
            let net = dot.net.map(|place| format!(" data-net=\"{place}\"")).unwrap_or_default();
            let _ = writeln!(
                body,
                "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{radius}\" class=\"f{colour}\"{net}>{about}</circle>"
            );
        }
    }

    /// Writes each name beside its point, in the first of eight places that is free and nearer to its point than to all
    /// other named `points`, so that nobody reads it as the name of another; a name without such a place is left out.
    /// `taken` holds the places that are not free.
    fn names(
        &self,
        body: &mut String,
        x: &Axis,
        y: &Axis,
        top: f64,
        points: &[(f64, f64)],
        taken: &mut Vec<Room>,
    ) {
        for dot in self.points.iter().filter(|dot| !dot.name.is_empty()) {
            let Some(value) = dot.y else { continue };
            let (cx, cy, width) = (x.at(dot.x), y.at(value), text_width(&dot.name) * 1.05);
            let places = [
                (cx + 7.0, cy + 3.5, Anchor::Start),
                (cx - 7.0, cy + 3.5, Anchor::End),
                (cx, cy - 8.0, Anchor::Middle),
                (cx, cy + 15.0, Anchor::Middle),
                (cx + 6.0, cy - 7.0, Anchor::Start),
                (cx - 6.0, cy - 7.0, Anchor::End),
                (cx + 6.0, cy + 14.0, Anchor::Start),
                (cx - 6.0, cy + 14.0, Anchor::End),
            ];
            let room = |(at, base, anchor): (f64, f64, Anchor)| {
                let left = match anchor {
                    Anchor::Start => at,
                    Anchor::Middle => at - width / 2.0,
                    Anchor::End => at - width,
                };
                (left, base - 9.0, left + width, base + 2.0)
            };
            let free = |room: &Room| {
                let inside = room.0 >= LEFT
                    && room.2 <= WIDTH - 2.0
                    && room.1 >= top - 4.0
                    && room.3 <= HEIGHT - BOTTOM;
                inside
                    && taken.iter().all(|t| room.2 < t.0 || t.2 < room.0 || room.3 < t.1 || t.3 < room.1)
                    && points
                        .iter()
                        .filter(|&&point| point != (cx, cy))
                        .all(|&point| distance(room, (cx, cy)) + CLEAR < distance(room, point))
            };
            if let Some(place) = places.into_iter().find(|&place| free(&room(place))) {
                text(body, place.0, place.1, place.2, "small halo", &dot.name);
                taken.push(room(place));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<Dot>, mark: Mark) -> Chart {
        let label = || Label { text: "x".into(), scale: Scale::Linear };
        let series = vec![Series { name: "s".into(), colour: 1, mark, points }];
        Chart { title: "t".into(), x: label(), y: label(), series, limits: Vec::new(), diagonal: false }
    }

    #[test]
    fn missing_points_break_the_line() {
        let mut points: Vec<Dot> = (0..4).map(|i| Dot::new(f64::from(i), f64::from(i * i))).collect();
        points[1].y = None;
        let text = chart(points, Mark::Line).draw().inline();
        let path = text.lines().find(|line| line.contains("k1")).unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    }

    #[test]
    fn hostile_names_stay_text_and_labels_do_not_collide() {
        let named = |i: i32| Dot { name: "<b>&\"".into(), ..Dot::new(f64::from(i), 1.0) };
        let text = chart((0..3).map(named).collect(), Mark::Named).draw().standalone();
        assert!(!text.contains("<b>") && text.contains("&lt;b&gt;&amp;&quot;"));
        assert_eq!(text.matches("small halo").count(), 3);
        let text = chart((0..40).map(named).collect(), Mark::Named).draw().standalone();
        assert!(text.matches("small halo").count() < 30);
    }

    #[test]
    fn a_name_stands_nearest_to_its_own_point() {
        // The first point has no free place but between the two, where its name would be taken for the other's.
        let named = |name: &str, x: f64, y: f64| Dot { name: name.into(), ..Dot::new(x, y) };
        for gap in [0.2, 0.5, 1.0, 2.0, 4.0] {
            let points = vec![
                named("first name", 5.0, 5.0),
                named("second name", 5.0 + gap, 5.0 + gap / 4.0),
                named("corner", 0.0, 0.0),
                named("edge", 10.0, 10.0),
            ];
            let text = chart(points, Mark::Named).draw().inline();
            let attribute = |line: &str, name: &str| -> f64 {
                let rest = line.split(&format!(" {name}=\"")).nth(1).unwrap();
                rest.split('"').next().unwrap().parse().unwrap()
            };
            let circles: Vec<(f64, f64)> = text
                .lines()
                .filter(|line| line.starts_with("<circle"))
                .map(|line| (attribute(line, "cx"), attribute(line, "cy")))
                .collect();
            assert_eq!(circles.len(), 4);
            for (i, name) in ["first name", "second name"].into_iter().enumerate() {
                let Some(line) = text.lines().find(|line| line.contains(&format!(">{name}<"))) else {
                    continue;
                };
                let (at, base) = (attribute(line, "x"), attribute(line, "y"));
                let width = text_width(name) * 1.05;
                let left = match line {
                    _ if line.contains("\"end\"") => at - width,
                    _ if line.contains("\"middle\"") => at - width / 2.0,
                    _ => at,
                };
                let room = (left, base - 9.0, left + width, base + 2.0);
                let nearest = (0..4)
                    .min_by(|&a, &b| distance(&room, circles[a]).total_cmp(&distance(&room, circles[b])));
                assert_eq!(nearest, Some(i), "{name} at a gap of {gap}");
            }
        }
    }
}
