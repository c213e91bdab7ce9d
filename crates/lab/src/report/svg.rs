//! Scalable drawings as text. Colours are variables of the page, light or dark; a drawing that stands
//! alone brings them along.

use std::fmt::Write;

/// A drawing: its size in its own units, a name for those who cannot see it, and its elements.
pub struct Drawing {
    pub width: f64,
    pub height: f64,
    pub title: String,
    pub body: String,
}

/// Variables of the colours, for light and dark surroundings.
pub const COLOURS: &str = ":root,svg{--ink:#17212b;--muted:#5b6875;--rule:#dde3ea;--card:#ffffff;--page:#f3f5f8;\
--c1:#1f6fd6;--c2:#d9622b;--c3:#1f9254;--c4:#8b54c9;--c5:#b8860b;--c6:#0e8a9a;--c7:#b83280;--c8:#6b7a1f;--soft:#e8f0fb}\
@media(prefers-color-scheme:dark){:root,svg{--ink:#e6ebf1;--muted:#9aa7b4;--rule:#303a45;--card:#1a222b;--page:#10161c;\
--c1:#6aa8f7;--c2:#f08a5a;--c3:#5cc98d;--c4:#bb90ee;--c5:#dcb03f;--c6:#4fc4d4;--c7:#ea7fbe;--c8:#b5c455;--soft:#1d2b3c}}";

/// What the elements of a drawing look like.
pub const STYLE: &str = "svg.plot{font:11px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;background:var(--card)}\
svg.plot text{fill:var(--ink)}svg.plot .muted{fill:var(--muted)}svg.plot .small{font-size:10px}svg.plot .grid{stroke:var(--rule);stroke-width:1;fill:none}\
svg.plot .limit{stroke:var(--c2);stroke-width:1.2;stroke-dasharray:4 3;fill:none}svg.plot .line{fill:none;stroke-width:2;stroke-linejoin:round}\
svg.plot .k1{stroke:var(--c1)}svg.plot .k2{stroke:var(--c2)}svg.plot .k3{stroke:var(--c3)}svg.plot .k4{stroke:var(--c4)}svg.plot .k5{stroke:var(--c5)}svg.plot .k6{stroke:var(--c6)}svg.plot .k7{stroke:var(--c7)}svg.plot .k8{stroke:var(--c8)}\
svg.plot .f1{fill:var(--c1)}svg.plot .f2{fill:var(--c2)}svg.plot .f3{fill:var(--c3)}svg.plot .f4{fill:var(--c4)}svg.plot .f5{fill:var(--c5)}svg.plot .f6{fill:var(--c6)}svg.plot .f7{fill:var(--c7)}svg.plot .f8{fill:var(--c8)}\
svg.plot .on{fill:var(--card)}svg.plot .track{fill:var(--rule)}svg.plot .halo{paint-order:stroke;stroke:var(--card);stroke-width:3px}";

impl Drawing {
    /// As part of a page.
    pub fn inline(&self) -> String {
        self.tag("", "")
    }

    /// As a file of its own.
    pub fn standalone(&self) -> String {
        self.tag(" xmlns=\"http://www.w3.org/2000/svg\"", &format!("<style>{COLOURS}{STYLE}</style>\n"))
            + "\n"
    }

    fn tag(&self, attributes: &str, style: &str) -> String {
        let Drawing { width, height, title, body } = self;
        format!(
            "<svg{attributes} class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{0}\">\n{style}<title>{0}</title>\n{body}</svg>",
            escape(title)
        )
    }
}

/// Several drawings as one, `columns` to a row.
pub fn grid(title: &str, drawings: &[Drawing], columns: usize) -> Drawing {
    let columns = columns.min(drawings.len()).max(1);
    let width = drawings.iter().map(|drawing| drawing.width).fold(0.0, f64::max);
    let height = drawings.iter().map(|drawing| drawing.height).fold(0.0, f64::max);
    let mut body = String::new();
    for (i, drawing) in drawings.iter().enumerate() {
        let (x, y) = ((i % columns) as f64 * width, (i / columns) as f64 * height);
        let _ = writeln!(body, "<g transform=\"translate({x} {y})\">\n{}</g>", drawing.body);
    }
    let rows = drawings.len().div_ceil(columns);
    Drawing { width: width * columns as f64, height: height * rows as f64, title: title.into(), body }
}

/// Text that means itself inside an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Writes a text element.
pub fn text(body: &mut String, x: f64, y: f64, anchor: Anchor, class: &str, content: &str) {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{class}>{}</text>",
        escape(content)
    );
}

/// About how wide a text of the usual size is.
pub fn text_width(content: &str) -> f64 {
    6.1 * content.chars().count() as f64
}
